"""Images and masks of one's own: matched by name however they are called, and assigned to splits as one wants."""

import shutil
import time
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import picture

from pets_seg.data import Pair, read_source
from pets_seg.data.lists import listed
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


def write_lists(folder: Path, **lists: Sequence[str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for split, names in lists.items():
        (folder / f"{split}.txt").write_text("\ufeff# names\n" + "\r\n".join(names) + "\n\n")
    return folder


def test_lists_of_ones_own_decide_and_what_they_leave_out_is_counted(tmp_path: Path) -> None:
    write(tmp_path)
    lists = write_lists(tmp_path / "lists", train=["a00", "a01.png", "a02"], valid=["a05"], test=["a07", "a06"])
    data = {"name": "folder", "_target_": "pets_seg.data.sources.folder", "root": str(tmp_path), "lists": str(lists)}
    source = read_source(data)
    stems = {split: [pair.stem for pair in part] for split, part in source.splits.items()}
    assert stems == {"train": ["a00", "a01", "a02"], "valid": ["a05"], "test": ["a07", "a06"]}
    assert source.notes == [f"{COUNT - 6} pairs under data.root are in none of the lists"]


@pytest.mark.parametrize(
    ("lists", "said"),
    [
        ({"train": ["a00"], "valid": ["a00"], "test": ["a01"]}, "valid.txt has a00, which the list of train has too"),
        ({"train": ["a00", "a00"]}, "train.txt has a00, which it has already"),
        ({"train": ["a000"]}, r"train.txt has a000, of which there is no image under data.root \(did you mean a0"),
        ({}, "holds no name in train.txt, valid.txt, test.txt"),
        ({"train": ["a00"], "valid": ["a01"]}, "no image for split=test, of 2 in all"),
    ],
)
def test_lists_that_contradict_themselves_or_the_folder_are_refused(tmp_path: Path, lists: dict, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read(write(tmp_path), lists=str(write_lists(tmp_path / "lists", **lists)))


@pytest.mark.parametrize("valid", ["valid", "val", "validation"])
def test_folders_of_splits_are_taken_as_they_are(tmp_path: Path, valid: str) -> None:
    for split in ("train", valid, "test"):
        write(tmp_path, f"{split}/images/a{{:02d}}.png", f"{split}/masks/a{{:02d}}.png", 4)
    splits = read(tmp_path)
    assert [pair.stem for pair in splits["valid"]] == [f"valid/a{index:02d}" for index in range(4)]
    assert {name: len(part) for name, part in splits.items()} == {"train": 4, "valid": 4, "test": 4}
    # Names that other programs use; the same split twice is refused.
    (tmp_path / "TEST").mkdir()
    assert read(tmp_path) == splits
    write(tmp_path, "Testing/images/a{:02d}.png", "Testing/masks/a{:02d}.png", 4)
    with pytest.raises(InputError, match=r"has Testing/ and test/ with images/; keep one"):
        read(tmp_path)
    shutil.rmtree(tmp_path / "Testing")
    for key, value in (("split_seed", 1), ("group", "a"), ("lists", str(tmp_path))):
        with pytest.raises(InputError, match=rf"^data\.{key}: does nothing where data\.root has train/"):
            read(tmp_path, **{key: value})


def test_one_folder_of_splits_is_enough_to_score_and_others_beside_images_are_told(tmp_path: Path) -> None:
    write(tmp_path, "test/images/a{:02d}.png", "test/masks/a{:02d}.png", 4)
    assert len(read(tmp_path, needed=())["test"]) == 4
    write(tmp_path)
    data = {"name": "folder", "_target_": "pets_seg.data.sources.folder", "root": str(tmp_path)}
    assert read_source(data).notes == ["images/ and masks/ are used, and test beside them are not"]


def test_images_and_masks_that_are_divided_themselves_keep_their_splits(tmp_path: Path) -> None:
    for name in ("train", "Val", "test"):
        write(tmp_path, f"images/{name}/a{{:02d}}.png", f"masks/{name}/a{{:02d}}.png", 4)
    splits = read(tmp_path)
    assert {split: {pair.stem[:-4] for pair in part} for split, part in splits.items()} == {
        "train": {"train"},
        "valid": {"Val"},
        "test": {"test"},
    }
    with pytest.raises(InputError, match=r"^data\.split_seed: does nothing where images/ has train/"):
        read(tmp_path, split_seed=2)
    write(tmp_path, "images/x{:02d}.png", "masks/x{:02d}.png", 1)
    with pytest.raises(InputError, match=r"images/ has .*, and beside them x00, which is in no split; move it"):
        read(tmp_path)


@pytest.mark.parametrize(
    "line",
    ["x/a00", "x/a00.png", "./x/a00.png", "images/x/a00.png", "{root}/images/x/a00.png", "x\\a00.png",
     "images/x/a00.png masks/x/a00.png", "x/a00  1", "a00", "a00.png", "ROOT/images/x/a00.jpg"],
)  # fmt: skip
def test_a_line_of_a_list_may_be_written_in_many_ways(tmp_path: Path, line: str) -> None:
    write(tmp_path, "images/x/a{:02d}.png", "masks/x/a{:02d}.png", 5)
    lists = write_lists(tmp_path / "lists", train=[line.format(root=tmp_path)])
    (tmp_path / "lists" / "val.txt").write_text("  # one\nx/a01\n")
    splits = read(tmp_path, lists=str(lists), needed=("train", "valid"))
    assert [pair.stem for pair in splits["train"]] == ["x/a00"]
    assert [pair.stem for pair in splits["valid"]] == ["x/a01"]


def test_a_name_in_two_sub_folders_is_no_name(tmp_path: Path) -> None:
    for place in ("cat", "dog"):
        write(tmp_path, f"images/{place}/a{{:02d}}.png", f"masks/{place}/a{{:02d}}.png", 3)
    for name in ("a00", "a00.png"):
        lists = write_lists(tmp_path / "lists", train=[name])
        with pytest.raises(InputError, match=r"could be cat/a00 and dog/a00; give the path below images/"):
            read(tmp_path, lists=str(lists), needed=())


def test_a_long_list_is_read_in_a_moment(tmp_path: Path) -> None:
    pairs = [Pair(f"a{index}", tmp_path / f"a{index}.png", tmp_path / "m.png") for index in range(20_000)]
    lists = write_lists(tmp_path / "lists", train=[pair.stem for pair in pairs])
    started = time.process_time()
    assert listed(pairs, lists)["train"] == pairs
    assert time.process_time() - started < 5


def test_images_of_one_stem_are_told_apart_by_their_whole_names(tmp_path: Path) -> None:
    write(tmp_path, "images/a{:02d}.jpg", "masks/a{:02d}.jpg.png", 3)
    write(tmp_path, "images/a{:02d}.png", "masks/a{:02d}.png.png", 3)
    found = pairs(read(tmp_path, needed=()))
    assert sorted(found) == [f"a{index:02d}.{suffix}" for index in range(3) for suffix in ("jpg", "png")]
    assert all(pair.trimap.name == f"{pair.image.name}.png" and not pair.problem for pair in found.values())


def test_a_group_stays_on_one_side(tmp_path: Path) -> None:
    write(tmp_path, "images/cat{0:02d}_x.png", "masks/cat{0:02d}_x.png")
    write(tmp_path, "images/cat{0:02d}_y.png", "masks/cat{0:02d}_y.png")
    for expression in ("cat[0-9]+", "(cat[0-9]+)_"):
        splits = read(tmp_path, group=expression)
        side = {pair.stem: split for split, part in splits.items() for pair in part}
        assert len(side) == 2 * COUNT
        assert all(side[f"cat{index:02d}_x"] == side[f"cat{index:02d}_y"] for index in range(COUNT))
    # A stray mask is one of the unusable pairs, whatever its group.
    (tmp_path / "masks" / "stray.png").write_bytes(b"")
    assert pairs(read(tmp_path, group="cat[0-9]+"))["stray"].problem
    with pytest.raises(InputError, match=r"data\.group=dog: finds nothing in cat00_x; every stem has a group"):
        read(tmp_path, group="dog")
    with pytest.raises(InputError, match=r"finds no text in cat00_x; every stem has a group"):
        read(tmp_path, group="(z)?cat")
    with pytest.raises(InputError, match=r"data\.group=\(: is not a regular expression"):
        read(tmp_path, group="(")


def test_a_folder_that_is_only_scored_needs_no_split(tmp_path: Path) -> None:
    splits = read(write(tmp_path, count=5), needed=())
    assert len(pairs(splits)) == 5


@pytest.mark.parametrize("threshold", [float("nan"), float("inf")])
def test_a_threshold_is_a_number(tmp_path: Path, threshold: float) -> None:
    with pytest.raises(InputError, match=r"^data\.mask_threshold=(nan|inf): must be a finite number"):
        read(write(tmp_path), mask_threshold=threshold)


def test_values_and_a_threshold_are_not_given_together(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"data\.mask_values and data\.mask_threshold: give one of them"):
        read(write(tmp_path), mask_values={"pet": [255]}, mask_threshold=128)
    assert np.all([pair.problem is None for pair in pairs(read(tmp_path, mask_threshold=128)).values()])
