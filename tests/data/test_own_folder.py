"""Images and masks of one's own: matched by name however they are called, and assigned to splits as one wants."""

import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import picture

from pets_seg.data import Pair, read_source
from pets_seg.errors import InputError

COUNT = 40


def write(root: Path, image: str = "images/a{:02d}.png", mask: str = "masks/a{:02d}.png", count: int = COUNT) -> Path:
    for index in range(count):
        for part, name in zip(picture(index, 32), (image, mask), strict=True):
            path = root / name.format(index)
            path.parent.mkdir(parents=True, exist_ok=True)
            part.save(path)
    return root


def read(root: Path, **settings: Any) -> dict[str, list[Pair]]:
    needed = settings.pop("needed", ("train", "valid", "test"))
    data = {"name": "folder", "_target_": "pets_seg.data.sources.folder", "root": str(root), **settings}
    return dict(read_source(data, needed).splits)


def pairs(splits: dict[str, list[Pair]]) -> dict[str, Pair]:
    return {pair.stem: pair for part in splits.values() for pair in part}


NAMES: dict[str, tuple[str, str, dict]] = {
    "same": ("images/a{:02d}.png", "masks/a{:02d}.png", {}),
    "suffix": ("images/a{:02d}.png", "masks/a{:02d}_mask.png", {"mask_suffix": "_mask"}),
    "suffix in a sub-folder": ("images/a{:02d}.png", "masks/a{:02d}/mask.png", {"mask_suffix": "/mask"}),
    "whole name": ("images/a{:02d}.jpg", "masks/a{:02d}.jpg.png", {}),
    "sub-folders": ("images/x/y/a{:02d}.png", "masks/x/y/a{:02d}.png", {}),
    "case": ("images/IMG_{:02d}.JPG", "masks/img_{:02d}.png", {}),
    "Unicode forms": (
        f"images/{unicodedata.normalize('NFC', 'café')}{{:02d}}.png",
        f"masks/{unicodedata.normalize('NFD', 'café')}{{:02d}}.png",
        {},
    ),
    "dots and spaces": ("images/a b.c {:02d}.png", "masks/a b.c {:02d}.png", {}),
    "PPM": ("images/a{:02d}.ppm", "masks/a{:02d}.pgm", {}),
}


@pytest.mark.parametrize("kind", NAMES)
def test_masks_are_found_by_their_names(tmp_path: Path, kind: str) -> None:
    image, mask, settings = NAMES[kind]
    found = pairs(read(write(tmp_path, image, mask), needed=(), **settings))
    assert len(found) == COUNT
    for index, (_, pair) in enumerate(sorted(found.items())):
        assert (pair.image, pair.trimap) == (tmp_path / image.format(index), tmp_path / mask.format(index))
        assert pair.problem is None


UNMATCHED: dict[str, tuple[str, str, dict, str]] = {
    "suffix": (
        "images/a{:02d}.png",
        "masks/a{:02d}_mask.png",
        {},
        "masks match by stem: a00.png needs masks/a00.*, there is a00_mask.png; give data.mask_suffix=_mask",
    ),
    "wrong suffix": ("images/a{:02d}.png", "masks/a{:02d}_m.png", {"mask_suffix": "_mask"}, "needs masks/a00_mask.*"),
    "other names": ("images/a{:02d}.png", "masks/b{:02d}.png", {}, "a00.png needs masks/a00.*, there is b00.png"),
    "other sub-folders": ("images/x/a{:02d}.png", "masks/y/a{:02d}.png", {}, "needs masks/x/a00.*, there is y/a00.png"),
}


@pytest.mark.parametrize("kind", UNMATCHED)
def test_where_nothing_matches_the_rule_and_an_example_are_shown(tmp_path: Path, kind: str) -> None:
    image, mask, settings, said = UNMATCHED[kind]
    with pytest.raises(InputError) as refused:
        read(write(tmp_path, image, mask), **settings)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_missing_or_of_another_kind_is_named(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "images" / "a03.png").rename(tmp_path / "images" / "a03.heic")
    (tmp_path / "masks" / "a04.png").rename(tmp_path / "masks" / "a04x.png")
    found = pairs(read(tmp_path))
    assert found["a03"].problem == "has no image in images/: a03.heic is of a kind that is not read"
    assert found["a04"].problem.startswith("has no mask in masks/; there is a04x.png")


def test_a_mask_without_the_suffix_is_named(tmp_path: Path) -> None:
    write(tmp_path, mask="masks/a{:02d}_mask.png")
    (tmp_path / "masks" / "note.png").write_bytes(b"")
    found = pairs(read(tmp_path, mask_suffix="_mask"))
    assert found["note"].problem == "its name does not end in data.mask_suffix=_mask"
    assert sum(pair.problem is None for pair in found.values()) == COUNT


def test_case_matters_where_two_files_differ_in_it_alone(tmp_path: Path) -> None:
    write(tmp_path)
    for name, part in (("Tom", "images"), ("tom", "images"), ("tom", "masks")):
        picture(0)[part == "masks"].save(tmp_path / part / f"{name}.png")
    found = pairs(read(tmp_path))
    assert found["tom"].problem is None
    assert found["Tom"].problem.startswith("has no mask")


def test_hidden_folders_and_leftovers_of_other_systems_are_passed_over(tmp_path: Path) -> None:
    write(tmp_path)
    for part in ("images", "masks"):
        for place in (".cache", "__MACOSX"):
            (tmp_path / part / place).mkdir()
            (tmp_path / part / place / "x.png").write_bytes(b"")
    assert len(pairs(read(tmp_path))) == COUNT


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda root: (root / "pictures").mkdir(), r"images and not found \(there: pictures\); data.root must hold"),
        (lambda root: [(root / p).mkdir() for p in ("images", "masks")], r"holds no image; .*masks has 0"),
        (lambda root: write(root, count=3) and (root / "images" / "x.npy").write_bytes(b""), "no image for split="),
    ],
)
def test_a_root_without_images_says_what_is_there(tmp_path: Path, make: Any, said: str) -> None:
    make(tmp_path)
    with pytest.raises(InputError, match=said):
        read(tmp_path)


def test_the_data_set_itself_is_pointed_to_its_option(oxford: Path) -> None:
    for root in (oxford, oxford / "oxford-iiit-pet"):
        with pytest.raises(InputError, match=r"is the Oxford-IIIT Pet Dataset; give data=oxford_pet instead"):
            read(root)
    data = {"name": "oxford_pet", "_target_": "pets_seg.data.sources.oxford_pet", "download": True}
    inside = read_source({**data, "root": str(oxford / "oxford-iiit-pet")})
    assert inside == read_source({**data, "root": str(oxford)})


def test_images_of_one_stem_are_told_apart_by_their_whole_names(tmp_path: Path) -> None:
    write(tmp_path, "images/a{:02d}.jpg", "masks/a{:02d}.jpg.png", 3)
    write(tmp_path, "images/a{:02d}.png", "masks/a{:02d}.png.png", 3)
    found = pairs(read(tmp_path, needed=()))
    assert sorted(found) == [f"a{index:02d}.{suffix}" for index in range(3) for suffix in ("jpg", "png")]
    assert all(pair.trimap.name == f"{pair.image.name}.png" and not pair.problem for pair in found.values())


def test_a_folder_that_is_only_scored_needs_no_split(tmp_path: Path) -> None:
    splits = read(write(tmp_path, count=5), needed=())
    assert len(pairs(splits)) == 5


@pytest.mark.parametrize("threshold", [float("nan"), float("inf")])
def test_a_threshold_is_a_number(tmp_path: Path, threshold: float) -> None:
    with pytest.raises(InputError, match=r"^data\.mask_threshold=(nan|inf): must be a finite number"):
        read(write(tmp_path), mask_threshold=threshold)


@pytest.mark.parametrize("suffix", ["/", "_mask/", "\\"])
def test_a_suffix_is_the_end_of_a_name(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(InputError) as refused:
        read(write(tmp_path), mask_suffix=suffix)
    assert str(refused.value).startswith(f"data.mask_suffix={suffix}: must not end in a path separator; give the end")


@pytest.mark.parametrize("word", ["[0,inf]", "[-inf,0]", "[nan,1]", "[0,nan]", "[0,1e300]", f"[0,{10**400}]", "[5,5]"])
def test_a_range_is_of_numbers_that_pictures_can_hold(
    tmp_path: Path, word: str, in_process: Callable[..., tuple[int, str]]
) -> None:
    write(tmp_path, count=3)
    code, said = in_process("task=preview", "data=folder", f"data.root={tmp_path}", f"data.range={word}")
    assert code == 2
    [line] = said.splitlines()
    assert line.startswith("data.range=[")
    assert line.endswith(": needs the values of black and white, e.g. data.range=[0,4095]")


def test_values_and_a_threshold_are_not_given_together(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"data\.mask_values and data\.mask_threshold: give one of them"):
        read(write(tmp_path), mask_values={"pet": [255]}, mask_threshold=128)
    assert np.all([pair.problem is None for pair in pairs(read(tmp_path, mask_threshold=128)).values()])


def test_a_mask_serves_one_image(tmp_path: Path) -> None:
    write(tmp_path, "images/a{:02d}.jpg", "masks/a{:02d}.jpg.png", 3)
    write(tmp_path, "images/a{:02d}.jpg.png", "masks/a{:02d}.jpg.png", 1)
    found = pairs(read(tmp_path, needed=()))
    assert found["a00.jpg"].problem is None
    assert found["a00"].problem.startswith("has no mask in masks/")
    assert found["a01"].problem is None
