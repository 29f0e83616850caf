"""Photographs and masks are turned as their tags say, and must have one shape."""

import io
from pathlib import Path

import numpy as np
import pytest
from conftest import picture
from decoding import decode
from PIL import ExifTags, Image, ImageOps

from pets_seg.data.orientation import same_shape
from pets_seg.data.pairs import Pair

IMAGE, TRIMAP = (part.resize((96, 48), Image.Resampling.NEAREST) for part in picture(3, 48))
LABELS = np.asarray(TRIMAP.resize((48, 48), Image.Resampling.NEAREST))
FORMS = {"JPEG": {"quality": 95}, "PNG": {}, "TIFF": {}, "WEBP": {"lossless": True}, "AVIF": {"quality": 95}}


def turned(image: Image.Image, orientation: int) -> tuple[Image.Image, Image.Exif]:
    """Return what is stored where a viewer, turning it by `orientation`, shows `image`; and the tag."""
    tags = Image.Exif()
    # What turns back is the orientation that turns the other way.
    tags[ExifTags.Base.Orientation] = {6: 8, 8: 6}.get(orientation, orientation)
    content = io.BytesIO()
    image.save(content, "PNG", exif=tags)
    stored = ImageOps.exif_transpose(Image.open(content))
    tags[ExifTags.Base.Orientation] = orientation
    return stored, tags


def check_seen(folder: Path, form: str, stored: Image.Image, tags: Image.Exif) -> None:
    """Check that an image which is `stored` with `tags` is seen as IMAGE beside its mask, and the mask as TRIMAP."""
    found = Pair("pet", folder / "image", folder / "mask.png")
    stored.save(found.image, form, exif=tags, **FORMS[form])
    TRIMAP.save(found.trimap)
    seen, labels = decode(found, 48)
    expected = np.asarray(IMAGE.resize((48, 48), Image.Resampling.BILINEAR)).transpose(2, 0, 1)
    assert np.abs(seen.astype(int) - expected).mean() < (1 if form in ("PNG", "TIFF", "WEBP") else 12)
    assert np.array_equal(labels, LABELS)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_and_masks_are_turned_as_they_are_seen(tmp_path: Path, form: str, orientation: int) -> None:
    check_seen(tmp_path, form, *turned(IMAGE, orientation))
    # A mask with a tag of its own is turned like a picture.
    if form not in ("JPEG", "AVIF"):
        found = Pair("pet", tmp_path / "image", tmp_path / "mask.png")
        stored, tags = turned(TRIMAP, orientation)
        stored.save(found.trimap, form, exif=tags, **FORMS[form])
        assert np.array_equal(decode(found, 48)[1], LABELS)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_an_image_is_left_as_stored_if_its_mask_fits_that_alone(tmp_path: Path, form: str, orientation: int) -> None:
    _, tags = turned(IMAGE, orientation)
    check_seen(tmp_path, form, IMAGE, tags)


@pytest.mark.parametrize(
    ("image", "mask", "fits"),
    [
        ((100, 100), (100, 100), True),
        ((500, 375), (250, 188), True),
        ((500, 375), (250, 187), True),
        ((500, 375), (224, 168), True),
        ((1001, 667), (333, 222), True),
        ((64, 64), (128, 128), True),
        ((500, 333), (4000, 2667), True),
        ((640, 427), (6000, 4000), True),
        ((100, 100), (102, 100), False),
        # 101 x 100 scaled by 0.99005, rounded up.
        ((100, 100), (101, 100), True),
        ((500, 375), (500, 370), False),
        ((500, 375), (256, 256), False),
        ((96, 48), (48, 96), False),
    ],
)
def test_sizes_differ_by_what_rounding_explains(image: tuple[int, int], mask: tuple[int, int], fits: bool) -> None:
    assert same_shape(image, mask) is fits
