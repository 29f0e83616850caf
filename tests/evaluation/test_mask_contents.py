"""What the masks of a split hold: counted by hand, whatever the size, and refused where nothing could be scored."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import write_oxford
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pets_seg.data import SPLITS, open_dataset
from pets_seg.data.cache import Split
from pets_seg.errors import InputError
from pets_seg.evaluation.mask_contents import MaskContents, check_masks, look, recorded, summary_of

# By the boundary rule: the trimap values that are pet, and those that are not counted.
RULES = {"foreground": ({1, 3}, {0}), "background": ({1}, {0}), "ignore": ({1}, {0, 3})}


@settings(max_examples=60, deadline=None)
@given(
    kinds=st.lists(st.sampled_from(["uncounted", "boundary", "background", "a pixel of pet", "all"]), min_size=1),
    size=st.sampled_from([3, 32, 65, 100]),
    boundary=st.sampled_from(list(RULES)),
    seed=st.integers(0, 1000),
)
def test_the_contents_are_those_of_a_count_pixel_by_pixel(
    kinds: list[str], size: int, boundary: str, seed: int
) -> None:
    random = np.random.default_rng(seed)
    values = {"uncounted": 0, "boundary": 3, "background": 2, "a pixel of pet": random.choice([0, 2, 3]), "all": 2}
    trimaps = np.stack([np.full((size, size), values[kind], np.uint8) for kind in kinds])
    for trimap, kind in zip(trimaps, kinds, strict=True):
        if kind == "a pixel of pet":
            trimap[tuple(random.integers(0, size, 2))] = 1
        if kind == "all":
            trimap[:] = random.integers(0, 4, (size, size))
    rows = random.permutation(len(kinds))[: 1 + seed % len(kinds)].tolist()
    pet, uncounted = RULES[boundary]
    chosen = [trimaps[row].flatten().tolist() for row in rows]
    left_out = sum(all(value in uncounted for value in trimap) for trimap in chosen)
    has_pet = any(value in pet for trimap in chosen for value in trimap)
    # A mask's levels have numbers of their own: here those of the first row are turned round.
    levels, trimap_of = torch.from_numpy(trimaps), torch.arange(4, dtype=torch.uint8).repeat(len(kinds), 64)
    levels[0], trimap_of[0] = 3 - levels[0], trimap_of[0].flip(0)
    images = torch.zeros(len(kinds), 3, size, size, dtype=torch.uint8)
    split = Split([str(row) for row in rows], torch.tensor(rows), images, levels, trimap_of)
    assert look(split, boundary) == MaskContents(len(rows), left_out, has_pet)


def test_the_lines_say_how_many_and_what_dice_is_worth() -> None:
    assert MaskContents(10, 0, True).remarks("test") == []
    assert MaskContents(10, 1, True).remarks("test") == ["1 of 10 test images has no counted pixel and is left out"]
    no_pet, left_out = MaskContents(10, 2, False).remarks("valid")
    assert left_out == "2 of 10 validation images have no counted pixel and are left out"
    assert no_pet.startswith("no pixel of the validation masks is pet, so that validation Dice says nothing")
    [no_pet] = MaskContents(10, 0, False).remarks("train")
    assert no_pet == "no pixel of the training masks is pet, so that nothing can be learned of pets"


def test_a_summary_of_an_older_version_or_of_a_stranger_says_nothing() -> None:
    summary = summary_of({"valid": MaskContents(6, 0, True), "test": MaskContents(10, 2, False)})
    assert recorded(summary, "test") == MaskContents(10, 2, False)
    assert recorded({"test_dice": 0.5}, "test") is None
    assert recorded(summary | {"test_has_pet": 0}, "test") is None
    assert recorded(summary | {"test_images": "10"}, "test") is None


def data(root: Path, boundary: str) -> dict[str, object]:
    made = {"name": "oxford_pet", "_target_": "pets_seg.data.sources.oxford_pet", "root": str(root), "download": False}
    return made | {"size": 32, "boundary": boundary, "skip_bad": False, "cache_dir": str(root / "cache")}


def test_a_split_without_a_counted_pixel_is_refused(tmp_path: Path) -> None:
    trimaps = write_oxford(tmp_path) / "annotations" / "trimaps"
    for number in range(20, 24):
        Image.fromarray(np.full((48, 48), 3, np.uint8)).save(trimaps / f"pet_{number}.png")

    def checked(boundary: str, splits: Sequence[str]) -> list[str]:
        settings = data(tmp_path, boundary)
        return check_masks(open_dataset(settings), settings, splits)

    assert checked("foreground", SPLITS) == []
    [remark] = checked("background", SPLITS)
    assert remark.startswith("no pixel of the test masks is pet")
    with pytest.raises(InputError, match=r"none of the 4 test images has a counted pixel.*data.boundary=ignore.*mend"):
        checked("ignore", SPLITS)
    # Another split of the same data set can be scored.
    assert checked("ignore", ["valid"]) == []
