"""Whatever the lists and files of a data set hold, it is read or refused in one line."""

import io
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from conftest import picture, write_oxford
from decoding import understand
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from pets_seg.data import open_dataset
from pets_seg.data.levels import BadFileError
from pets_seg.data.pairs import Pair
from pets_seg.errors import InputError

SIZE = 32
often = settings(max_examples=300, deadline=None, derandomize=True)
seldom = settings(max_examples=80, deadline=None, derandomize=True)


@contextmanager
def refused_or_read() -> Iterator[None]:
    said = "nothing"
    try:
        yield
    except (BadFileError, InputError) as error:
        said = str(error)
    assert said.isprintable(), ascii(said)
    assert 0 < len(said) < 10_000


@contextmanager
def new_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    content = io.BytesIO()
    image.save(content, form, **options)
    return content.getvalue()


IMAGE, TRIMAP = picture(0)
IMAGES = [
    encoded(IMAGE, "JPEG"),
    encoded(IMAGE, "JPEG", progressive=True, optimize=True, exif=bytes.fromhex("45786966000049492a0008000000")),
    encoded(IMAGE, "PNG"),
    encoded(IMAGE.quantize(32), "PNG", transparency=3),
    encoded(IMAGE.quantize(32), "GIF", save_all=True, append_images=[IMAGE.quantize(8)]),
    encoded(IMAGE, "PNG", save_all=True, append_images=[IMAGE.rotate(90)]),
    encoded(IMAGE, "BMP"),
    encoded(IMAGE, "TIFF"),
    encoded(IMAGE, "WEBP"),
]
TRIMAPS = [encoded(TRIMAP, form) for form in ("PNG", "GIF", "BMP", "TIFF")]


@st.composite
def spoilt(draw: st.DrawFn, originals: list[bytes]) -> bytes:
    """One of `originals` with some bytes replaced, most of them near its start, and perhaps its end cut off."""
    content = bytearray(draw(st.sampled_from(originals)))
    near = st.integers(0, min(len(content) - 1, 200))
    places = st.one_of(near, st.integers(0, len(content) - 1))
    for place, value in draw(st.lists(st.tuples(places, st.integers(0, 255)), max_size=12)):
        content[place] = value
    return bytes(content[: draw(st.sampled_from([len(content), draw(places)]))])


def check_pair(image: bytes, trimap: bytes) -> None:
    with new_folder() as folder:
        pair = Pair("pet", folder / "pet.jpg", folder / "pet.png")
        pair.image.write_bytes(image)
        pair.trimap.write_bytes(trimap)
        with refused_or_read():
            pixels, labels = understand(pair, SIZE)
            assert (pixels.shape, pixels.dtype) == ((3, SIZE, SIZE), np.uint8)
            assert (labels.shape, labels.dtype) == ((SIZE, SIZE), np.uint8)
            assert set(np.unique(labels)) <= {0, 1, 2, 3}


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning")
@often
@given(st.one_of(spoilt(IMAGES), st.binary(max_size=300)))
def test_any_bytes_as_an_image(image: bytes) -> None:
    check_pair(image, TRIMAPS[0])


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning")
@often
@given(st.one_of(spoilt(TRIMAPS), st.binary(max_size=300)))
def test_any_bytes_as_a_trimap(trimap: bytes) -> None:
    check_pair(IMAGES[0], trimap)


@st.composite
def pictures(draw: st.DrawFn) -> bytes:
    """A small picture of any mode, with few values or many, in a form that holds it."""
    mode = draw(st.sampled_from(["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I", "F", "YCbCr", "LAB"]))
    width, height = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    values = draw(st.sampled_from([[0, 1], [0, 255], [1, 2, 3], [0, 1, 2, 3], list(range(256))]))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    pixels = random.choice(np.array(values, np.uint8), (height, width, 4))
    if mode in ("I;16", "I", "F"):
        dtype = {"I;16": np.uint16, "I": np.int32, "F": np.float32}[mode]
        wide = pixels[..., 0].astype(dtype)
        wide[0, 0] = draw(st.sampled_from([0, 1, 255, 65535] if mode != "F" else [0, 1, 0.5, -1, 3e38, np.nan, np.inf]))
        image = Image.fromarray(wide)
    elif mode == "P":
        image = Image.fromarray(pixels[..., 0])
        image.putpalette(random.choice([0, 255], 768).tolist() if draw(st.booleans()) else list(range(256)) * 3)
    elif mode in ("1", "L"):
        image = Image.fromarray(pixels[..., 0]).convert(mode)
    else:
        bands = len(Image.new(mode, (1, 1)).getbands())
        image = Image.frombytes(mode, (width, height), pixels[..., :bands].tobytes())
    for form in draw(st.permutations(["PNG", "TIFF", "GIF", "WEBP", "BMP"])):
        try:
            return encoded(image, form)
        except (OSError, ValueError, KeyError):
            continue
    raise AssertionError(mode)


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning")
@often
@given(pictures(), pictures())
def test_any_picture_as_an_image_and_any_as_its_trimap(image: bytes, trimap: bytes) -> None:
    check_pair(image, TRIMAPS[0])
    check_pair(IMAGES[0], trimap)
    check_pair(image, image)
    check_pair(image, trimap)


names = st.one_of(
    st.sampled_from(["pet_1", "pet_2", "..", "../pet_1", "/etc/passwd", "#", "\ufeffpet_1", "x" * 300, "é" * 3000]),
    st.text(st.characters(exclude_categories=()), max_size=12),
    st.text(st.sampled_from("\0\x1b\x07\x85\u2028\u202e\\/. \t\r#a1"), max_size=6),
)
lines = st.lists(names, max_size=8).map(lambda parts: "\n".join(parts).encode(errors="surrogatepass"))
lists = st.one_of(lines, lines.map(lambda content: b"pet_1\npet_2\n" + content), st.binary(max_size=100))


@seldom
@given(lists, lists)
@example(b"pet_1\npet_2\n\x1b[2J\x07", b"pet_3\n\xef\xbb\xbfpet_4\n")
@example(b"pet_1\npet_2\n" + b"x" * 100_000, b"pet_3\n")
@example(b"pet_1\npet_2\n" + b"pet_1\n" * 1000, b"pet_3\n" + b"y\n" * 1000)
def test_any_bytes_as_lists(oxford_once: Path, trainval: bytes, test: bytes) -> None:
    annotations = oxford_once / "oxford-iiit-pet" / "annotations"
    (annotations / "trainval.txt").write_bytes(trainval)
    (annotations / "test.txt").write_bytes(test)
    for skip_bad in (False, True):
        with new_folder() as cache, refused_or_read():
            wanted = {
                "name": "oxford_pet",
                "_target_": "pets_seg.data.sources.oxford_pet",
                "root": str(oxford_once),
                "download": False,
            }
            dataset = open_dataset({**wanted, "size": SIZE, "skip_bad": skip_bad, "cache_dir": str(cache)})
            assert {stem for split in (dataset.train, dataset.valid) for stem in split.stems} <= KNOWN
            assert 0 < len(dataset.test) <= len(KNOWN)


KNOWN = {f"pet_{index}" for index in range(6)}


@pytest.fixture(scope="module")
def oxford_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("oxford")
    write_oxford(root, trainval=4, test=2)
    return root


file_names = st.text(st.characters(exclude_categories=(), exclude_characters="/\0"), min_size=1, max_size=40).map(
    lambda name: name.encode(errors="surrogatepass")
)
raw_names = st.binary(min_size=1, max_size=60).map(lambda name: name.replace(b"/", b"_").replace(b"\0", b"_"))


@pytest.mark.slow
@seldom
@given(st.lists(st.tuples(st.one_of(file_names, raw_names), st.sampled_from([b".png", b".JPG", b".gif", b""]))))
def test_any_file_names_in_a_folder(files: list[tuple[bytes, bytes]]) -> None:
    with new_folder() as root:
        for part, content in (("images", IMAGES[0]), ("masks", TRIMAPS[0])):
            (root / part).mkdir()
            for name, suffix in [*files, *((f"pet_{index}".encode(), b".png") for index in range(30))]:
                with open(os.fsencode(root / part) + b"/" + name[:200] + suffix, "wb") as file:
                    file.write(content)
        wanted = {
            "name": "folder",
            "_target_": "pets_seg.data.sources.folder",
            "root": str(root),
            "split_seed": 0,
            "size": SIZE,
            "cache_dir": str(root / "cache"),
        }
        with refused_or_read():
            open_dataset({**wanted, "skip_bad": False})
        # Whatever else is there, the thirty good ones can be used.
        dataset = open_dataset({**wanted, "skip_bad": True})
        stems = {stem for split in (dataset.train, dataset.valid, dataset.test) for stem in split.stems}
        assert stems >= {f"pet_{index}" for index in range(30)} - {os.fsdecode(name[:200]) for name, _ in files}
        assert all(stem.encode() for stem in stems)
