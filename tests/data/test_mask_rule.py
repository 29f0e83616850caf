"""What masks mean: decided for a folder as a whole by what they hold, set, or refused."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pets_seg.data import levels as levels_module
from pets_seg.data.levels import BadFileError, Levels, read_levels
from pets_seg.data.mask_rule import decide
from pets_seg.data.trimap import MaskRule
from pets_seg.errors import InputError

# A pet in the middle, and where a margin is uncertain.
PET = np.zeros((16, 16), bool)
PET[4:12, 3:13] = True
MARGIN = np.zeros((16, 16), bool)
MARGIN[2:4, 3:13] = True
SIZE = 16
Picture = Callable[[np.ndarray], Image.Image]


def levels(image: Image.Image, folder: Path, form: str = "PNG", threshold: float | None = None, **options: Any):
    path = folder / "mask"
    image.save(path, form, **options)
    with Image.open(path) as mask:
        return read_levels(mask, SIZE, threshold, "mask.png", form == "JPEG")


def trimap(where: np.ndarray, mask: Levels, rule: MaskRule) -> np.ndarray:
    return np.array(rule.table(mask))[where]


def palette(colours: Sequence[Sequence[int]], indices: np.ndarray) -> Image.Image:
    image = Image.fromarray(indices.astype(np.uint8))
    image.putpalette([value for colour in colours for value in colour])
    return image


def coloured(pet: Sequence[int], ground: Sequence[int]) -> Picture:
    return lambda mask: Image.fromarray(np.where(mask[..., None], pet, ground).astype(np.uint8))


def grey(pet: float, ground: float, kind: type = np.uint8) -> Picture:
    return lambda mask: Image.fromarray(np.where(mask, pet, ground).astype(kind))


VOC = [[0, 0, 0], [128, 0, 0], *[[0, 128, 0]] * 253, [224, 224, 192]]
CLEAR: list[tuple[str, Picture, str]] = [
    ("0 and 255", grey(255, 0), "PNG"),
    ("0 and 1", grey(1, 0), "PNG"),
    ("0 and 128", grey(128, 0), "PNG"),
    ("0 and 2", grey(2, 0), "PNG"),
    ("1-bit", lambda mask: Image.fromarray(mask), "PNG"),
    ("16-bit, 65535", grey(65535, 0, np.uint16), "PNG"),
    ("16-bit, 1", grey(1, 0, np.uint16), "PNG"),
    ("32-bit, 255", grey(255, 0, np.int32), "TIFF"),
    ("float, 1", grey(1, 0, np.float32), "TIFF"),
    ("float, 0.5", grey(0.5, 0, np.float32), "TIFF"),
    ("white on black in colour", coloured([255] * 3, [0] * 3), "PNG"),
    ("red on black", coloured([255, 0, 0], [0] * 3), "PNG"),
    ("palette, black first", lambda mask: palette([[0] * 3, [255] * 3], mask), "PNG"),
    ("palette, white first", lambda mask: palette([[255] * 3, [0] * 3], ~mask), "PNG"),
    ("palette, red first", lambda mask: palette([[200, 0, 0], [0] * 3], ~mask), "PNG"),
    ("palette in a GIF", lambda mask: palette([[255] * 3, [0] * 3], ~mask), "GIF"),
    ("palette of class colours", lambda mask: palette(VOC, mask), "PNG"),
    ("opaque alpha", coloured([255, 255, 255, 255], [0, 0, 0, 255]), "PNG"),
    ("alpha of one value", coloured([255, 255, 255, 200], [0, 0, 0, 200]), "PNG"),
    ("alpha of white", coloured([255, 255, 255, 255], [255, 255, 255, 0]), "PNG"),
    ("alpha of black", coloured([0, 0, 0, 255], [0, 0, 0, 0]), "PNG"),
    ("alpha that agrees with colour", coloured([255, 255, 255, 255], [0, 0, 0, 0]), "PNG"),
    ("red on clear white", coloured([255, 0, 0, 255], [255, 255, 255, 0]), "PNG"),
    (
        "grey with alpha",
        lambda mask: Image.merge("LA", (Image.new("L", mask.shape[::-1], 255), grey(255, 0)(mask))),
        "PNG",
    ),
    ("lossless WebP", coloured([255] * 3, [0] * 3), "WEBP"),
    ("PPM", grey(255, 0), "PPM"),
    ("palette, all black", lambda mask: palette([[0] * 3] * 2, mask), "PNG"),
]


@pytest.mark.parametrize(("name", "picture", "form"), CLEAR, ids=[name for name, *_ in CLEAR])
def test_masks_of_two_levels_are_read_by_what_they_look_like(
    tmp_path: Path, name: str, picture: Picture, form: str
) -> None:
    options = {"lossless": True} if form == "WEBP" else {}
    where, mask = levels(picture(PET), tmp_path, form, **options)
    # Another mask of the folder has no pet.
    _, empty = levels(picture(np.zeros_like(PET)), tmp_path, form, **options)
    rule = decide([mask, empty], None, None)
    assert np.array_equal(trimap(where, mask, rule), np.where(PET, 1, 2))
    assert rule.said
    assert dict(zip(rule.table(mask), mask.counts, strict=True)) == {1: PET.sum(), 2: (~PET).sum()}


def test_trimaps_and_uncertain_margins_are_read(tmp_path: Path) -> None:
    expected = np.where(PET, 1, np.where(MARGIN, 3, 2))
    for picture in (
        Image.fromarray(expected.astype(np.uint8)),
        palette([[9, 9, 9], [255, 0, 0], [0] * 3, [0, 0, 255]], expected),
    ):
        where, mask = levels(picture, tmp_path)
        assert np.array_equal(trimap(where, mask, decide([mask], None, None)), expected)
    void = np.where(PET, 1, np.where(MARGIN, 255, 0))
    for picture in (Image.fromarray(void.astype(np.uint8)), palette(VOC, void)):
        where, mask = levels(picture, tmp_path)
        _, without = levels(Image.fromarray(np.where(MARGIN, 255, 0).astype(np.uint8)), tmp_path)
        rule = decide([mask] if mask.indices else [mask, without], None, None)
        assert np.array_equal(trimap(where, mask, rule), np.where(PET, 1, np.where(MARGIN, 0, 2)))


def plain(
    *values: Any, counts: Sequence[int] | None = None, lossy: bool = False, indices: tuple | None = None
) -> Levels:
    alpha = any(isinstance(value, str) and len(value) == 9 for value in values)
    return Levels("a.png", values, tuple(counts or [10] * len(values)), indices, lossy, alpha)


UNCLEAR = {
    "1 and 2": ([plain(1, 2)], "mask_values"),
    "1 alone": ([plain(1)], "mask_values"),
    "255 alone": ([plain(255)], "mask_values"),
    "two levels without 0": ([plain(40, 200)], "mask_values"),
    "three levels": ([plain(0, 128, 255)], "mask_values"),
    "class indices": ([plain(0, 1, 2)], "mask_values"),
    "trimap and 0": ([plain(0, 1, 2, 3)], "mask_values"),
    "2 and 3": ([plain(2, 3)], "mask_values"),
    "files of 1 and files of 255": ([plain(0, 1), plain(0, 255)], "mask_values"),
    "a stray 1 in masks of 255": ([plain(0, 1, 255, counts=[50, 1, 50])], "mask_values"),
    "negative": ([plain(-1, 0)], "mask_values"),
    "two colours": ([plain("#ff0000", "#00ff00")], "mask_values"),
    "two colours and black": ([plain(0, "#ff0000", "#00ff00")], "mask_values"),
    "palette without black": ([plain("#ff0000", "#00ff00", indices=(0, 1))], "mask_values"),
    "palettes of other colours": (
        [plain("#ff0000", "#00ff00", "#0000ff", indices=(1, 2, 3)), plain("#00ff00", indices=(1,))],
        "mask_values",
    ),
    "JPEG": ([plain(0, 1, 2, 254, 255, lossy=True)], "JPEG makes such values .* data.mask_threshold=128"),
    "soft edges": ([plain(*range(0, 256, 5))], "soft edges.* data.mask_threshold=128"),
    "soft edges from 0 to 1": ([plain(0, 0.25, 0.5, 1)], "soft edges.* data.mask_threshold=0.5"),
    "soft edges of 16 bits": ([plain(*range(0, 65536, 1000))], "soft edges.* data.mask_threshold=32500"),
    "numbers of objects": ([plain(*range(30))], "numbers of animals, data.mask_threshold=1 makes all of them pet"),
    "soft edges of a colour": (
        [plain(0, *(f"#{red:02x}0000" for red in range(9, 250, 10)))],
        "soft edges: save masks as PNG",
    ),
    "grey with a little colour": (
        [plain(*(f"#{grey:02x}{grey + 3:02x}{grey:02x}" for grey in range(0, 250, 10)), lossy=True)],
        "colours that are nearly grey; .*JPEG makes such values .* data.mask_threshold=121",
    ),
    "JPEG of 0 and 1": ([plain(0, 1, lossy=True)], "values up to 1 in a lossy format .* save masks as PNG"),
    "JPEG that lost all": ([plain(0, lossy=True)], "values up to 0 in a lossy format"),
    "255 in one file alone": ([plain(255)], r"\{pet:\[255\]\}"),
    "128 between 0 and 255": ([plain(0, 128, 255)], r"\{pet:\[255\],ignore:\[128\]\}"),
    "0/1 here and 0/255 there": ([plain(0, 1), plain(0, 255)], r"0, 255 in a.png, 0, 1 in a.png.*\{pet:\[1,255\]\}"),
    "a palette of one colour": ([plain(0, "#ff0000", 0, indices=(0, 1, 2))], "mask_values"),
    "alpha here and none there": ([plain("#00000000", 0), Levels("b.png", (0,), (9,))], "b.png has no alpha"),
    "black on clear white": ([plain("#ffffff00", 0)], "transparent part that says other than their colours"),
    "soft alpha": ([plain("#ffffff00", "#ffffff80", 255)], "3 degrees of transparency.*mask_threshold"),
}


@pytest.mark.parametrize("kind", UNCLEAR)
def test_what_can_be_read_in_more_than_one_way_is_refused_with_the_setting(kind: str) -> None:
    masks, said = UNCLEAR[kind]
    with pytest.raises(InputError, match=said) as refused:
        decide(masks, None, None)
    assert "\n" not in str(refused.value)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sets(st.integers(0, 255), min_size=1, max_size=4), min_size=1, max_size=4), st.randoms())
def test_the_rule_is_that_of_the_union_and_not_of_a_file(held: list[set[int]], random: Any) -> None:
    masks = [plain(*sorted(values)) for values in held]

    def outcome(masks: Sequence[Levels]) -> Any:
        try:
            return decide(masks, None, None)
        except InputError:
            return None

    rule = outcome(masks)
    random.shuffle(masks)
    assert outcome(masks) == rule
    union = set().union(*held)
    if rule:
        assert rule.trimap_of.keys() >= union
        assert rule.trimap_of.get(0, 2) == 2
        assert all(len(rule.table(mask)) == len(mask.levels) for mask in masks)
    if union == {0} or (0 in union and len(union) == 2):
        assert rule


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 60), st.integers(1, 60), st.integers(1, 20), st.sampled_from(["L", "P", "RGB", "RGBA", "I;16"]),
    st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_a_large_mask_is_read_through_a_grid_and_no_level_of_the_resized_is_missed(
    width: int, height: int, size: int, mode: str, seed: int
) -> None:
    random = np.random.default_rng(seed)
    values = random.choice([0, 0, 0, 7, 9], (height, width)).astype(np.uint8)
    # One that a grid may miss.
    values[random.integers(height), random.integers(width)] = 200
    if mode == "I;16":
        mask = Image.fromarray(values.astype(np.uint16))
    elif mode == "P":
        mask = palette([[value, 255 - value, 0] for value in range(256)], values)
    else:
        mask = Image.fromarray(values).convert(mode)
        if mode == "RGBA":
            mask.putalpha(Image.fromarray(255 - values % 3))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(levels_module, "MAX_SAMPLED", 64)
        where, found = read_levels(mask, size, None, "a.png", False)
    whole_where, whole = read_levels(mask, size, None, "a.png", False)
    assert np.array_equal(np.array(found.levels, object)[where], np.array(whole.levels, object)[whole_where])
    assert {*found.levels} <= {*whole.levels}
    assert sum(whole.counts) == width * height


def test_no_masks_have_a_rule_that_says_nothing() -> None:
    assert decide([], None, None) == MaskRule({}, "")


def test_more_levels_than_labels_are_refused(tmp_path: Path) -> None:
    ramp = np.arange(SIZE * SIZE * 2).reshape(SIZE, -1)
    with pytest.raises(BadFileError, match=r"holds 512 values from 0 to 511; .*data\.mask_threshold"):
        levels(Image.fromarray(ramp.astype(np.uint16)), tmp_path)
    photo = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), np.uint8).repeat(2, 0)
    noise = np.random.default_rng(1).integers(0, 256, (32, 32, 3), np.uint8)
    for picture in (photo, noise):
        with pytest.raises(BadFileError, match=r"is a colour picture, not a mask|holds"):
            levels(Image.fromarray(picture).resize((64, 64), Image.Resampling.BILINEAR), tmp_path)
