"""Folders whose masks are of several kinds: read rightly, refused or told, and no part of them misread."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from test_index import COUNT, opened, wanted
from test_mask_rule import PET, levels, plain, trimap

from pets_seg.data.levels import Levels
from pets_seg.data.mask_rule import decide
from pets_seg.data.mask_values import check_mask_values
from pets_seg.errors import InputError

__all__ = ["wanted"]
SOFT = plain(*range(0, 256, 5))


def wide(*values: Any, depth: str = "16-bit", threshold: float | None = None) -> Levels:
    return Levels("wide.png", values, (10,) * len(values), depth=depth, threshold=threshold)


REFUSED: dict[str, tuple[list[Levels], dict | None, float | None, str]] = {
    "soft masks of 16 bits beside those of 8": (
        [wide(0, 30000, 65535, threshold=32768), plain(0, 255)],
        None,
        32768,
        "wide.png holds 16-bit values up to 65535 and a.png 8-bit values up to 255",
    ),
    "probabilities beside 0 and 255": ([wide(0, 0.4, 0.9, depth="float"), plain(0, 255)], None, 128, "up to 0.9 and"),
    "a threshold in the noise of JPEG": ([plain(0, 255), plain(0, 3, 250, lossy=True)], None, 1, "in a lossy format"),
    "0 and 1 in JPEG beside PNG": ([plain(0, 255), plain(0, 1, lossy=True)], None, None, "values up to 1 in a lossy"),
    "all 0 in JPEG beside PNG": ([plain(0, 255), plain(0, lossy=True)], None, None, "values up to 0 in a lossy"),
    "255 and 65535 in one file": ([wide(0, 255, 65535)], None, None, "mask_values"),
    "255 as a margin here and as pet there": (
        [plain(0, 1, 255, counts=[50, 50, 10]), plain(0, 255, counts=[50, 50])],
        None,
        None,
        "0, 255 in a.png",
    ),
    "255 not named": ([plain(0, 1), plain(0, 255)], {"pet": [1]}, None, "holds 0 and 255 alone, .* name it too"),
    "65535 not named": (
        [plain(0, 255), wide(0, 65535)],
        {"pet": [255]},
        None,
        "holds 0 and 65535 alone",
    ),
    "soft edges with values named": ([SOFT, plain(*range(235, 256))], {"pet": [255]}, None, "as soft edges do"),
    "soft edges without 254": ([plain(*range(0, 256, 5))], {"pet": [255]}, None, "as soft edges do"),
    "two ranges of 16 bits": ([wide(0, 255), wide(0, 65535)], None, 128, "up to 255 and wide.png up to 65535"),
    "two ranges of floats": ([wide(0, 0.9, depth="float"), wide(0, 250.5, depth="float")], None, 0.5, "save all masks"),
    "classes 1, 2 and 3": ([plain(1, 2), plain(1, 3)], None, None, "mask_values"),
    "soft edges with 1 named": ([plain(*range(256))], {"pet": [1]}, None, "as soft edges do"),
    "probabilities with 1 named": ([wide(0, 0.25, 1, depth="float")], {"pet": [1]}, None, "as soft edges do"),
    "white that no mask holds": (
        [plain(0, "#400000", "#e0e0c0", indices=(0, 8, 255))],
        {"pet": ["#ffffff"]},
        None,
        "no mask holds 255",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_mixtures_that_would_be_misread_are_refused(kind: str) -> None:
    masks, named, threshold, said = REFUSED[kind]
    with pytest.raises(InputError, match=said) as refused:
        decide(masks, named, threshold)
    assert "\n" not in str(refused.value)


def test_masks_that_a_threshold_leaves_empty_are_told() -> None:
    percent = Levels("percent.png", (0, 50, 100), (8, 1, 1))
    rule = decide([SOFT, plain(0), percent, percent], None, 128)
    assert rule.said == "128 or more is pet, 2 of 4 masks hold less and have none (100 in percent.png)"
    assert decide([SOFT, plain(0)], None, 128).said == "128 or more is pet"


@pytest.mark.parametrize("more", [False, True])
def test_a_threshold_counts_the_values_that_equal_it(tmp_path: Path, more: bool) -> None:
    probability = np.where(PET, 0.7, 0.2).astype(np.float32)
    if more:
        # So many values that they are divided while the mask is read.
        probability[0] = np.linspace(0, 0.1, 16)
        probability = np.kron(probability, np.ones((8, 8), np.float32))
        probability[:8] = np.linspace(0, 0.1, 8 * 128).reshape(8, 128)
    where, mask = levels(Image.fromarray(probability), tmp_path, "TIFF", threshold=0.7)
    assert np.array_equal(trimap(where, mask, decide([mask], None, 0.7))[1:], np.where(PET, 1, 2)[1:])
    assert bool(mask.threshold) == more


def test_what_is_named_and_what_is_transparent_is_said() -> None:
    masks = [plain(0, 128, 255)]
    assert decide(masks, {"pet": [255], "ignore": [127]}, None).said == (
        "255 pet, 0, 128 background, 127 not counted (no mask holds 127)"
    )
    clear = plain("#ffffff00", "#ff0000ff"[:7])
    assert "what is transparent is background" in decide([clear], {"pet": ["red"]}, None).said


def test_a_mask_may_hold_class_1_alone() -> None:
    for masks in (
        [plain(0, 8), plain(0, 1)],
        [plain(0, "#400000", indices=(0, 8)), plain(0, "#800000", indices=(0, 1))],
    ):
        assert [decide(masks, {"pet": [8]}, None).table(mask) for mask in masks] == [[2, 1], [2, 2]]


def test_numbers_of_many_objects_can_be_named() -> None:
    rule = decide([wide(0, *range(1000, 1250))], {"pet": [1000, 1001]}, None)
    assert [rule.trimap_of[level] for level in (0, 1000, 1002)] == [2, 1, 2]


def test_colours_of_a_palette_are_named_as_colours_and_so_is_the_advice() -> None:
    painted = plain(0, "#ff0000", 255, indices=(0, 1, 2))
    rule = decide([painted], {"pet": ["red"], "ignore": ["white"]}, None)
    assert rule.table(painted) == [2, 1, 0]
    void = plain(0, "#400000", "#e0e0c0", indices=(0, 8, 255))
    assert decide([void], {"pet": ["#400000"], "background": ["black"], "ignore": ["#e0e0c0"]}, None).table(void) == [
        2,
        1,
        0,
    ]
    with pytest.raises(InputError) as refused:
        decide([painted], None, None)
    advice = re.search(r"data\.mask_values='(.*)'", str(refused.value))
    assert advice
    assert advice[1] == '{pet:["#ffffff"],ignore:["#ff0000"]}'
    given = {"pet": ["#ffffff"], "ignore": ["#ff0000"]}
    check_mask_values(given)
    assert decide([painted], given, None).table(painted) == [2, 0, 1]


@pytest.mark.parametrize("values", [(255, 254), (1, 255), (7, 9)])
def test_two_values_that_share_no_mask_are_both_proposed_as_pet(values: tuple[int, int]) -> None:
    low, high = sorted(values)
    with pytest.raises(InputError, match=rf"\{{pet:\[{low},{high}\]\}}"):
        decide([plain(0, values[0]), plain(0, values[1])], None, None)


def test_numbers_of_animals_in_16_bits_are_named_beside_soft_edges() -> None:
    with pytest.raises(InputError, match=r"soft edges.*or data\.mask_threshold=1 where these are the numbers of"):
        decide([wide(*range(0, 30000, 700))], None, None)


def noisy(mask: np.ndarray, seed: int, most: int = 6) -> Image.Image:
    """Return a grey mask in RGB whose channels differ a little, as after JPEG."""
    random = np.random.default_rng(seed).integers(-most, most + 1, (*mask.shape, 3))
    return Image.fromarray((mask[..., None] + random).clip(0, 255).astype(np.uint8))


@pytest.mark.parametrize("most", [1, 6])
def test_grey_masks_with_noise_in_their_colours_need_a_threshold(wanted: dict[str, Any], most: int) -> None:
    _, _, trimaps = opened(wanted)
    masks = sorted((Path(wanted["root"]) / "masks").iterdir())
    for number, path in enumerate(masks):
        noisy(np.asarray(Image.open(path)).astype(int), number, most).save(path, "PNG")
    for more in ({}, {"mask_values": {"pet": [255]}}):
        with pytest.raises(InputError, match=r"data\.mask_threshold"):
            opened({**wanted, **more})
    assert opened({**wanted, "mask_threshold": 128})[2].equal(trimaps)


def test_a_mask_to_which_no_threshold_applies_can_be_left_out(wanted: dict[str, Any]) -> None:
    path = Path(wanted["root"]) / "masks" / "a05.png"
    Image.new("RGB", (48, 48), (255, 0, 0)).save(path)
    with pytest.raises(InputError, match=r"1 of 24 pairs cannot be used: a05 \(a05.png: is a colour picture, to which"):
        opened({**wanted, "mask_threshold": 128})
    left, _, _ = opened({**wanted, "mask_threshold": 128, "skip_bad": True})
    assert len(left.stems("all")) == COUNT - 1
    assert left.masks("foreground").startswith("128 or more is pet, pet ")
