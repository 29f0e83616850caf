"""What a run says of its data, and what differs between the data of two runs."""

import csv
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pets_seg.run_folder.data_record import DataRecord, data_record, describe_change, read_data

ONE, OTHER, PIXELS = "1" * 32, "2" * 32, "f" * 32
Row = dict[str, str]


def rows(*lines: str) -> list[Row]:
    """Return rows of data.csv from lines of split, stem, image and mask."""
    return [dict(zip(("split", "stem", "image", "mask"), line.split(), strict=True)) for line in lines]


BEFORE = ("train a i1 m1", "train b i2 m2", "valid c i3 m3", "test d i4 m4")
CHANGES = {
    "nothing": (BEFORE, ""),
    "one more": ((*BEFORE, "test e i5 m5"), "1 image was added"),
    "two more": ((*BEFORE, "test e i5 m5", "train f i6 m6"), "2 images were added"),
    "one less": (BEFORE[1:], "1 image was removed"),
    "other masks": (("train a i1 x", "train b i2 y", *BEFORE[2:]), "2 masks are other"),
    "another image": (("train a x m1", *BEFORE[1:]), "1 image is another"),
    "both of a pair": (("train a x y", *BEFORE[1:]), "1 image is another, 1 mask is another"),
    "other splits": (("valid a i1 m1", "test b i2 m2", *BEFORE[2:]), "2 images are in other splits"),
    "another split and mask": (("test a i1 x", *BEFORE[1:]), "1 image is in another split, 1 mask is another"),
    "another name": (("train z i1 m1", *BEFORE[1:]), "1 image has another name"),
    "another name and split": (("test z i1 m1", *BEFORE[1:]), "1 image has another name"),
    "another name and mask": (("train z i1 x", *BEFORE[1:]), "1 image was added, 1 image was removed"),
    "names exchanged": (
        ("train a i2 m2", "train b i1 m1", *BEFORE[2:]),
        "2 images are other, 2 masks are other",
    ),
    "another order": ((BEFORE[1], BEFORE[0], *BEFORE[2:]), "the images are in another order"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_what_changed_is_said_in_one_line(what: str) -> None:
    after, said = CHANGES[what]
    assert describe_change(rows(*BEFORE), rows(*after)) == said


def test_a_stem_in_two_splits_is_two_images() -> None:
    both = ("train 1 i1 m1", "test 1 i2 m2")
    assert describe_change(rows(*both), rows("train 1 i1 x", "test 1 i2 m2")) == "1 mask is another"
    assert describe_change(rows(*both), rows("train 1 i1 m1", "valid 1 i2 m2")) == "1 image is in another split"
    assert describe_change(rows("train 1 i1 m1"), rows(*both)) == "1 image was added"


@given(counts=st.tuples(*[st.integers(0, 5)] * 6), shuffle=st.randoms(use_true_random=False))
def test_every_change_is_counted_once(counts: tuple[int, ...], shuffle: Any) -> None:
    """Each image is changed in at most one way; both tables are in any order."""
    ways: list[tuple[Callable[[int], str], Callable[[int], str], tuple[str, str]]] = [
        (lambda n: "", lambda n: f"train new{n} ni{n} nm{n}", ("image was added", "images were added")),
        (lambda n: f"test old{n} oi{n} om{n}", lambda n: "", ("image was removed", "images were removed")),
        (
            lambda n: f"train r{n} ri{n} rm{n}",
            lambda n: f"train s{n} ri{n} rm{n}",
            ("image has another name", "images have other names"),
        ),
        (
            lambda n: f"train v{n} vi{n} vm{n}",
            lambda n: f"valid v{n} vi{n} vm{n}",
            ("image is in another split", "images are in other splits"),
        ),
        (
            lambda n: f"test i{n} ii{n} im{n}",
            lambda n: f"test i{n} ij{n} im{n}",
            ("image is another", "images are other"),
        ),
        (
            lambda n: f"test m{n} mi{n} mm{n}",
            lambda n: f"test m{n} mi{n} mn{n}",
            ("mask is another", "masks are other"),
        ),
    ]
    before, after, said = ["train same i m"], ["train same i m"], []
    for count, (was, now, words) in zip(counts, ways, strict=True):
        before += filter(None, map(was, range(count)))
        after += filter(None, map(now, range(count)))
        said += [f"{count} {words[count > 1]}"] if count else []
    shuffle.shuffle(before)
    if said:
        shuffle.shuffle(after)
    else:
        after = before
    assert describe_change(rows(*before), rows(*after)) == ", ".join(said)


RECORDS: dict[str, tuple[dict[str, Any], dict[str, Any], DataRecord]] = {
    "an old run": ({"state": "finished"}, {"test_dice": 0.5}, DataRecord()),
    "a run at work": ({"data": {"digest": ONE, "decoded": PIXELS}}, {}, DataRecord(ONE, PIXELS)),
    "a finished run": (
        {
            "data": {
                "digest": ONE,
                "decoded": PIXELS,
                "train": 33,
                "valid": 3,
                "test": 4,
                "masks": "0 and 255, pet 31 %",
            }
        },
        {"data_digest": ONE},
        DataRecord(ONE, PIXELS, "33 train, 3 valid, 4 test; masks: 0 and 255, pet 31 %"),
    ),
    "no words on masks": ({"data": {"train": 1, "masks": ""}}, {}, DataRecord(contents="1 train")),
    "figures of other data": ({"data": {"digest": OTHER}}, {"data_digest": ONE}, DataRecord(ONE)),
    "what no run writes": (
        {"data": {"digest": 7, "decoded": "F" * 32, "train": "x"}},
        {"data_digest": "1"},
        DataRecord(),
    ),
    "no mapping": ({"data": ["digest"]}, {"data_digest": None}, DataRecord()),
}


@pytest.mark.parametrize("what", RECORDS)
def test_what_a_run_says_of_its_data(what: str) -> None:
    status, summary, record = RECORDS[what]
    assert data_record(status, summary) == record


def test_the_files_of_a_run_are_read_as_they_were_written(tmp_path: Path) -> None:
    written = [
        {"split": "train", "stem": 'a "b", c\nd', "image": "0" * 32, "mask": "1e5"},
        {"split": "test", "stem": "NA", "image": "007", "mask": "x"},
    ]
    with open(tmp_path / "data.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["split", "stem", "image", "mask"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(written)
    assert read_data(tmp_path) == written


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe", b"split,stem\na,b\n", b"split,stem,image,mask\ntrain,a\n"])
def test_a_file_that_is_none_is_refused_with_its_name(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "data.csv").write_bytes(content)
    with pytest.raises(ValueError, match=r"data\.csv"):
        read_data(tmp_path)


def test_reading_needs_neither_torch_nor_pandas() -> None:
    code = "import sys, pets_seg.run_folder.data_record; print({'torch', 'pandas', 'numpy', 'PIL'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
