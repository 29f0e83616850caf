"""Pictures of another range than the others are told, however few they are and whatever single pixels hold."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import command
from PIL import Image
from test_pictures import COUNT, png_of_16_bit_colour, write

from pets_seg.data import ensure_decoded, open_dataset
from pets_seg.data.picture_range import MAX_SAMPLED, Extent, to_rgb
from pets_seg.errors import InputError

Save = Callable[[np.ndarray, Path], object]
FEW, MANY = ["a05", "a11"], [f"a{index:02d}" for index in range(0, COUNT, 5)] + ["a01", "a02", "a03", "a04", "a06"]


def png(scale: float, kind: type = np.uint16) -> Save:
    return lambda grey, path: Image.fromarray((grey.astype(float) * scale).astype(kind)).save(f"{path}.png")


def float_tiff(scale: float) -> Save:
    return lambda grey, path: Image.fromarray(grey.astype(np.float32) * np.float32(scale)).save(f"{path}.tif")


def colour(scale: int) -> Save:
    return lambda grey, path: png_of_16_bit_colour(
        path.with_suffix(".png"), grey[..., None].repeat(3, 2).astype(np.uint16) * scale
    )


def mixed(common: Save, dark: Save, names: list[str]) -> Save:
    return lambda grey, path: (dark if path.name in names else common)(grey, path)


# How most pictures are saved and how the dark ones, then their kind, data.range, and what is said of the dark ones.
MIXED: dict[str, tuple[Save, Save, str, list[float] | None, str]] = {
    "12 bits among 16": (png(257), png(16), "16-bit", None, r"3\d\d\d of 65535"),
    "8 bits among 12": (png(16), png(1), "16-bit", [0, 4095], r"2\d\d of 4095"),
    "0 to 1 among 0 to 255": (float_tiff(1), float_tiff(1 / 255), "float", None, r"0\.\d+ of 255"),
    "12 bits among 16 in colour": (colour(257), colour(16), "16-bit colour", None, r"1\d of 255"),
    "0 to 1 among 0 to 255 of 8 bits": (png(1, np.uint8), png(1 / 200, np.uint8), "8-bit", None, "1 of 255"),
}


def settings(root: Path, save: Save, value_range: list[float] | None = None) -> dict[str, Any]:
    wanted = write(root, save)
    return {**wanted, "range": value_range} if value_range else wanted


@pytest.mark.parametrize("kind", MIXED)
def test_few_almost_black_pictures_are_named(tmp_path: Path, kind: str) -> None:
    common, dark, _, value_range, values = MIXED[kind]
    wanted = settings(tmp_path, mixed(common, dark, FEW), value_range)
    [said] = ensure_decoded(wanted)[1].warnings()
    assert re.fullmatch(f"2 pictures are almost black, with values up to {values}: a05, a11", said)


@pytest.mark.parametrize("kind", MIXED)
def test_many_almost_black_pictures_are_refused_where_the_type_is_wide(tmp_path: Path, kind: str) -> None:
    common, dark, name, value_range, values = MIXED[kind]
    wanted = settings(tmp_path, mixed(common, dark, MANY), value_range)
    if name == "8-bit" or value_range:
        [said] = ensure_decoded(wanted)[1].warnings()
        assert said.startswith("10 pictures are almost black, with values up to ")
        assert re.search(rf"up to {values}: a00, a01, a02, a03, a04, ", said)
        return
    with pytest.raises(InputError) as refused:
        open_dataset(wanted)
    assert re.fullmatch(
        rf"data=folder: 10 of 24 {name} pictures are almost black, with values up to {values}, unlike the others "
        r"\(a00, a01, .*\); pictures of one kind must share one range: save them alike"
        r"(, or keep dark ones by data\.range=\[0,\d+\])?",
        str(refused.value),
    )


def test_blank_pictures_are_named_once_and_are_no_other_range(tmp_path: Path) -> None:
    blank = mixed(png(257), lambda grey, path: png(0)(grey, path), MANY)
    constant, copies = ensure_decoded(settings(tmp_path, blank))[1].warnings()
    assert constant.startswith("10 pictures hold one value throughout: a00, a01")
    assert copies.startswith("copies of training images")


def stamped(scale: int, side: int, first: int = 0) -> Save:
    """Save pictures of a scale, each with a stamp of full white: 4 x 4 of 48 x 48 pixels are less than 1 %."""

    def save(grey: np.ndarray, path: Path) -> None:
        wide = grey.astype(np.uint16) * scale
        wide[first : first + side, first : first + side] = 65535
        Image.fromarray(wide).save(f"{path}.png")

    return save


@pytest.mark.parametrize("side", [1, 4])
def test_a_hot_pixel_or_a_stamp_in_each_does_not_hide_dark_pictures(tmp_path: Path, side: int) -> None:
    wanted = write(tmp_path, stamped(16, side, 7))
    with pytest.raises(InputError) as refused:
        open_dataset(wanted)
    assert re.fullmatch(
        r"data=folder: the 24 16-bit pictures hold values from 0 to 65535, mostly up to 3\d\d\d, of 0 to 65535; "
        r"say which values are black and white, e\.g\. data\.range=\[0,4095\]",
        str(refused.value),
    )
    # The advice can be followed.
    [said] = ensure_decoded({**wanted, "range": [0, 4095]})[1].warnings()
    assert said.startswith("24 pictures hold values above 4095, which become white: a00, a01, ")


def test_a_stamp_on_pictures_of_8_bits_does_not_hide_that_they_are_black(tmp_path: Path) -> None:
    def save(grey: np.ndarray, path: Path) -> None:
        dark = grey // 200
        dark[7:11, 7:11] = 255
        Image.fromarray(dark).save(f"{path}.png")

    with pytest.raises(InputError, match=r"mostly up to \d+, of 0 to 255; save them so that they use 0 to 255$"):
        open_dataset(write(tmp_path, save))


def test_no_range_is_advised_that_would_be_refused(tmp_path: Path) -> None:
    wanted = write(tmp_path, mixed(png(1), png(257), FEW))
    with pytest.raises(InputError, match=r"of 0 to 65535; save them so that they use 0 to 65535$"):
        open_dataset(wanted)


@pytest.mark.parametrize("shape", [(48, 48), (1, 1_000_000), (1_000_000, 1), (900, 700), (3, 2)])
@pytest.mark.parametrize("kind", [np.uint16, np.int32, np.float32])
def test_the_value_of_most_pixels_is_that_of_all_but_a_hundredth(shape: tuple[int, int], kind: type) -> None:
    values = np.random.default_rng(0).integers(0, 60_000, shape).astype(kind)
    extent = to_rgb(Image.fromarray(values), None, False)[1]
    assert extent.most is not None
    assert extent.most in values
    share = (values <= extent.most).mean()
    assert share == pytest.approx(0.99, abs=0.003) if values.size > 1000 else share == 1
    assert MAX_SAMPLED == 1 << 18


def test_the_value_of_most_pixels_of_8_bits(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 256, (100, 100, 3)).astype(np.uint8)
    extent = Extent("8-bit").of(Image.fromarray(values))
    assert (extent.low, extent.high, extent.constant) == (values.min(), values.max(), False)
    assert extent.most is not None
    assert (values < extent.most).mean() < 0.99 <= (values <= extent.most).mean()
    plain = Extent("8-bit").of(Image.new("RGB", (9, 9), (3, 200, 7)))
    assert plain == Extent("8-bit", 3, 200, 200, True)


def test_the_bundled_sample_has_no_dark_picture(tmp_path: Path) -> None:
    sample = {"name": "sample", "_target_": "pets_seg.data.sources.sample", "size": 64, "skip_bad": False}
    assert ensure_decoded({**sample, "cache_dir": str(tmp_path)})[1].warnings() == []


@pytest.mark.slow
def test_the_command_line_says_which_pictures_are_almost_black(tmp_path: Path) -> None:
    common, dark, *_ = MIXED["12 bits among 16"]
    write(tmp_path / "few", mixed(common, dark, FEW))
    write(tmp_path / "many", mixed(common, dark, MANY))
    shown = command("task=preview", "data=folder", f"data.root={tmp_path / 'few'}", cwd=tmp_path)
    assert shown.returncode == 0
    assert "2 pictures are almost black, with values up to 3" in shown.stdout + shown.stderr
    shown = command("task=preview", "data=folder", f"data.root={tmp_path / 'many'}", cwd=tmp_path)
    assert shown.returncode == 2
    assert "data=folder: 10 of 24 16-bit pictures are almost black" in shown.stderr
