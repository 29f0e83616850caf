"""A damaged pixel cache is noticed when it is opened, and decoded again: never are its pixels used."""

import json
import os
import resource
import shutil
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from child import refusal
from conftest import write_oxford
from processes import together
from test_cache import data, entries

from pets_seg.data import Dataset, build, ensure_decoded, open_dataset, verify
from pets_seg.data.verify import ARRAYS


def flip(path: Path, position: int) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 0x10
    path.write_bytes(content)


def reword(path: Path, change: Callable[[dict], object]) -> None:
    index = json.loads(path.read_text())
    change(index)
    path.write_text(json.dumps(index))


DAMAGE = {
    # The magic number, the shape, a pixel, the last pixel.
    **{f"flipped {name} {at}": (name, lambda p, at=at: flip(p, at)) for name in ARRAYS for at in (0, 60, 9999, -1)},
    **{f"truncated {name}": (name, lambda p: os.truncate(p, p.stat().st_size - 1)) for name in ARRAYS},
    **{f"empty {name}": (name, lambda p: os.truncate(p, 0)) for name in ARRAYS},
    **{f"longer {name}": (name, lambda p: os.truncate(p, p.stat().st_size + 1)) for name in ARRAYS},
    **{f"deleted {name}": (name, Path.unlink) for name in (*ARRAYS, "index.json")},
    "no folder but a name": ("index.json", lambda p: shutil.rmtree(p.parent) or p.parent.mkdir()),
    "index empty": ("index.json", lambda p: p.write_bytes(b"")),
    "index garbage": ("index.json", lambda p: p.write_bytes(bytes(range(256)))),
    "index truncated": ("index.json", lambda p: os.truncate(p, p.stat().st_size // 2)),
    "index of another shape": ("index.json", lambda p: p.write_text('{"train": 3}')),
    "index a list": ("index.json", lambda p: p.write_text("[]")),
    "index a number": ("index.json", lambda p: p.write_text("1")),
    "index nested without end": ("index.json", lambda p: p.write_text("[" * 100_000)),
    "index with another row": ("index.json", lambda p: reword(p, lambda index: index["rows"].reverse())),
    "index with another stem": ("index.json", lambda p: reword(p, lambda index: index["stamps"].reverse())),
    "index with another checksum": ("index.json", lambda p: reword(p, lambda index: index["arrays"].clear())),
    "index without checksum": ("index.json", lambda p: reword(p, lambda index: index.pop("checksum"))),
}


def same(one: Dataset, other: Dataset) -> bool:
    return all(
        getattr(one, name).stems == getattr(other, name).stems
        and torch.equal(getattr(one, name).rows, getattr(other, name).rows)
        and torch.equal(getattr(one, name).images, getattr(other, name).images)
        and torch.equal(getattr(one, name).levels, getattr(other, name).levels)
        and torch.equal(getattr(one, name).trimap_of, getattr(other, name).trimap_of)
        for name in ("train", "valid", "test")
    )


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_cache_is_decoded_again(oxford: Path, tmp_path: Path, caplog, kind: str) -> None:
    wanted = data(oxford, tmp_path / "cache")
    sound = open_dataset(data(oxford, tmp_path / "another"))
    folder, _ = ensure_decoded(wanted)
    name, harm = DAMAGE[kind]
    harm(folder / name)
    assert same(open_dataset(wanted), sound)
    [line] = caplog.messages
    assert line.startswith(f"the pixel cache {folder} is damaged ({name}: ")
    assert line.endswith("); decoding again")
    caplog.clear()
    assert same(open_dataset(wanted), sound)
    assert caplog.messages == []
    assert entries(tmp_path / "cache") == [folder.name]


def test_any_flipped_bit_of_the_index_is_noticed(tmp_path: Path) -> None:
    write_oxford(tmp_path, trainval=2, test=1)
    path = ensure_decoded(data(tmp_path, tmp_path / "cache"))[0] / "index.json"
    content, index = path.read_bytes(), verify.read_index(path.parent)
    # Every third: each bit of some byte.
    for position in range(0, 8 * len(content), 3):
        flipped = bytearray(content)
        flipped[position // 8] ^= 1 << position % 8
        path.write_bytes(flipped)
        # A change may pass if what is read is the same.
        with suppress(verify.DamagedError):
            assert verify.read_index(path.parent) == index


def test_before_a_sweep_a_damaged_index_is_made_anew_and_pixels_are_not_read(oxford: Path, tmp_path: Path) -> None:
    wanted = data(oxford, tmp_path / "cache")
    folder, _ = ensure_decoded(wanted)
    flip(folder / "images.npy", 5000)
    before = (folder / "images.npy").read_bytes()
    ensure_decoded(wanted)
    assert (folder / "images.npy").read_bytes() == before
    (folder / "index.json").write_text("{}")
    ensure_decoded(wanted)
    assert (folder / "images.npy").read_bytes() != before


@pytest.mark.parametrize("change", ["time", "content"])
def test_damage_is_not_taken_over_where_files_have_changed(oxford: Path, tmp_path: Path, change: str) -> None:
    wanted = data(oxford, tmp_path / "cache")
    before = open_dataset(wanted).all
    # The file is mapped, and so its damage is seen there too.
    sound = before.images[before.rows].clone()
    folder, _ = ensure_decoded(wanted)
    flip(folder / "images.npy", 5000)
    image = oxford / "oxford-iiit-pet" / "images" / "pet_3.jpg"
    os.utime(image, ns=(1, 1))
    if change == "content":
        shutil.copy(image.with_name("pet_4.jpg"), image)
    # Before a sweep, pixels are not read.
    ensure_decoded(wanted)
    opened = open_dataset(wanted).all
    places = [place for place, stem in enumerate(before.stems) if change == "time" or stem != "pet_3"]
    assert torch.equal(opened.images[opened.rows][places], sound[places])


def test_a_file_is_verified_once_in_a_process_unless_it_changed(oxford: Path, tmp_path: Path, monkeypatch) -> None:
    wanted = data(oxford, tmp_path / "cache")
    folder, _ = ensure_decoded(wanted)
    read = []
    checksum = verify._checksum
    monkeypatch.setattr(verify, "_checksum", lambda path: read.append(path.name) or checksum(path))
    for _ in range(3):
        open_dataset(wanted)
    assert read == list(ARRAYS)
    os.utime(folder / "levels.npy", ns=(1, 1))
    open_dataset(wanted)
    assert read == [*ARRAYS, "levels.npy"]
    # The same size and time, but another file.
    shutil.copy2(folder / "images.npy", folder / "copy")
    os.replace(folder / "copy", folder / "images.npy")
    open_dataset(wanted)
    assert read == [*ARRAYS, "levels.npy", "images.npy"]


def test_who_has_the_old_files_mapped_keeps_them(oxford: Path, tmp_path: Path) -> None:
    wanted = data(oxford, tmp_path / "cache")
    mapped = open_dataset(wanted).train
    before = mapped.images.clone()
    folder, _ = ensure_decoded(wanted)
    (folder / "levels.npy").unlink()
    inode = (folder / "images.npy").stat().st_ino
    open_dataset(wanted)
    assert (folder / "images.npy").stat().st_ino != inode
    assert torch.equal(mapped.images, before)


def _open(wanted: dict, decoded: str, sound: int) -> None:
    original = build.decode_pair

    def counting(pair, *settings):
        with open(decoded, "a") as file:
            file.write(f"{pair.stem}\n")
        return original(pair, *settings)

    build.decode_pair = counting
    assert zlib.crc32(open_dataset(wanted).train.images.numpy()) == sound


@pytest.mark.parametrize("name", [*ARRAYS, "index.json"])
def test_processes_that_find_it_damaged_together_decode_once(oxford: Path, tmp_path: Path, name: str) -> None:
    wanted = data(oxford, tmp_path / "cache")
    sound = zlib.crc32(open_dataset(wanted).train.images.numpy())
    flip(ensure_decoded(wanted)[0] / name, 500)
    decoded = tmp_path / "decoded"
    assert together(4, _open, wanted, str(decoded), sound) == [0] * 4
    assert sorted(decoded.read_text().split()) == sorted(f"pet_{index}" for index in range(24))


def test_a_damaged_cache_that_cannot_be_written_is_refused(oxford: Path, tmp_path: Path) -> None:
    wanted = data(oxford, tmp_path / "cache")
    folder, _ = ensure_decoded(wanted)
    for path in (folder, tmp_path / "cache", *(tmp_path / "cache").glob("*.lock")):
        path.chmod(0o555)
    assert refusal(lambda: open_dataset(wanted)).startswith("no error")
    flip(folder / "levels.npy", 5000)
    damaged = (folder / "levels.npy").read_bytes()
    said = refusal(lambda: open_dataset(wanted))
    assert said == (
        f"the pixel cache {folder} is damaged (levels.npy: checksum differs) and cannot be written "
        "(Permission denied); set data.cache_dir to a writable folder"
    )
    assert (folder / "levels.npy").read_bytes() == damaged


def test_where_no_file_can_be_so_large_it_says_how_much_is_needed(oxford: Path, tmp_path: Path) -> None:
    wanted = data(oxford, tmp_path / "cache", size=128)

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, resource.RLIM_INFINITY))
        open_dataset(wanted)

    assert refusal(limited) == (
        f"the pixel cache {tmp_path / 'cache'} cannot be written (File too large); 24 images at 128 px need 1.6 MB; "
        "set data.cache_dir to a writable folder"
    )
    assert entries(tmp_path / "cache") == []


def test_the_checksum_is_that_of_the_whole_file(tmp_path: Path) -> None:
    content = np.random.default_rng(0).bytes(3_000_001)
    (tmp_path / "file").write_bytes(content)
    assert verify._checksum(tmp_path / "file") == zlib.crc32(content)
