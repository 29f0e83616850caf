"""How many photographs a second are segmented, beside reading them and writing their pictures alone?"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from pathlib import Path
from statistics import median

import numpy as np
import torch
from hydra import compose, initialize_config_module
from PIL import Image
from timing import Rows, in_turns

from pets_seg.command import segmenting
from pets_seg.command.photos import Photo, find_photos
from pets_seg.command.tasks import predict
from pets_seg.config.weights import SHIPPED
from pets_seg.data.photo import read_photo
from pets_seg.evaluation.photo_prediction import Prediction
from pets_seg.models.checkpoint import read_about

PHOTOS, SIZE = 64, (500, 375)
BUNDLED = Path(predict.__file__).parents[2] / "data" / "sample" / "oxford-iiit-pet" / "images"


def tables(device: torch.device, seconds: float) -> Iterator[tuple[str, Rows]]:
    """Yield the title and rows of the one table."""
    with tempfile.TemporaryDirectory() as work:
        photos, output = Path(work, "photos"), Path(work, "output")
        photos.mkdir()
        for path in sorted(BUNDLED.glob("*.jpg"))[:PHOTOS]:
            Image.open(path).convert("RGB").resize(SIZE).save(photos / path.name, quality=92)
        asked = [f"input={photos}", f"output={output}", "overwrite=true"]
        with initialize_config_module("pets_seg.conf", version_base="1.3"):
            cfg = compose("config", ["task=predict", f"train.device={device}", *asked])
        found, _ = find_photos(str(photos), output)

        def task(index: int) -> None:
            shutil.rmtree(output, ignore_errors=True)
            with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
                predict.run(cfg)

        def files_alone(index: int) -> None:
            shutil.rmtree(output, ignore_errors=True)
            output.mkdir()
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                [*pool.map(lambda photo: copied(photo, output), found)]

        times = {
            key: median(taken)
            for key, taken in in_turns({"task": task, "files": files_alone}, torch.device("cpu"), seconds).items()
        }
    about = read_about(SHIPPED)
    row = {
        "photographs": f"{PHOTOS} of {SIZE[0]} x {SIZE[1]}, JPEG",
        "network": f"the model that ships: UNet width {about['model']['width']}, {about['size']} px",
        "photographs/s": f"{1000 * PHOTOS / times['task']:.1f}",
        "reading and writing alone": f"{1000 * PHOTOS / times['files']:.1f}",
        "ratio of times": f"{times['task'] / times['files']:.2f}",
    }
    yield "Photographs segmented (mask, cut-out and overlay written)", [row]


def copied(photo: Photo, output: Path) -> None:
    """Read a photograph and write pictures like those that are made of it, by Pillow alone."""
    picture = read_photo(photo.path)
    round_pet = np.hypot(*np.meshgrid(*(np.linspace(-1, 1, side) for side in picture.size))) < 0.7
    made = Prediction(picture, round_pet.astype(np.float32))
    mask, cutout, overlay = photo.made(output)
    made.mask_picture().save(mask, **segmenting.PNG)
    made.cutout().save(cutout, **segmenting.PNG)
    picture.save(overlay, quality=segmenting.QUALITY)
