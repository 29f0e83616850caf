"""`data.train_fraction`: which training images it uses, and that nothing else depends on it."""

import hashlib
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import write_oxford
from hypothesis import given
from hypothesis import strategies as st
from test_index import COUNT, opened, read_files, wanted
from test_sources import write_folder
from test_splits import write_lists

from pets_seg.config.schema import Data
from pets_seg.data import build, ensure_decoded, open_dataset
from pets_seg.data.decoded import look_at
from pets_seg.data.splits import count_used, refuse_none_used, used_for_training
from pets_seg.errors import InputError

__all__ = ["read_files", "wanted"]

FRACTIONS = st.floats(1e-3, 1)
STEMS = st.lists(st.text(), max_size=40, unique=True)


def used(stems: list[str], fraction: float) -> list[str]:
    return [stems[place] for place in used_for_training(stems, fraction)]


def folder(root: Path, **more: Any) -> dict[str, Any]:
    return {"name": "folder", "_target_": "pets_seg.data.sources.folder", "root": str(root), **more}


def hashed(root: Path) -> dict[str, Any]:
    return folder(write_folder(root), split_seed=3)


def listed(root: Path) -> dict[str, Any]:
    names = [f"cat {index}" for index in range(30)]
    lists = write_lists(root / "lists", train=names[7:], valid=names[:3], test=names[3:7])
    return folder(write_folder(root), lists=str(lists))


def oxford_pet(root: Path) -> dict[str, Any]:
    write_oxford(root, trainval=40)
    target = "pets_seg.data.sources.oxford_pet"
    return {"name": "oxford_pet", "_target_": target, "root": str(root), "download": False}


def sample(root: Path) -> dict[str, Any]:
    return {"name": "sample", "_target_": "pets_seg.data.sources.sample"}


@given(STEMS, FRACTIONS, FRACTIONS, st.randoms(use_true_random=False))
def test_counts_are_exact_and_images_nested_whatever_their_order(
    stems: list[str], one: float, other: float, order: random.Random
) -> None:
    less, more = sorted((one, other))
    few, many = used(stems, less), used(stems, more)
    assert (len(few), len(many)) == (round(less * len(stems)), round(more * len(stems)))
    assert {*few} <= {*many}
    # In the order in which they came.
    assert few == [stem for stem in stems if stem in few]
    shuffled = order.sample(stems, len(stems))
    assert {*used(shuffled, less)} == {*few}
    assert used(stems, 1.0) == stems


def test_an_image_is_used_by_the_hash_of_its_stem_alone() -> None:
    stems = [f"pet_{index}" for index in range(100)]
    digests = {stem: hashlib.sha256(stem.encode()).hexdigest() for stem in stems}
    assert {*used(stems, 0.3)} == {*sorted(stems, key=digests.get)[:30]}
    # On any machine, and in any later version.
    assert used(stems, 0.05) == ["pet_7", "pet_35", "pet_45", "pet_73", "pet_90"]
    # One image more moves no image but itself and the last one.
    more = used([*stems, "dog"], 30 / 101)
    assert len({*more} ^ {*used(stems, 0.3)}) in (0, 2)


@pytest.mark.parametrize(
    ("count", "fraction", "least"), [(532, 0.0005, 0.0019), (3, 0.1, 0.33), (1, 0.5, 1), (3312, 1e-4, 3e-4)]
)
def test_a_fraction_that_leaves_no_image_is_refused_with_one_that_does(
    count: int, fraction: float, least: float
) -> None:
    line = (
        f"data.train_fraction={fraction}: leaves none of {count} training images; give a larger one, such as {least:g}"
    )
    with pytest.raises(InputError) as refused:
        refuse_none_used(count, fraction)
    assert str(refused.value) == line
    refuse_none_used(count, least)
    assert count_used(count, least) == 1
    # A source that has none lacks them with any fraction, which read_source says.
    refuse_none_used(0, fraction)


@pytest.mark.parametrize("source", [sample, oxford_pet, hashed, listed])
def test_it_selects_from_the_pixels_of_every_source(
    source: Callable[[Path], dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {**source(tmp_path / "data"), "size": 32, "skip_bad": False, "cache_dir": str(tmp_path / "cache")}
    quarter = {**settings, "train_fraction": 0.25}
    # A dry run counts them before anything is decoded.
    guess = look_at(quarter)
    assert guess.index is None
    whole = open_dataset(settings)
    monkeypatch.setattr(build, "decode_pair", lambda *_: pytest.fail("decoded again"))
    part = open_dataset(quarter)
    assert ensure_decoded(quarter)[0] == ensure_decoded(settings)[0]
    count = round(0.25 * len(whole.train))
    assert part.train.stems == used(whole.train.stems, 0.25)
    assert look_at(quarter).images == guess.images
    assert guess.images == {"train": count, "valid": len(whole.valid), "test": len(whole.test)}
    row_of = dict(zip(whole.train.stems, whole.train.rows.tolist(), strict=True))
    assert part.train.rows.tolist() == [row_of[stem] for stem in part.train.stems]
    for name in ("valid", "test", "all"):
        ours, theirs = getattr(part, name), getattr(whole, name)
        assert (ours.stems, ours.rows.tolist()) == (theirs.stems, theirs.rows.tolist())
    assert [file.stem for file in part.index.files if file.split == "train"] == part.train.stems
    assert part.index.record("foreground") == {
        **whole.index.record("foreground"),
        "digest": part.index.digest,
        "decoded": part.index.decoded,
        "train": count,
    }
    assert part.index.digest != whole.index.digest


def test_the_default_is_everything_to_the_last_bit(wanted: dict[str, Any], read_files: list[str]) -> None:
    before = opened(wanted)
    read_files.clear()
    for fraction in (Data.train_fraction, 1):
        index, *pixels = opened({**wanted, "train_fraction": fraction})
        assert index.record("ignore") == before[0].record("ignore")
        assert index.files == before[0].files
        assert all(map(torch.equal, pixels, before[1:]))
    assert read_files == []


def test_a_share_is_one_of_the_images_that_can_be_used(wanted: dict[str, Any]) -> None:
    whole = open_dataset(wanted).train.stems
    [first, *_] = used(whole, 0.5)
    (Path(wanted["root"]) / "images" / f"{first}.png").write_bytes(b"broken")
    half = {**wanted, "train_fraction": 0.5}
    with pytest.raises(InputError, match=rf"1 of 24 pairs cannot be used: {first} "):
        open_dataset(half)
    left = [stem for stem in whole if stem != first]
    assert open_dataset({**half, "skip_bad": True}).train.stems == used(left, 0.5)


def test_how_masks_are_read_does_not_depend_on_it(wanted: dict[str, Any]) -> None:
    few = {**wanted, "train_fraction": 0.1}
    whole, part = (ensure_decoded(settings)[1] for settings in (wanted, few))
    assert part.masks("foreground") == whole.masks("foreground")
    # A mask that cannot be read counts, although it is not trained on.
    [left_out, *_] = {*whole.stems("train")} - {*part.stems("train")}
    path = Path(wanted["root"]) / "masks" / f"{left_out}.png"
    path.write_bytes((Path(wanted["root"]) / "images" / f"{left_out}.png").read_bytes())
    said = []
    for settings in (wanted, few):
        with pytest.raises(InputError) as refused:
            ensure_decoded(settings)
        said.append(str(refused.value))
    assert said[0] == said[1]


def test_no_image_is_left_only_for_who_needs_one(wanted: dict[str, Any]) -> None:
    none = {**wanted, "train_fraction": 1e-3}
    for look in (lambda: look_at(none), lambda: ensure_decoded(none), lambda: look_at(none)):
        with pytest.raises(
            InputError, match=r"^data\.train_fraction=0\.001: leaves none of \d+ training images; give "
        ):
            look()
    index = ensure_decoded(none, needed=("valid", "test"))[1]
    assert (index.stems("train"), len(index.stems("all"))) == ([], COUNT)


def test_images_are_found_by_their_digest_in_a_split(wanted: dict[str, Any]) -> None:
    few = ensure_decoded({**wanted, "train_fraction": 0.1})[1]
    digests = {file.image for file in ensure_decoded(wanted)[1].files}
    for split in ("train", "valid", "test", "all"):
        assert few.with_image_in(split, digests) == few.stems(split)
    assert few.with_image_in("all", {file.image for file in few.files if file.split == "train"}) == sorted(
        few.stems("train")
    )
