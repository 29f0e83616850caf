"""The splits of one's own pictures: by lists, by folders, or by a hash of what is to stay together."""

import shutil
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from test_own_folder import COUNT, pairs, read, write

from pets_seg.data import Pair, read_source
from pets_seg.data.lists import listed
from pets_seg.errors import InputError


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


def add(root: Path, *stems: str) -> None:
    for stem in stems:
        write(root, f"images/{stem}.png", f"masks/{stem}.png", 1)


@pytest.mark.parametrize(
    "line",
    ["images/a00.png\tmasks/a05.png", "a00 masks/a05.png", "a00 a05.png", "a00, a05.png", "a00,a05",
     "a00 ,masks/a05.png", "a00 1 masks/a05.png", "a00 images/a05.png", "a00 masks/x/a00.png", "a00 cat", "a00 nan",
     "a00 a00", "a00.png,1", "a00 # blurred", "masks/a00.png images/a00.png"],
)  # fmt: skip
def test_what_follows_a_name_and_is_neither_a_number_nor_its_mask_is_refused(tmp_path: Path, line: str) -> None:
    lists = write_lists(tmp_path / "lists", train=[line])
    with pytest.raises(InputError, match=r"^data\.lists: train\.txt has .*, of which there is no image") as refused:
        read(write(tmp_path), lists=str(lists), needed=())
    assert str(refused.value).isprintable()


LINES = {
    "images/a00.png masks/a00.png": "a00",
    "images/a00.png\tmasks/a00.png\t1": "a00",
    "a00 ./masks/a00.png 0": "a00",
    "a00 1 -2 0.5": "a00",
    "ROOT/images/a00.jpg  ROOT/masks/a00.png": "a00",
    "my": "my",
    "my 1": "my",
    "my cat 3": "my cat 3",
    "my cat 3 1": "my cat 3",
    "my cat 3.png\tmasks/my cat 3.png": "my cat 3",
    "images/my cat 3.png masks/my cat 3.png": "my cat 3",
    "x/a00 masks/x/a00.png": "x/a00",
    "./#x": "#x",
    "images/#x.png 1": "#x",
}


@pytest.mark.parametrize("line", LINES)
def test_a_line_names_the_one_picture_that_is_written_there(tmp_path: Path, line: str) -> None:
    add(write(tmp_path, count=3), "my", "my cat 3", "x/a00", "#x")
    lists = write_lists(tmp_path / "lists", train=[line])
    assert [pair.stem for pair in read(tmp_path, lists=str(lists), needed=())["train"]] == [LINES[line]]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("my cat", "what follows my is neither a number nor its own mask; mend the line"),
        ("my cat.png", "what follows my is neither a number nor its own mask; mend the line"),
        ("dog 3 1", "which could be dog and dog 3; give the path below images/ with its suffix"),
        ("#x", r"has #x, a comment or a picture; begin the line with \./ or images/ if it is a picture"),
        ("#x.png 1", r"a comment or a picture; begin the line with \./"),
    ],
)
def test_a_line_that_may_mean_another_picture_is_refused(tmp_path: Path, line: str, said: str) -> None:
    add(write(tmp_path, count=3), "my", "dog", "dog 3", "#x")
    lists = write_lists(tmp_path / "lists", train=[line])
    with pytest.raises(InputError, match=said):
        read(tmp_path, lists=str(lists), needed=())


def test_a_list_of_comments_names_nothing(tmp_path: Path) -> None:
    lists = write_lists(tmp_path / "lists", train=["#a00", "# a01 1"])
    with pytest.raises(InputError, match=r"holds no name in train\.txt, valid\.txt, test\.txt"):
        read(write(tmp_path), lists=str(lists))


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
    (lists / "train.txt").write_text("b 1 " * 5_000_000)
    with pytest.raises(InputError, match=r"of which there is no image"):
        listed(pairs, lists)
    assert time.process_time() - started < 10


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
