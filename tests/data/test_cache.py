"""The pixel cache: decoded once, whole or not at all, whoever asks and whatever happens."""

import json
import multiprocessing
import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import write_oxford
from decoding import decode
from processes import together
from tqdm import tqdm

from pets_seg.data import build, open_dataset
from pets_seg.data.sources import read_source
from pets_seg.errors import InputError


def data(root: Path, cache_dir: Path, size: int = 32, skip_bad: bool = False) -> dict:
    common = {"name": "oxford_pet", "_target_": "pets_seg.data.sources.oxford_pet", "download": False, "size": size}
    return {**common, "root": str(root), "cache_dir": str(cache_dir), "skip_bad": skip_bad}


def entries(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock") if folder.exists() else []


def test_holds_what_decoding_gives_and_is_opened_not_built_again(oxford: Path, tmp_path: Path, monkeypatch) -> None:
    wanted = data(oxford, tmp_path / "cache")
    dataset = open_dataset(wanted)
    for name, pairs in read_source(wanted).splits.items():
        split = getattr(dataset, name)
        assert split.stems == [pair.stem for pair in pairs]
        for row, pair in zip(split.rows, pairs, strict=True):
            image, trimap = decode(pair, 32)
            assert np.array_equal(split.images[row], image)
            assert np.array_equal(split.trimaps(row[None])[0], trimap)
    monkeypatch.setattr(build, "decode_pair", lambda *_: pytest.fail("decoded again"))
    again = open_dataset(wanted)
    assert torch.equal(again.train.images, dataset.train.images)


def test_another_size_and_a_shorter_list_are_other_pixels(oxford: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    open_dataset(data(oxford, folder))
    open_dataset(data(oxford, folder, size=33))
    annotations = oxford / "oxford-iiit-pet" / "annotations" / "trainval.txt"
    annotations.write_text(annotations.read_text().replace("pet_7 1 1 1\n", ""))
    open_dataset(data(oxford, folder))
    assert len(entries(folder)) == 3


def test_every_bad_file_is_named_or_left_out_with_a_warning(oxford: Path, tmp_path: Path, caplog) -> None:
    images = oxford / "oxford-iiit-pet" / "images"
    for index in range(1, 13):
        (images / f"pet_{index}.jpg").write_bytes(b"broken")
    (images / "pet_21.jpg").unlink()
    with pytest.raises(InputError) as refusal:
        open_dataset(data(oxford, tmp_path / "cache"))
    message = str(refusal.value)
    assert "\n" not in message
    assert message.startswith("13 of 24 pairs cannot be used: pet_1 (pet_1.jpg: not an image), pet_2 ")
    assert "and 3 more" in message
    assert "data.skip_bad=true" in message
    dataset = open_dataset(data(oxford, tmp_path / "cache", skip_bad=True))
    assert "13 of 24 pairs cannot be used" in caplog.text
    assert (len(dataset.train), len(dataset.valid), len(dataset.test)) == (7, 1, 3)
    assert "pet_21" not in dataset.test.stems
    assert len(entries(tmp_path / "cache")) == 1


def test_nothing_is_left_when_no_image_can_be_used(oxford: Path, tmp_path: Path) -> None:
    for path in (oxford / "oxford-iiit-pet" / "images").iterdir():
        path.write_bytes(b"")
    with pytest.raises(InputError, match="no usable image is left"):
        open_dataset(data(oxford, tmp_path / "cache", skip_bad=True))


def test_a_cache_folder_that_cannot_be_written_is_said_with_a_way_out(oxford: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cannot be written .* data.cache_dir"):
        open_dataset(data(oxford, tmp_path / "file" / "cache"))


def _open_and_count(wanted: dict, decoded: str) -> None:
    original = build.decode_pair

    def counting(pair, *settings):
        with open(decoded, "a") as file:
            file.write(f"{pair.stem}\n")
        time.sleep(0.02)
        return original(pair, *settings)

    build.decode_pair = counting
    # A forked process shares tqdm's lock, and would keep it for ever if it is killed.
    tqdm.set_lock(threading.RLock())
    assert len(open_dataset(wanted).train) == 18


def test_eight_processes_that_start_together_decode_once(oxford: Path, tmp_path: Path) -> None:
    decoded = tmp_path / "decoded"
    assert together(8, _open_and_count, data(oxford, tmp_path / "cache"), str(decoded)) == [0] * 8
    assert sorted(decoded.read_text().split()) == sorted(f"pet_{index}" for index in range(24))
    assert len(entries(tmp_path / "cache")) == 1


def _start_decoding(wanted: dict, decoded: Path) -> multiprocessing.Process:
    other = multiprocessing.get_context("fork").Process(target=_open_and_count, args=(wanted, str(decoded)))
    other.start()
    while not decoded.exists():
        time.sleep(0.005)
    return other


def test_who_waits_says_so(oxford: Path, tmp_path: Path, caplog) -> None:
    wanted = data(oxford, tmp_path / "cache")
    caplog.set_level("INFO", logger="pets_seg")
    other = _start_decoding(wanted, tmp_path / "decoded")
    open_dataset(wanted)
    other.join(120)
    assert "another process is decoding these images; waiting for it" in caplog.text


def test_killed_while_building_it_is_built_anew(oxford: Path, tmp_path: Path) -> None:
    wanted = data(oxford, tmp_path / "cache")
    other = _start_decoding(wanted, tmp_path / "decoded")
    os.kill(other.pid, signal.SIGKILL)
    other.join(120)
    assert [Path(name).suffix for name in entries(tmp_path / "cache")] == [".part"]
    dataset = open_dataset(wanted)
    assert len(dataset.train) == 18
    [folder] = entries(tmp_path / "cache")
    assert len(json.loads((tmp_path / "cache" / folder / "index.json").read_text())["rows"]) == 24


def test_the_files_stay_as_they_are_when_a_tensor_is_written_to(tmp_path: Path) -> None:
    write_oxford(tmp_path / "data")
    wanted = data(tmp_path / "data", tmp_path / "cache")
    before = open_dataset(wanted).train.images.clone()
    open_dataset(wanted).train.images.zero_()
    assert torch.equal(open_dataset(wanted).train.images, before)


def test_a_cache_folder_of_no_user_is_named(oxford: Path) -> None:
    with pytest.raises(InputError, match=r"^data\.cache_dir=~nobody_here/x: there is no such user"):
        open_dataset({**data(oxford, oxford), "cache_dir": "~nobody_here/x"})
