"""What the pixel cache knows of files: their digests, taken anew only where a file may have changed."""

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import picture
from PIL import Image

from pets_seg.data import Index, build, ensure_decoded, open_dataset
from pets_seg.errors import InputError

COUNT = 24


@pytest.fixture
def wanted(tmp_path: Path) -> dict[str, Any]:
    root = tmp_path / "data"
    for part in ("images", "masks"):
        (root / part).mkdir(parents=True)
    for index in range(COUNT):
        image, trimap = picture(index)
        image.save(root / "images" / f"a{index:02d}.png")
        # As BMP, whose size does not depend on what it shows.
        trimap.point(lambda value: 255 * (value == 1)).save(root / "masks" / f"a{index:02d}.png", "BMP")
    settings = {"name": "folder", "_target_": "pets_seg.data.sources.folder", "root": str(root), "split_seed": 3}
    return {**settings, "size": 32, "skip_bad": False, "cache_dir": str(tmp_path / "cache")}


@pytest.fixture
def read_files(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files whose bytes were read, in order."""
    read: list[str] = []
    for name in ("decode_pair", "read_digest"):
        original = getattr(build, name)

        def noted(what: Any, *rest: Any, original: Callable = original) -> Any:
            read.extend([path.name for path in ((what.image, what.trimap) if hasattr(what, "image") else (what,))])
            return original(what, *rest)

        monkeypatch.setattr(build, name, noted)
    return read


def opened(wanted: dict[str, Any]) -> tuple[Index, torch.Tensor, torch.Tensor]:
    dataset = open_dataset(wanted)
    return dataset.index, dataset.all.images[dataset.all.rows].clone(), dataset.all.trimaps(dataset.all.rows)


def test_digests_are_those_of_the_bytes_and_of_the_lists(wanted: dict[str, Any]) -> None:
    index = ensure_decoded(wanted)[1]
    root = Path(wanted["root"])
    for file in index.files:
        for part, digest in (("images", file.image), ("masks", file.mask)):
            content = (root / part / f"{file.stem}.png").read_bytes()
            assert digest == hashlib.sha256(content).hexdigest()[:32]
    assert {file.split for file in index.files} == {"train", "valid", "test"}
    # The same images in other splits are other data; in another place, with other times, they are the same.
    assert ensure_decoded({**wanted, "split_seed": 5})[1].digest != index.digest
    shutil.copytree(root, root.with_name("copy"))
    copy = ensure_decoded({**wanted, "root": str(root.with_name("copy"))})[1]
    assert (copy.digest, copy.decoded) == (index.digest, index.decoded)


def test_other_splits_of_the_same_files_share_their_pixels(wanted: dict[str, Any], read_files: list[str]) -> None:
    first = ensure_decoded(wanted)[0]
    assert len(read_files) == 2 * COUNT
    assert ensure_decoded({**wanted, "split_seed": 5})[0] == first
    assert len(read_files) == 2 * COUNT


def test_a_file_whose_stamp_changed_is_read_alone(wanted: dict[str, Any], read_files: list[str]) -> None:
    before, images, trimaps = opened(wanted)
    root = Path(wanted["root"])
    read_files.clear()
    os.utime(root / "images" / "a05.png", ns=(1, 1))
    touched, *pixels = opened(wanted)
    assert read_files == ["a05.png"]
    assert touched.digest == before.digest
    assert all(map(torch.equal, pixels, (images, trimaps)))
    opened(wanted)
    assert read_files == ["a05.png"]


def test_other_bytes_of_the_same_size_and_time_are_noticed(wanted: dict[str, Any], read_files: list[str]) -> None:
    before, images, trimaps = opened(wanted)
    path = Path(wanted["root"]) / "masks" / "a05.png"
    stat, content = path.stat(), np.asarray(Image.open(path))
    read_files.clear()
    Image.fromarray(255 - content).save(path, "BMP")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (stat.st_size, stat.st_mtime_ns)
    after, new_images, new_trimaps = opened(wanted)
    assert after.digest != before.digest
    place = before.stems("all").index("a05")
    changed = [index for index in range(COUNT) if not torch.equal(new_trimaps[index], trimaps[index])]
    assert changed == [place]
    assert torch.equal(new_images, images)
    assert set(read_files) == {"a05.png"}


def test_changed_masks_are_decoded_alone_unless_they_change_the_rule(
    wanted: dict[str, Any], read_files: list[str]
) -> None:
    before, _, trimaps = opened(wanted)
    masks = Path(wanted["root"]) / "masks"
    read_files.clear()
    Image.new("L", (48, 48), 0).save(masks / "a05.png")
    after, _, new = opened(wanted)
    place = before.stems("all").index("a05")
    assert (new[place] == 2).all()
    assert [i for i in range(COUNT) if not torch.equal(new[i], trimaps[i])] == [place]
    assert set(read_files) == {"a05.png"}
    # With a mask that holds 128 it is no longer clear what the others mean.
    content = np.asarray(Image.open(masks / "a06.png"))
    Image.fromarray(np.where(content > 0, 255, 128).astype(np.uint8)).save(masks / "a06.png")
    with pytest.raises(InputError, match="masks hold 0, 128, 255"):
        opened(wanted)
    settings = {**wanted, "mask_values": {"pet": [255]}}
    _, _, said = opened(settings)
    assert torch.equal(said[before.stems("all").index("a06")], trimaps[before.stems("all").index("a06")])
    # All masks written otherwise: the rule is another, and the trimaps are the same.
    for path in masks.iterdir():
        content = np.asarray(Image.open(path))
        Image.fromarray((content == 255).astype(np.uint8)).save(path)
    rewritten, _, same = opened(wanted)
    assert rewritten.masks("foreground").startswith("0 and 1, pet ")
    assert torch.equal(same, new)
    assert rewritten.digest != after.digest


def test_a_mended_file_is_used_and_a_broken_one_is_not(wanted: dict[str, Any]) -> None:
    path = Path(wanted["root"]) / "images" / "a05.png"
    content = path.read_bytes()
    before, images, _ = opened(wanted)
    path.write_bytes(b"broken")
    with pytest.raises(InputError, match=r"1 of 24 pairs cannot be used: a05 \(a05.png: not an image\)"):
        opened(wanted)
    left = ensure_decoded({**wanted, "skip_bad": True})[1]
    assert "a05" not in left.stems("all")
    assert left.digest != before.digest
    path.write_bytes(content)
    mended, again, _ = opened(wanted)
    assert mended.digest == before.digest
    assert torch.equal(again, images)


def test_the_share_of_pet_is_that_of_all_pixels(wanted: dict[str, Any]) -> None:
    index = ensure_decoded(wanted)[1]
    masks = [np.asarray(Image.open(path)) for path in (Path(wanted["root"]) / "masks").iterdir()]
    share = 100 * np.mean(np.stack(masks) == 255)
    assert index.masks("foreground") == f"0 and 255, pet {share:.0f} % of pixels"
    # Of which those that are not counted are no part.
    for path, mask in zip((Path(wanted["root"]) / "masks").iterdir(), masks, strict=True):
        Image.fromarray(np.where(mask == 255, 1, np.where(np.arange(48) < 24, 3, 2)).astype(np.uint8)).save(path)
    index = ensure_decoded(wanted)[1]
    trimaps = np.stack([np.asarray(Image.open(path)) for path in (Path(wanted["root"]) / "masks").iterdir()])
    for boundary, share in (
        ("foreground", np.isin(trimaps, (1, 3)).mean()),
        ("background", (trimaps == 1).mean()),
        ("ignore", (trimaps == 1).sum() / (trimaps != 3).sum()),
    ):
        assert index.masks(boundary) == f"1 pet, 2 background, 3 boundary, pet {100 * share:.0f} % of pixels"


def test_copies_of_training_images_in_other_splits_are_named(wanted: dict[str, Any]) -> None:
    index = ensure_decoded(wanted)[1]
    trained, tested = index.stems("train")[0], index.stems("test")[0]
    images = Path(wanted["root"]) / "images"
    shutil.copy(images / f"{trained}.png", images / f"{tested}.png")
    [warning] = ensure_decoded(wanted)[1].warnings()
    assert warning == f"copies of training images in valid and test: {tested} = {trained}"
