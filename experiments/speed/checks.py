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

from pets_seg.data import Index, Pair, Source
from pets_seg.data.decode import decode_pair
from pets_seg.data.entries import Entry, Row, write_entry
from pets_seg.data.levels import Levels
from pets_seg.data.picture_range import Extent
from pets_seg.data.request import Request
from pets_seg.data.sources import sample
from pets_seg.data.verify import ARRAYS

SIZE = 256
NATIVE = (4000, 3000)
PAIRS = 7
FOLDER = 10_000


def tables(device: torch.device, seconds: float) -> Iterator[tuple[str, Rows]]:
    """Yield the title and rows of the one table."""
    with tempfile.TemporaryDirectory() as folder:
        pairs = native_pairs(Path(folder))
        alone: list[float] = []
        added: list[float] = []
        started = time.perf_counter()
        while time.perf_counter() - started < seconds or len(alone) < 3 * PAIRS:
            # In turns for each pair, and in both orders, so that both meet the same machine.
            for pair in pairs:
                both = [decode_alone, decode_with_checks]
                times = {
                    function: milliseconds(function, pair) for function in (both if len(alone) % 2 else both[::-1])
                }
                alone.append(times[decode_alone])
                added.append(times[decode_with_checks] - times[decode_alone])
        bytes_of_pair = sum(path.stat().st_size for pair in pairs for path in (pair.image, pair.trimap)) / PAIRS
    rule = milliseconds(know_folder) / FOLDER
    without, checks = statistics.median(alone), statistics.median(added) + rule
    rows = [
        {"of a pair": "read, decode and resize with Pillow", "milliseconds": f"{without:.1f}", "share": "100 %"},
        {
            "of a pair": "digests, levels, range, rule and index beside that",
            "milliseconds": f"{checks:.1f}",
            "share": f"{100 * checks / without:.1f} %",
        },
    ]
    title = f"Pairs of {NATIVE[0]} x {NATIVE[1]} pixels to {SIZE} px, JPEG and PNG of {bytes_of_pair / 1e6:.1f} MB"
    yield f"{title}, processor time, rule and index for {FOLDER:,} pairs", rows


def decode_alone(pair: Pair) -> None:
    """Decode and resize a pair, each file read once."""
    for path, filtering in ((pair.trimap, Image.Resampling.NEAREST), (pair.image, Image.Resampling.BILINEAR)):
        with Image.open(path) as image:
            np.asarray(image.resize((SIZE, SIZE), filtering))


def decode_with_checks(pair: Pair) -> None:
    """Decode and resize a pair as the pixel cache does."""
    decode_pair(pair, SIZE)


def know_folder() -> None:
    """Write the index of many pairs, read it, and decide what their masks mean."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pairs = [Pair(str(number), folder / f"{number}.jpg", folder / f"{number}.png") for number in range(FOLDER)]
        request = Request.of("", Source({"train": pairs, "valid": [], "test": []}), SIZE)
        row = Row(None, ("0" * 32, "1" * 32), 0, Levels("a.png", (0, 255), (1, 1)), Extent("8-bit", 0, 255, 250))
        for array in ARRAYS:
            (folder / array).write_bytes(b"")
        write_entry(folder, request, [row] * FOLDER)
        Index(request, Entry.read(folder).rows).masks("foreground")


def milliseconds(function: Callable[..., object], *given: Pair) -> float:
    """Return the processor's time of a call, which other work on the machine disturbs less than that of the clock."""
    started = time.process_time()
    function(*given)
    return (time.process_time() - started) * 1000


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
