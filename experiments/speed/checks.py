"""What does it cost to know one's own pictures: digests of the files and the levels of masks, beside decoding?"""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from timing import Rows

from pets_seg.data import Pair
from pets_seg.data.decode import decode_pair
from pets_seg.data.levels import Levels
from pets_seg.data.mask_rule import decide
from pets_seg.data.sources import sample

SIZE = 256
NATIVE = (4000, 3000)
PAIRS = 8
FOLDER = 10_000


def tables(device: torch.device, seconds: float) -> Iterator[tuple[str, Rows]]:
    """Yield the title and rows of the one table."""
    with tempfile.TemporaryDirectory() as folder:
        pairs = native_pairs(Path(folder))
        alone: list[float] = []
        checked: list[float] = []
        started = time.perf_counter()
        # In turn, so that both meet the same machine.
        while time.perf_counter() - started < seconds or len(alone) < 3:
            for function, times in ((decode_alone, alone), (lambda pair: decode_pair(pair, SIZE), checked)):
                times.append(milliseconds_each(function, pairs))
        bytes_of_pair = sum(path.stat().st_size for pair in pairs for path in (pair.image, pair.trimap)) / PAIRS
    masks = [Levels(f"{number}.png", (0, 255), (1, 1)) for number in range(FOLDER)]
    started = time.perf_counter()
    decide(masks, None, None)
    rule = (time.perf_counter() - started) * 1000 / FOLDER
    without, with_checks = statistics.median(alone), statistics.median(checked) + rule
    rows = [
        {"of a pair": "read, decode and resize with Pillow", "milliseconds": f"{without:.1f}", "cost": ""},
        {
            "of a pair": "with digests, levels, range and rule",
            "milliseconds": f"{with_checks:.1f}",
            "cost": f"{100 * (with_checks / without - 1):+.1f} %",
        },
    ]
    title = f"Pairs of {NATIVE[0]} x {NATIVE[1]} pixels to {SIZE} px, JPEG and PNG of {bytes_of_pair / 1e6:.1f} MB"
    yield f"{title}, one thread, the rule for {FOLDER:,} masks", rows


def decode_alone(pair: Pair) -> None:
    """Decode and resize a pair, each file read once."""
    for path, filtering in ((pair.trimap, Image.Resampling.NEAREST), (pair.image, Image.Resampling.BILINEAR)):
        with Image.open(path) as image:
            np.asarray(image.resize((SIZE, SIZE), filtering))


def milliseconds_each(function: Callable[[Pair], object], pairs: list[Pair]) -> float:
    """Return how long `function` takes for a pair."""
    started = time.perf_counter()
    for pair in pairs:
        function(pair)
    return (time.perf_counter() - started) * 1000 / len(pairs)


def native_pairs(folder: Path) -> list[Pair]:
    """Write pairs of the bundled sample, enlarged and with the noise of a camera, as photographs and masks."""
    noise = np.random.default_rng(0).normal(0, 6, (NATIVE[1], NATIVE[0], 1))
    found = []
    for number, pair in enumerate(sample().splits["train"][:PAIRS]):
        image, mask = folder / f"{number}.jpg", folder / f"{number}.png"
        photograph = np.asarray(Image.open(pair.image).resize(NATIVE, Image.Resampling.BICUBIC)) + noise
        Image.fromarray(photograph.clip(0, 255).astype(np.uint8)).save(image, quality=90)
        grey = Image.open(pair.trimap).point(lambda value: 255 * (value != 2))
        grey.resize(NATIVE, Image.Resampling.NEAREST).save(mask)
        found.append(Pair(str(number), image, mask))
    return found
