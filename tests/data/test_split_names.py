"""Folders that look like splits and are not used as such: refused, because a hash would mix their pictures."""

from collections.abc import Callable
from pathlib import Path

import pytest
from test_own_folder import pairs, read, write

from pets_seg.data import read_source
from pets_seg.data.split_names import SPLIT_OF, split_like
from pets_seg.errors import InputError

FIX = "look like splits and are not used as such; name them train, valid and test"


def divide(root: Path, *folders: str, count: int = 4) -> Path:
    for folder in folders:
        write(root, f"images/{folder}/a{{:02d}}.png", f"masks/{folder}/a{{:02d}}.png", count)
    return root


LIKE = {
    "train": ["train2017", "TRAIN2017", "trainA", "training_set", "Train_images", "trainset", "trainval", "my-train"],
    "valid": ["val2017", "dev_set", "valid_1", "ValidationImages", "valset"],
    "test": ["testA", "test_set", "holdout", "hold_out", "HoldOut", "evaluation", "eval2", "Test images"],
    None: ["pretrained", "trains", "valley", "testudo", "contest", "devon rex", "invalid", "cats", "2017", "", "猫"],
}


def test_names_that_suggest_a_split_are_told_from_others() -> None:
    assert {name: split_like(name) for names in LIKE.values() for name in names} == {
        name: split for split, names in LIKE.items() for name in names
    }
    assert {name: split_like(name) for name in SPLIT_OF} == SPLIT_OF


@pytest.mark.parametrize(
    "folders",
    [
        ("train2017", "val2017"),
        ("train", "evaluation"),
        ("train", "holdout"),
        ("trainA", "testA"),
        ("training_set", "test_set"),
        ("TRAIN", "VAL2017", "cats"),
        ("Train_images", "Test_images"),
        ("cats/train", "cats/val"),
        ("cats/train", "dogs/test"),
    ],
)
def test_sub_folders_that_a_hash_would_mix_are_refused(tmp_path: Path, folders: tuple[str, ...]) -> None:
    divide(tmp_path, *folders)
    for settings in ({}, {"split_seed": 1}, {"group": "a"}):
        with pytest.raises(InputError, match=rf"^data=folder: .* and .* in images/ {FIX} directly under") as refused:
            read(tmp_path, needed=(), **settings)
        assert "\n" not in str(refused.value)
    lists = tmp_path / "lists"
    lists.mkdir()
    (lists / "train.txt").write_text(f"{folders[0]}/a00")
    assert [pair.stem for pair in read(tmp_path, needed=(), lists=str(lists))["train"]] == [f"{folders[0]}/a00"]


@pytest.mark.parametrize("folders", [("train2017", "cats"), ("train_a", "train_b"), ("cats", "test"), ("x/y", "z")])
def test_sub_folders_of_one_split_at_most_are_assigned_by_hash(tmp_path: Path, folders: tuple[str, ...]) -> None:
    assert len(pairs(read(divide(tmp_path, *folders), needed=()))) == 4 * len(folders)


def test_pictures_without_masks_are_mixed_with_none(tmp_path: Path) -> None:
    divide(tmp_path, "train2017")
    write(tmp_path, "images/test2017/a{:02d}.png", "other/a{:02d}.png", 4)
    found = pairs(read(tmp_path, needed=()))
    assert {stem.partition("/")[0] for stem, pair in found.items() if pair.problem} == {"test2017"}
    assert len(found) == 8


@pytest.mark.parametrize("folders", [("train2017", "val2017"), ("train", "val2017", "test"), ("Train_set", "TEST")])
def test_folders_under_the_root_are_refused_alike(tmp_path: Path, folders: tuple[str, ...]) -> None:
    for folder in folders:
        divide(tmp_path / folder, ".")
    with pytest.raises(InputError, match=rf"^data=folder: .* and .* in {tmp_path} {FIX}$"):
        read(tmp_path, needed=())


def test_more_folders_of_a_split_that_is_used_are_told(tmp_path: Path) -> None:
    for folder in ("train", "valid", "test", "test2017"):
        divide(tmp_path / folder, ".")
    data = {"name": "folder", "_target_": "pets_seg.data.sources.folder", "root": str(tmp_path)}
    assert read_source(data).notes == ["test, train, valid are used, and test2017 beside them are not"]
    divide(tmp_path, ".", count=40)
    notes = read_source(data).notes
    assert notes == ["images/ and masks/ are used, and test, train, valid, test2017 beside them are not"]


def test_the_command_says_it_in_one_line(tmp_path: Path, in_process: Callable[..., tuple[int, str]]) -> None:
    divide(tmp_path, "train2017", "val2017")
    code, said = in_process("data=folder", f"data.root={tmp_path}", "data.size=32")
    assert code == 2
    assert said.splitlines() == [
        f"data=folder: train2017 and val2017 in images/ {FIX} directly under images/ and masks/, or give data.lists"
    ]
