"""What a run records of the masks that it is scored against differs just where these masks do."""

from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from conftest import picture
from PIL import Image

from pets_seg.data import SPLITS, ensure_decoded
from pets_seg.data.batches import mask_of_trimap

COUNT = 24


def write(root: Path) -> dict[str, Any]:
    """Write pairs whose masks hold 10, 120 and 255, every third one without 120, and return the `data` settings."""
    for part in ("images", "masks"):
        (root / part).mkdir(parents=True)
    for index in range(COUNT):
        image, trimap = picture(index)
        image.save(root / "images" / f"a{index:02d}.png")
        values = np.array([0, 255, 10, 255 if index % 3 == 0 else 120], np.uint8)[np.asarray(trimap)]
        Image.fromarray(values).save(root / "masks" / f"a{index:02d}.png")
    settings = {"name": "folder", "_target_": "pets_seg.data.sources.folder", "root": str(root), "size": 32}
    return {**settings, "split_seed": 3, "skip_bad": False, "cache_dir": str(root / "cache")}


def test_truths_differ_where_masks_are_read_otherwise(tmp_path: Path) -> None:
    data = write(tmp_path / "data")
    readings: dict[str, tuple[dict[str, Any], Any]] = {
        "255": ({"mask_values": {"pet": [255]}}, lambda mask: mask == 255),
        "255 and 120": ({"mask_values": {"pet": [255, 120]}}, lambda mask: mask >= 120),
        "from 20": ({"mask_threshold": 20}, lambda mask: mask >= 120),
        "from 50": ({"mask_threshold": 50, "size": 48}, lambda mask: mask >= 120),
        "from 200": ({"mask_threshold": 200}, lambda mask: mask == 255),
        "120 not counted": (
            {"mask_values": {"pet": [255], "ignore": [120]}},
            lambda mask: np.where(mask == 120, 255, mask == 255),
        ),
    }
    found = {}
    for name, (settings, meaning) in readings.items():
        index = ensure_decoded({**data, **settings})[1]
        truths = index.truths(mask_of_trimap("foreground").tolist())
        masks = [np.asarray(Image.open(tmp_path / "data" / "masks" / f"{file.stem}.png")) for file in index.files]
        found[name] = truths, [meaning(mask).astype(int) for mask in masks]
    for one, other in combinations(found.values(), 2):
        same = [np.array_equal(*masks) for masks in zip(one[1], other[1], strict=True)]
        assert same == [truth == another for truth, another in zip(one[0], other[0], strict=True)]


def test_the_boundary_is_a_part_of_what_masks_mean(tmp_path: Path) -> None:
    data = write(tmp_path / "data")
    for path in (tmp_path / "data" / "masks").iterdir():
        values = np.asarray(Image.open(path))
        Image.fromarray(np.select([values == 255, values == 120], [1, 3], 2).astype(np.uint8)).save(path)
    index = ensure_decoded(data)[1]
    rules = {rule: index.truths(mask_of_trimap(rule).tolist()) for rule in ("foreground", "background", "ignore")}
    stems = [stem for split in SPLITS for stem in index.stems(split)]
    for one, other in combinations(rules.values(), 2):
        same = {stem for stem, *truths in zip(stems, one, other, strict=True) if len({*truths}) == 1}
        assert same == {stem for stem in stems if int(stem[1:]) % 3 == 0}
