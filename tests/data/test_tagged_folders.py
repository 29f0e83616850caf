"""Folders with orientation tags: turned as they are seen, or refused where the files do not say which way."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import command, picture, write_oxford
from decoding import understand
from PIL import ExifTags, Image
from test_cache import data
from test_orientation import turned

from pets_seg.data import ensure_decoded, open_dataset
from pets_seg.data.decode import decode_pair
from pets_seg.data.entries import Row
from pets_seg.data.levels import BadFileError
from pets_seg.data.orientation import EITHER, MASK_TURNED, STORED, TURNED, UNTAGGED
from pets_seg.data.pairs import Pair
from pets_seg.errors import InputError

COUNT = 24
WIDE, SQUARE = (40, 32), (40, 40)
# Where a mask was drawn: on the stored pixels or on the turned ones; "tagged" has the photograph's tag as well.
STORES, VIEW, STORED_TAGGED, VIEW_TAGGED = "stored", "view", "stored, tagged", "view, tagged"


def pair(root: Path, index: int, tag: int, drawn: str, size: tuple[int, int] = WIDE) -> tuple[Pair, Image.Image]:
    """Write a picture that is stored with a tag, of a size when it is seen, and its mask; return how this is seen."""
    image, trimap = (part.resize(size, Image.Resampling.NEAREST) for part in picture(index))
    mask = trimap.point(lambda value: 255 * (value == 1))
    found = Pair(f"a{index:02d}", root / "images" / f"a{index:02d}.jpg", root / "masks" / f"a{index:02d}.png")
    for path in (found.image, found.trimap):
        path.parent.mkdir(parents=True, exist_ok=True)
    stored, tags = turned(image, tag)
    stored.save(found.image, quality=95, exif=tags)
    shown = turned(mask, tag)[0] if drawn.startswith(STORES) else mask
    shown.save(found.trimap, **({"exif": tags} if "tagged" in drawn else {}))
    return found, mask


def folder(root: Path, tags: Sequence[int], drawn: str, size: tuple[int, int] = WIDE) -> dict[str, Any]:
    """Write a folder of pairs with the tags in turn, and return its `data` settings."""
    for index in range(COUNT):
        pair(root, index, tags[index % len(tags)], drawn, size)
    settings = {"name": "folder", "_target_": "pets_seg.data.sources.folder", "root": str(root), "size": 32}
    return {**settings, "split_seed": 3, "skip_bad": False, "cache_dir": str(root.with_name("cache"))}


def agrees(image: np.ndarray, trimap: np.ndarray) -> bool:
    """Return whether what is bright is what the mask shows, but for the border."""
    return ((image.mean(0) > 120) == (trimap == 1)).mean() > 0.85


@pytest.mark.slow
def test_tags_that_some_masks_contradict_are_not_honoured_without_a_word(tmp_path: Path) -> None:
    wanted = folder(tmp_path / "data", [6, 8, 3, 1], STORES)
    said = (
        "data=folder: 12 of the pictures with an orientation tag fit their masks only without it, e.g. a00, and 6 with "
        "and without it, e.g. a02, so that it is not clear which way the masks were drawn; save the pictures without "
        "such tags, each as its mask is"
    )
    # The second time the cache says it.
    for _ in range(2):
        with pytest.raises(InputError) as refused:
            open_dataset(wanted)
        assert str(refused.value) == said
    shown = command("task=preview", "data=folder", f"data.root={wanted['root']}", cwd=tmp_path)
    assert (shown.returncode, said in shown.stderr) == (2, True)
    # The advice can be followed.
    for path in (tmp_path / "data" / "images").iterdir():
        Image.fromarray(np.asarray(Image.open(path))).save(path, quality=95)
    dataset = open_dataset(wanted)
    images, trimaps = dataset.all.images[dataset.all.rows], dataset.all.trimaps(dataset.all.rows)
    assert all(agrees(*both) for both in zip(images.numpy(), trimaps.numpy(), strict=True))


@pytest.mark.parametrize(
    ("tags", "drawn"),
    [
        (range(1, 9), VIEW),
        ([1, 5, 6, 7, 8], STORES),
        ([1], STORES),
        (range(1, 9), STORED_TAGGED),
    ],
)
def test_tags_that_agree_are_used(tmp_path: Path, tags: Sequence[int], drawn: str) -> None:
    dataset = open_dataset(folder(tmp_path / "data", tags, drawn))
    images, trimaps = dataset.all.images[dataset.all.rows], dataset.all.trimaps(dataset.all.rows)
    assert all(agrees(*both) for both in zip(images.numpy(), trimaps.numpy(), strict=True))


def test_masks_that_are_turned_by_their_own_tags_are_counted(tmp_path: Path) -> None:
    wanted = folder(tmp_path / "data", [1, 1, 1, 6], STORED_TAGGED)
    own = "6 masks are turned by orientation tags of their own, as images are; save masks drawn upright without tags"
    for _ in range(2):
        assert ensure_decoded(wanted)[1].warnings() == [own]
    wanted = folder(tmp_path / "other", [1] * 23 + [3], STORED_TAGGED)
    [said] = ensure_decoded(wanted)[1].warnings()
    assert said.startswith("1 mask is turned by an orientation tag of its own, ")


@pytest.mark.parametrize("tag", range(1, 9))
@pytest.mark.parametrize("photograph", ["tagged", "turned"])
def test_a_mask_with_the_tag_of_its_photograph_is_honoured_or_refused(
    tmp_path: Path, tag: int, photograph: str
) -> None:
    found, mask = pair(tmp_path, 0, tag, VIEW_TAGGED)
    if photograph == "turned":
        picture(0)[0].resize(WIDE).save(found.image, quality=95)
    if tag in (5, 6, 7, 8):
        with pytest.raises(BadFileError, match=r"^a00\.png: has an orientation tag of its own, with which it does not"):
            decode_pair(found, 32)
    else:
        assert decode_pair(found, 32).tags == (UNTAGGED if tag == 1 else MASK_TURNED)
    # Without the tag it is seen as it was drawn.
    mask.save(found.trimap)
    assert agrees(*understand(found, 32))


def test_a_mask_of_another_shape_is_not_blamed_on_its_tag(tmp_path: Path) -> None:
    found, mask = pair(tmp_path, 0, 6, VIEW)
    tags = Image.Exif()
    tags[ExifTags.Base.Orientation] = 6
    mask.resize((40, 90)).save(found.trimap, exif=tags)
    with pytest.raises(BadFileError, match=r"^a00\.png: does not fit its image \(mask 90 x 40, image 40 x 32\)$"):
        decode_pair(found, 32)


USED: dict[str, Callable[[int], str]] = {
    VIEW: lambda tag: UNTAGGED if tag == 1 else TURNED if tag > 4 else EITHER,
    STORES: lambda tag: UNTAGGED if tag == 1 else STORED if tag > 4 else EITHER,
    STORED_TAGGED: lambda tag: UNTAGGED if tag == 1 else MASK_TURNED,
}


@pytest.mark.parametrize("drawn", USED)
@pytest.mark.parametrize("tag", range(1, 9))
def test_how_a_tag_was_used_is_known_and_kept(tmp_path: Path, drawn: str, tag: int) -> None:
    found = decode_pair(pair(tmp_path, 0, tag, drawn)[0], 32)
    assert found.tags == USED[drawn](tag)
    row = Row(None, found.digests, 1, found.mask, found.extent, found.tags)
    assert Row.read(json.loads(json.dumps(asdict(row)))) == row
    square = decode_pair(pair(tmp_path / "square", 0, tag, drawn, SQUARE)[0], 32).tags
    assert square == (EITHER if USED[drawn](tag) in (TURNED, STORED) else USED[drawn](tag))


@pytest.mark.parametrize("tag", [0, 9, 77])
def test_a_tag_that_is_no_orientation_says_nothing(tmp_path: Path, tag: int) -> None:
    found, _ = pair(tmp_path, 0, 1, VIEW)
    tags = Image.Exif()
    tags[ExifTags.Base.Orientation] = tag
    for path in (found.image, found.trimap):
        Image.open(path).save(path, exif=tags)
    assert decode_pair(found, 32).tags == UNTAGGED


def test_a_data_set_that_says_how_it_is_read_is_not_refused(tmp_path: Path) -> None:
    write_oxford(tmp_path)
    base = tmp_path / "oxford-iiit-pet"
    for index, tag in enumerate([6, 3, 8, 1]):
        image, mask = base / "images" / f"pet_{index}.jpg", base / "annotations" / "trimaps" / f"pet_{index}.png"
        for path, options in ((image, {"exif": turned(picture(index)[0], tag)[1]}), (mask, {})):
            Image.open(path).resize(WIDE, Image.Resampling.NEAREST).save(path, **options)
    assert len(open_dataset(data(tmp_path, tmp_path / "cache")).all) == COUNT
