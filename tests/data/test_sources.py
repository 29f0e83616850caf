"""The three sources: which pairs they name, in which split, and what they say when they are not there."""

import os
import shutil
import time
from pathlib import Path

import pytest
from child import refusal
from conftest import picture, write_oxford
from hypothesis import given, settings
from hypothesis import strategies as st

from pets_seg.data import ensure_decoded
from pets_seg.data.sources import read_source
from pets_seg.data.splits import split_of
from pets_seg.errors import InputError


def stems(pairs: list) -> list[str]:
    return [pair.stem for pair in pairs]


def write_folder(root: Path, count: int = 30) -> Path:
    (root / "images").mkdir(parents=True)
    (root / "masks").mkdir()
    for index in range(count):
        image, trimap = picture(index)
        image.save(root / "images" / f"cat {index}.png")
        trimap.point(lambda value: 0 if value == 2 else 255).save(root / "masks" / f"cat {index}.png")
    return root


def folder(root: Path, split_seed: int = 0) -> dict:
    return {"name": "folder", "_target_": "pets_seg.data.sources.folder", "root": str(root), "split_seed": split_seed}


def test_sample_has_its_740_pairs_and_its_attribution() -> None:
    splits = read_source({"name": "sample", "_target_": "pets_seg.data.sources.sample"}).splits
    assert {name: len(pairs) for name, pairs in splits.items()} == {"train": 532, "valid": 60, "test": 148}
    pairs = [pair for part in splits.values() for pair in part]
    assert len({pair.stem for pair in pairs}) == 740
    assert all(pair.image.is_file() and pair.trimap.is_file() for pair in pairs)
    attribution = (pairs[0].image.parents[2] / "ATTRIBUTION.md").read_text()
    assert "CC BY-SA 4.0" in attribution


def test_validation_is_every_tenth_line_of_trainval(tmp_path: Path) -> None:
    write_oxford(tmp_path, trainval=21, test=3)
    splits = read_source(
        {"name": "oxford_pet", "_target_": "pets_seg.data.sources.oxford_pet", "root": str(tmp_path), "download": False}
    ).splits
    assert stems(splits["valid"]) == ["pet_0", "pet_10", "pet_20"]
    assert stems(splits["train"]) == [f"pet_{index}" for index in range(21) if index % 10]
    assert stems(splits["test"]) == ["pet_21", "pet_22", "pet_23"]


def test_lists_may_hold_comments_and_empty_lines(tmp_path: Path) -> None:
    annotations = write_oxford(tmp_path) / "annotations" / "test.txt"
    annotations.write_text("# Image CLASS-ID SPECIES BREED ID\n\n" + annotations.read_text())
    splits = read_source(
        {"name": "oxford_pet", "_target_": "pets_seg.data.sources.oxford_pet", "root": str(tmp_path), "download": False}
    ).splits
    assert len(splits["test"]) == 4


@pytest.mark.parametrize("line", ["../../etc/passwd 1 1 1", "a\\b 1 1 1", ".. 1", "a\0b 1", "\x1b/ 1"])
def test_a_list_cannot_name_a_file_elsewhere(tmp_path: Path, line: str) -> None:
    (write_oxford(tmp_path) / "annotations" / "test.txt").write_text(line)
    with pytest.raises(InputError, match="is not the name of a file") as refused:
        read_source(
            {
                "name": "oxford_pet",
                "_target_": "pets_seg.data.sources.oxford_pet",
                "root": str(tmp_path),
                "download": False,
            }
        )
    assert str(refused.value).isprintable()


def test_what_is_not_there_is_said_with_a_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = {
        "name": "oxford_pet",
        "_target_": "pets_seg.data.sources.oxford_pet",
        "root": str(tmp_path),
        "download": False,
    }
    with pytest.raises(InputError, match=rf"sought in {tmp_path}/oxford-iiit-pet .* data=sample"):
        read_source(data)
    # A port that nobody listens on stands for a machine without network.
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    # urllib keeps the proxies of the first download of a process, for later tests too.
    monkeypatch.setattr("urllib.request._opener", None)
    with pytest.raises(InputError, match=r"the download failed .* data=sample"):
        read_source({**data, "download": True})
    assert list(tmp_path.iterdir()) == []
    (write_oxford(tmp_path) / "annotations" / "trainval.txt").unlink()
    with pytest.raises(InputError, match=r"trainval\.txt: cannot be read"):
        read_source(data)
    with pytest.raises(InputError, match="must hold images/ and masks/"):
        read_source(folder(tmp_path))


def test_a_folder_is_matched_by_stem_and_nothing_is_lost(tmp_path: Path) -> None:
    write_folder(tmp_path)
    (tmp_path / "masks" / "cat 3.png").unlink()
    (tmp_path / "images" / "cat 4.png").unlink()
    (tmp_path / "images" / "cat 5.jpg").write_bytes(b"")
    (tmp_path / "images" / "notes.txt").write_text("no image")
    pairs = {pair.stem: pair for part in read_source(folder(tmp_path)).splits.values() for pair in part}
    assert len(pairs) == 30
    assert pairs["cat 3"].problem.startswith("has no mask in masks/; there is cat ")
    assert pairs["cat 4"].problem.startswith("has no image in images/; there is cat ")
    assert "more than one file" in pairs["cat 5"].problem
    assert pairs["cat 6"].problem is None


def test_adding_files_to_a_folder_moves_none(tmp_path: Path) -> None:
    first = read_source(folder(write_folder(tmp_path / "few", 30))).splits
    more = read_source(folder(write_folder(tmp_path / "more", 60))).splits
    for name, pairs in first.items():
        assert set(stems(pairs)) <= set(stems(more[name]))


@settings(max_examples=20, deadline=None)
@given(st.lists(st.text(min_size=1), min_size=300, max_size=300, unique=True), st.integers(0, 2**31))
def test_the_split_is_about_80_10_10(names: list[str], seed: int) -> None:
    dealt = [split_of(name, seed) for name in names]
    assert 200 < dealt.count("train") < 280
    assert 3 < dealt.count("valid") < 70


def test_a_folder_too_small_for_three_splits_gets_a_seed_that_works(tmp_path: Path) -> None:
    write_folder(tmp_path, 4)
    seed = next(seed for seed in range(1000) if len({split_of(f"cat {i}", seed) for i in range(4)}) < 3)
    with pytest.raises(InputError, match=r"data\.split_seed=") as refused:
        read_source(folder(tmp_path, seed))
    advised = int(str(refused.value).rpartition("=")[2])
    assert all(read_source(folder(tmp_path, advised)).splits.values())


UNREADABLE = {
    "is a file": (lambda path: path.write_text(""), "Not a directory"),
    "links to itself": (lambda path: path.symlink_to(path), "Too many levels of symbolic links"),
    "may not be read": (lambda path: path.mkdir(0), "Permission denied"),
}


@pytest.mark.parametrize("kind", UNREADABLE)
@pytest.mark.parametrize("part", ["images", "masks"])
def test_a_folder_that_cannot_be_read_is_named(tmp_path: Path, kind: str, part: str) -> None:
    write_folder(tmp_path)
    shutil.rmtree(tmp_path / part)
    make, reason = UNREADABLE[kind]
    make(tmp_path / part)
    assert refusal(lambda: read_source(folder(tmp_path)).splits) == (
        f"{tmp_path / part}: cannot be read ({reason}); data.root must hold images/ and masks/"
    )


@pytest.mark.parametrize("download", [False, True])
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("closed/data", "closed/data/oxford-iiit-pet: cannot be read (Permission denied)"),
        ("x" * 300, "cannot be read (File name too long)"),
        ("a\0b", "a\\x00b/oxford-iiit-pet: cannot be read (embedded null byte)"),
    ],
)
def test_a_root_that_cannot_be_read_is_named_and_nothing_is_fetched(
    tmp_path: Path, name: str, reason: str, download: bool
) -> None:
    (tmp_path / "closed").mkdir(0)
    said = refusal(
        lambda: (
            read_source(
                {
                    "name": "oxford_pet",
                    "_target_": "pets_seg.data.sources.oxford_pet",
                    "root": str(tmp_path / name),
                    "download": download,
                }
            ).splits
        )
    )
    assert reason in said
    assert said.isprintable()
    assert "cannot be read" in refusal(lambda: read_source(folder(tmp_path / name)).splits)


def test_a_user_who_is_not_there_is_named() -> None:
    for source in (
        {"name": "oxford_pet", "_target_": "pets_seg.data.sources.oxford_pet", "download": False},
        {"name": "folder", "_target_": "pets_seg.data.sources.folder", "split_seed": 0},
    ):
        with pytest.raises(InputError, match=r"^data\.root=~nobody_here/x: there is no such user"):
            read_source({**source, "root": "~nobody_here/x"})


def test_stems_that_differ_in_case_or_in_how_an_accent_is_written_are_two(tmp_path: Path) -> None:
    write_folder(tmp_path)
    names = ["tom", "Tom", "TOM", "caf\u00e9", "cafe\u0301", "\u732b", "\x1b[2J", "two\nlines", 'a,"b"']
    for part in ("images", "masks"):
        for name in names:
            shutil.copy(tmp_path / part / "cat 1.png", tmp_path / part / f"{name}.png")
    pairs = {pair.stem: pair for part in read_source(folder(tmp_path)).splits.values() for pair in part}
    assert len(pairs) == 30 + len(names)
    for name in names:
        assert pairs[name].problem is None
        assert (pairs[name].image.stem, pairs[name].trimap.stem) == (name, name)


def test_a_name_that_is_not_utf_8_is_one_of_the_bad_files(tmp_path: Path) -> None:
    write_folder(tmp_path)
    for part in ("images", "masks"):
        shutil.copy(tmp_path / part / "cat 1.png", os.fsencode(tmp_path / part) + b"/caf\xe9.png")
    with pytest.raises(InputError, match=r"^1 of 31 .*: caf\\udce9 \(its name is not UTF-8; rename it\)"):
        ensure_decoded({**folder(tmp_path), "size": 32, "cache_dir": str(tmp_path / "cache"), "skip_bad": False})


def test_many_lines_of_one_stem_are_refused_at_once(tmp_path: Path) -> None:
    annotations = write_oxford(tmp_path) / "annotations"
    (annotations / "trainval.txt").write_text("pet_1\n" * 30_000)
    (annotations / "test.txt").write_text("")
    started = time.monotonic()
    with pytest.raises(InputError, match="no image for split=test, of 1 in all; add images"):
        read_source(
            {
                "name": "oxford_pet",
                "_target_": "pets_seg.data.sources.oxford_pet",
                "root": str(tmp_path),
                "download": False,
            }
        )
    assert time.monotonic() - started < 5
