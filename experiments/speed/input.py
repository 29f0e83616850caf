"""How fast do pixels come from files, and from the cache, against torchvision's data set and loader?"""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from PIL import Image
from timing import Rows, milliseconds
from torch.utils.data import DataLoader
from torchvision.datasets import OxfordIIITPet
from torchvision.transforms import v2

from pets_seg.data import Batches, Normalise, open_dataset
from pets_seg.data.sources import sample
from pets_seg.machine.precision import use_device

SIZE = 256
BATCH = 32
FILES = 320
# The most frequent size of the data set's photographs.
NATIVE = (500, 375)


def tables(device: torch.device, seconds: float) -> Iterator[tuple[str, Rows]]:
    """Yield the title and rows of the one table."""
    use_device(device)
    with tempfile.TemporaryDirectory() as folder:
        root = native_files(Path(folder))
        settings = {
            "name": "oxford_pet",
            "_target_": "pets_seg.data.sources.oxford_pet",
            "root": str(root),
            "download": False,
            "size": SIZE,
            "skip_bad": False,
        }
        started = time.perf_counter()
        dataset = open_dataset({**settings, "cache_dir": str(root / "cache")})
        building = FILES / (time.perf_counter() - started)
        batches, normalise = Batches(dataset.train, device, "foreground"), Normalise("imagenet", device)
        indices = torch.arange(BATCH)
        floats = milliseconds(lambda index: normalise(batches.take(indices)[0]), device, seconds)
        pixels = milliseconds(lambda index: batches.images.index_select(0, batches.rows[indices]), device, seconds)
        one, two = loader(root, 0), loader(root, 2)
    speeds = {
        "torchvision's decode loop, one process": one,
        "torchvision with a DataLoader of 2 workers": two,
        "building the cache, once": building,
        "cache to normalised float batches": BATCH * 1000 / floats,
        "cache to uint8 batches": BATCH * 1000 / pixels,
    }
    rows = [
        {
            "images and masks": name,
            "images a second": f"{speed:.0f}",
            "times one process": f"{speed / one:.1f}",
            "times 2 workers": f"{speed / two:.1f}",
        }
        for name, speed in speeds.items()
    ]
    yield (
        f"Pixels at {SIZE} px, of {FILES} JPEG files of {NATIVE[0]} x {NATIVE[1]} pixels (the sample's, enlarged)",
        rows,
    )


def native_files(root: Path) -> Path:
    """Write FILES pairs in torchvision's layout, enlarged from the bundled sample, and return `root`."""
    pairs = [pair for part in sample().splits.values() for pair in part][: FILES + 1]
    folder = root / "oxford-iiit-pet"
    (folder / "images").mkdir(parents=True)
    (folder / "annotations" / "trimaps").mkdir(parents=True)
    for pair in pairs:
        Image.open(pair.image).resize(NATIVE, Image.Resampling.BICUBIC).save(
            folder / "images" / f"{pair.stem}.jpg", quality=90
        )
        Image.open(pair.trimap).resize(NATIVE, Image.Resampling.NEAREST).save(
            folder / "annotations" / "trimaps" / f"{pair.stem}.png"
        )
    for name, part in (("trainval", pairs[:-1]), ("test", pairs[-1:])):
        (folder / "annotations" / f"{name}.txt").write_text("".join(f"{pair.stem} 1 1 1\n" for pair in part))
    return root


def loader(root: Path, workers: int) -> float:
    """Return the images a second of torchvision's data set: decoded, resized, turned into tensors."""
    both = v2.Compose([v2.Resize((SIZE, SIZE)), v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])
    pets = OxfordIIITPet(root, target_types="segmentation", transforms=both)
    started = time.perf_counter()
    for _ in DataLoader(pets, batch_size=BATCH, num_workers=workers):
        pass
    return len(pets) / (time.perf_counter() - started)
