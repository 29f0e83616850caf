"""Files of a data set that are wrong are told before there is a folder. As in test_wrong_input.py."""

import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from changes import folder_for, put, remove
from conftest import picture, tiny
from PIL import Image
from refusals import refused

Command = Callable[..., tuple[int, str]]


def png(width: int, height: int) -> bytes:
    """Return a PNG that says it is so large, and holds no pixel."""
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)), (b"IDAT", b""), (b"IEND", b"")]
    packed = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


IMAGE, MASK = "images/pet_5.jpg", "annotations/trimaps/pet_5.png"
# In oxford-iiit-pet/: the change, and what is said of it.
DATA = {
    "an empty image": (put(IMAGE, ""), "1 of 24 pairs cannot be used: pet_5 (pet_5.jpg: not an image); mend or remove"),
    "a text as image": (put(IMAGE, "a cat"), "pet_5.jpg: not an image"),
    "a huge image": (put(IMAGE, png(60_000, 60_000)), "pet_5.jpg: has more than 89478485 pixels; make it smaller"),
    "a torn image": (lambda root: put(IMAGE, (root / IMAGE).read_bytes()[:500])(root), "pet_5 (pet_5.jpg: "),
    "a folder as image": (folder_for(IMAGE), "pet_5.jpg: not a regular file"),
    "no image": (remove(IMAGE), "pet_5.jpg: is not there"),
    "no mask": (remove(MASK), "pet_5.png: is not there"),
    "an image as mask": (lambda root: shutil.copy(root / IMAGE, root / MASK), "is a colour picture, not a mask"),
    "a mask of another shape": (
        lambda root: picture(5)[1].resize((48, 20), Image.Resampling.NEAREST).save(root / MASK),
        "does not fit its image (mask 48 x 20, image 48 x 48)",
    ),
    "an empty list": (put("annotations/test.txt", ""), "no image for split=test"),
    "no list": (remove("annotations/test.txt"), "data.root must hold a whole oxford-iiit-pet/"),
    "a list that leads out": (put("annotations/test.txt", "../x 1 1 1"), "'../x' is not the name of a file"),
    "a list twice": (
        lambda root: put("annotations/test.txt", "pet_21 1 1 1\n" * 2)(root),
        "1 of 22 pairs cannot be used: pet_21 (listed twice)",
    ),
}


@pytest.mark.parametrize("what", DATA)
def test_images_that_cannot_be_used(what: str, oxford: Path, in_process: Command, tmp_path: Path) -> None:
    change, reason = DATA[what]
    change(oxford / "oxford-iiit-pet")
    refused(*in_process(*tiny(oxford)), reason, tmp_path)


def test_a_folder_of_ones_own_that_cannot_be_used(in_process: Command, tmp_path: Path) -> None:
    root = tmp_path / "own"
    for part in ("images", "masks"):
        (root / part).mkdir(parents=True)
    arguments = ["data=folder", f"data.root={root}", "data.size=32"]
    refused(*in_process(*arguments), "images holds no image; ", tmp_path)
    for index in range(30):
        image, trimap = picture(index)
        image.save(root / "images" / f"{index}.png")
        trimap.save(root / "masks" / f"{index}.png")
    shutil.copy(root / "images" / "0.png", root / "images" / "0.jpg")
    (root / "masks" / "1.png").unlink()
    code, shown = in_process(*arguments)
    refused(code, shown, "0 (has more than one file: 0.jpg, 0.png, 0.png)", tmp_path)
    assert "1 (has no mask in masks/)" in shown


def test_bad_files_stop_before_there_is_a_folder_or_are_left_out(
    oxford: Path, in_process: Command, tmp_path: Path
) -> None:
    (oxford / "oxford-iiit-pet" / "images" / "pet_5.jpg").write_bytes(b"broken")
    code, shown = in_process(*tiny(oxford))
    refused(code, shown, "1 of 24 pairs cannot be used: pet_5 (pet_5.jpg: not an image)", tmp_path)
    code, shown = in_process(*tiny(oxford), "data.skip_bad=true", "train.epochs=1")
    assert code == 0
    assert shown.count("left out: 1 of 24 pairs cannot be used") == 1
