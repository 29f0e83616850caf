"""What masks mean where data.mask_values or data.mask_threshold says it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from test_mask_rule import MARGIN, PET, coloured, grey, levels, plain, trimap

from pets_seg.data.levels import BadFileError, Levels
from pets_seg.data.mask_rule import decide
from pets_seg.data.mask_values import check_mask_values
from pets_seg.errors import InputError


@pytest.mark.parametrize(
    ("given_values", "masks", "expected"),
    [
        ({"pet": [1]}, [plain(1, 2)], {1: 1, 2: 2}),
        ({"pet": [2]}, [plain(1, 2)], {1: 2, 2: 1}),
        ({"pet": [0]}, [plain(0, 255)], {0: 1, 255: 2}),
        ({"pet": [255], "ignore": [128]}, [plain(0, 128, 255)], {0: 2, 128: 0, 255: 1}),
        ({"pet": ["#FF0000", "lime"]}, [plain(0, "#ff0000", "#00ff00", "#0000ff")],
         {0: 2, "#ff0000": 1, "#00ff00": 1, "#0000ff": 2}),
        ({"pet": [8, 12]}, [plain(0, 8), plain(0, 3, 12)], {0: 2, 3: 2, 8: 1, 12: 1}),
        ({"pet": [255.0]}, [plain(0, 255)], {0: 2, 255: 1}),
        # Of alpha that is the same everywhere, and of a transparent ground.
        ({"pet": [255]}, [plain("#00000080", "#ffffff80")], {"#00000080": 2, "#ffffff80": 1}),
        ({"pet": ["red"]}, [plain("#ffffff00", "#ff000080", "#00ff0080")],
         {"#ffffff00": 2, "#ff000080": 1, "#00ff0080": 2}),
        # A palette and a grey mask of the same indices.
        ({"pet": [1]}, [plain(0, "#800000", indices=(0, 1)), plain(0, 1)], {0: 2, 1: 1}),
        ({"pet": [8], "background": [0], "ignore": [255]}, [plain(0, "#400000", "#e0e0c0", indices=(0, 8, 255))],
         {0: 2, 8: 1, 255: 0}),
    ],
)  # fmt: skip
def test_values_that_are_given_decide(given_values: dict, masks: list[Levels], expected: dict) -> None:
    check_mask_values(given_values)
    rule = decide(masks, given_values, None)
    assert {level: value for level, value in rule.trimap_of.items() if level in expected} == expected


def test_numbers_are_indices_of_a_palette_unless_it_is_grey() -> None:
    painted = plain("#ff0000", "#00ff00", indices=(0, 1))
    assert decide([painted], {"pet": [1]}, None).table(painted) == [2, 1]
    assert decide([painted], {"pet": ["red"]}, None).table(painted) == [1, 2]
    # 1 is the index of one level and the grey value of another.
    with pytest.raises(InputError, match="name colours alone"):
        decide([plain(0, 1, 255, indices=(0, 2, 1))], {"pet": [1]}, None)


REFUSED = {
    "index 1 is #ff0000 in a.png and #00ff00 in a.png": (
        {"pet": [1]},
        [plain(0, "#ff0000", "#00ff00", indices=(0, 1, 2)), plain(0, "#00ff00", "#ff0000", indices=(0, 1, 2))],
    ),
    "a.png has colours and no palette": ({"pet": [1]}, [plain(0, "#ff0000", indices=(0, 1)), plain(0, "#ff0000")]),
    "holds 0 and 1 alone, and 1 is not named": ({"pet": [255]}, [plain(0, 255), plain(0, 1)]),
    "no mask holds 7; they hold 0, 255": ({"pet": [7]}, [plain(0, 255)]),
    "masks also hold 128": ({"pet": [255], "background": [0]}, [plain(0, 128, 255)]),
    "a lossy format changes values; for a.png give data.mask_threshold": (
        {"pet": [255]},
        [plain(0, 1, 254, 255, lossy=True)],
    ),
}


@pytest.mark.parametrize("said", REFUSED)
def test_values_that_the_masks_do_not_hold_are_refused(said: str) -> None:
    values, masks = REFUSED[said]
    with pytest.raises(InputError, match=said):
        decide(masks, values, None)


@pytest.mark.parametrize(
    "value",
    [
        3,
        [1],
        {},
        {"pet": []},
        {"pet": 1},
        {"cat": [1]},
        {"pet": ["nocolour"]},
        {"pet": ["rgb(300,0,0)"]},
        {"pet": ["rgb(200%,0%,0%)"]},
        {"pet": ["hsl(0,200%,50%)"]},
        {"ignore": ["rgb(0,0,256)"], "pet": [1]},
        {"pet": [None]},
        {"pet": [1], "ignore": [1]},
    ],
)
def test_settings_that_say_nothing_are_refused(value: Any) -> None:
    with pytest.raises(InputError, match=r"data\.mask_values"):
        check_mask_values(value)


def test_a_threshold_divides_grey_masks(tmp_path: Path) -> None:
    soft = np.where(PET, 250, 3).astype(np.uint8)
    pictures = [(Image.fromarray(soft), "JPEG"), (Image.fromarray(soft).convert("RGB"), "JPEG")]
    pictures += [(Image.fromarray(soft.astype(np.uint16)), "PNG"), (Image.fromarray(soft.astype(np.float32)), "TIFF")]
    for image, form in pictures:
        where, mask = levels(image, tmp_path, form, threshold=128)
        rule = decide([mask], None, 128)
        assert np.array_equal(trimap(where, mask, rule), np.where(PET, 1, 2))
        counted = np.bincount(rule.table(mask), mask.counts)
        assert counted.tolist() == [0, PET.sum(), (~PET).sum()]
    alpha = np.dstack([np.full((16, 16, 3), 9), np.where(PET, 128, 127)]).astype(np.uint8)
    where, mask = levels(Image.fromarray(alpha), tmp_path, threshold=128)
    assert np.array_equal(where, PET)
    red = coloured([255, 0, 0], [0, 0, 0])(PET)
    _, mask = levels(red, tmp_path, threshold=128)
    with pytest.raises(BadFileError, match=r"mask.png: is a colour picture, to which data\.mask_threshold"):
        decide([mask], None, 128).table(mask)


def test_a_threshold_that_fits_the_masks_alone(tmp_path: Path) -> None:
    _, soft = levels(grey(1, 0, np.float32)(PET), tmp_path, "TIFF", threshold=128)
    with pytest.raises(InputError, match=r"no mask holds so much; they hold 1 to 1 at most"):
        decide([soft], None, 128)
    _, full = levels(grey(255, 0)(PET), tmp_path, threshold=128)
    with pytest.raises(InputError, match=r"mask.png holds float values up to 1 and mask.png 8-bit values up to 255"):
        decide([soft, full], None, 128)
    _, low = levels(grey(255, 200)(PET), tmp_path, threshold=128)
    with pytest.raises(InputError, match="every pixel of all masks is pet"):
        decide([low], None, 128)
    alpha = np.dstack([np.zeros((16, 16, 3)), np.where(PET, 255, 7)]).astype(np.uint8)
    _, clear = levels(Image.fromarray(alpha), tmp_path, threshold=128)
    with pytest.raises(InputError, match=r"apply to the alpha of mask.png and to the grey values of mask.png"):
        decide([clear, full], None, 128)
    for colour in (alpha[..., 3:].repeat(3, 2), np.where(alpha[..., 3:] > 0, 255, 9).repeat(3, 2)):
        soft_alpha = np.dstack([colour, np.where(PET, 255, MARGIN * 100)]).astype(np.uint8)
        soft_alpha[..., :3] = soft_alpha[..., 3:] if colour is not None and colour.min() == 7 else colour
        where, mask = levels(Image.fromarray(soft_alpha), tmp_path, threshold=128)
        assert np.array_equal(trimap(where, mask, decide([mask], None, 128)), np.where(PET, 1, 2))
