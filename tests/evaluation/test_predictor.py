"""`load_model`: a photograph gives the same whatever it is given as, and what is none is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import make_network, picture
from PIL import ExifTags, Image

from pets_seg import BadFileError, load_model
from pets_seg.config.options import own_option
from pets_seg.errors import InputError, RunError
from pets_seg.evaluation.predictor import Predictor
from pets_seg.models.checkpoint import save_weights

MODEL = {"name": "unet", "_target_": own_option("model", "unet")["_target_"], "width": 4}
ABOUT = {"size": 32, "normalisation": "imagenet", "boundary": "foreground", "precision": "fp32", "epoch": 1}


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return a function that writes a checkpoint of a small network, changed by a function, with further metadata."""
    folder = tmp_path_factory.mktemp("weights")

    def write(change: Callable[[torch.Tensor], torch.Tensor] = lambda values: values, **about: Any) -> Path:
        path = folder / f"{len([*folder.iterdir()])}.safetensors"
        torch.manual_seed(0)
        network = make_network("unet", width=4)
        tensors = {
            name: change(values) if values.is_floating_point() else values
            for name, values in network.state_dict().items()
        }
        save_weights(path, tensors, {**ABOUT, "model": MODEL, **about})
        return path

    return write


@pytest.fixture(scope="module")
def predictor(weights: Callable[..., Path]) -> Predictor:
    return load_model(weights(), "cpu")


def outcome(predictor: Predictor, image: Any) -> Any:
    """Return what comes of a photograph, to be compared."""
    try:
        found = predictor(image)
    except BadFileError as error:
        return str(error)
    return np.asarray(found.photo).tolist(), found.probabilities.tolist(), found.photo.info


def photographs() -> dict[str, Callable[[Path], object]]:
    image = picture(1)[0].resize((40, 24))
    deep = np.asarray(image.convert("L")).astype(np.uint16)
    cases: dict[str, Callable[[Path], object]] = {
        "plain.jpg": image.save,
        "mask.png": image.convert("1").save,
        "palette.png": lambda path: image.quantize(16).save(path, transparency=3),
        "clear.png": image.convert("LA").save,
        "cmyk.jpg": image.convert("CMYK").save,
        "profile.png": lambda path: image.save(path, icc_profile=b"a profile"),
        "deep.png": Image.fromarray(deep * 257).save,
        "dark.png": Image.fromarray(deep).save,
        "deep.tif": Image.fromarray((deep * 257).astype(np.int32)).save,
        "float.tif": Image.fromarray(deep.astype(np.float32)).save,
        "endless.tif": Image.fromarray(np.full((9, 9), np.inf, np.float32)).save,
        "inverted.tif": lambda path: Image.fromarray(deep * 257).save(path, tiffinfo={262: 0}),
    }
    for tag in (3, 6):
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = tag
        for suffix in ("jpg", "tif", "png"):
            cases[f"turned{tag}.{suffix}"] = lambda path, exif=exif: image.save(path, exif=exif)
    return cases


@pytest.mark.parametrize("name", photographs())
def test_a_picture_is_treated_as_its_file(name: str, predictor: Predictor, tmp_path: Path) -> None:
    path = tmp_path / name
    photographs()[name](path)
    with Image.open(path) as opened:
        before = dict(opened.info)
        assert outcome(predictor, opened) == outcome(predictor, path)
        assert {**before, **opened.info} == opened.info


@pytest.mark.parametrize("spoil", ["cut off", "a wrong checksum"])
@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_a_damaged_picture_is_a_bad_file(spoil: str, suffix: str, predictor: Predictor, tmp_path: Path) -> None:
    path = tmp_path / f"photo.{suffix}"
    picture(1)[0].save(path)
    content = path.read_bytes()
    if spoil == "cut off":
        path.write_bytes(content[: len(content) // 2])
    elif suffix == "png":
        path.write_bytes(content[:-20] + b"oops" + content[-16:])
    with Image.open(path) as opened:
        assert outcome(predictor, opened) == outcome(predictor, path)
    if suffix == "png" or spoil == "cut off":
        assert str(outcome(predictor, path)).startswith(path.name)


def test_a_picture_that_was_made_is_taken_and_stays_as_it_is(predictor: Predictor) -> None:
    image = picture(1)[0]
    image.info["note"] = "mine"
    found = predictor(image)
    assert image.info == {"note": "mine"}
    assert found.photo is not image
    assert (found.probabilities == predictor(np.asarray(image)).probabilities).all()
    with pytest.raises(BadFileError, match=r"^the picture: has no pixels$"):
        predictor(Image.new("RGB", (0, 5)))


COLOURS = np.zeros((5, 4, 3), np.uint8)


@pytest.mark.parametrize(
    ("image", "given"),
    [
        (COLOURS / 255, "an array (5, 4, 3) of float64"),
        (COLOURS > 0, "an array (5, 4, 3) of bool"),
        (COLOURS.astype(np.uint16), "an array (5, 4, 3) of uint16"),
        (COLOURS[..., 0], "an array (5, 4) of uint8"),
        (np.zeros((5, 4, 4), np.uint8), "an array (5, 4, 4) of uint8"),
        (COLOURS[None], "an array (1, 5, 4, 3) of uint8"),
        (COLOURS[:0], "an array (0, 4, 3) of uint8"),
        (torch.zeros(3, 5, 4), "Tensor (3, 5, 4) of torch.float32"),
        (None, "NoneType"),
        (b"photo", "bytes"),
        ([COLOURS], "list"),
    ],
)
def test_anything_else_is_refused(image: Any, given: str, predictor: Predictor) -> None:
    with pytest.raises(InputError) as refusal:
        predictor(image)
    assert str(refusal.value).startswith(f"the photograph is {given}; must be a file, a picture of Pillow's, or an arr")


@pytest.mark.parametrize("device", ["cpu", torch.device("cpu"), torch.device("cpu", 0)])
def test_a_device_is_a_name_or_one_of_torch(device: Any, weights: Callable[..., Path]) -> None:
    assert load_model(weights(), device)(COLOURS).mask.shape == (5, 4)


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"device": 3}, "device=3: expected a string"),
        ({"device": None}, "device=null: expected a string"),
        ({"device": "banana"}, "device=banana: must be one of auto, cpu, "),
        ({"flip": "yes"}, "flip=yes: expected true or false"),
        ({"flip": 1}, "flip=1: expected true or false"),
    ],
)
def test_what_is_no_device_or_no_choice_is_refused(
    settings: dict[str, Any], line: str, weights: Callable[..., Path]
) -> None:
    with pytest.raises(InputError) as refusal:
        load_model(weights(), **settings)
    assert str(refusal.value).startswith(line)


@pytest.mark.parametrize(("high", "taken"), [(4095, True), (1000, True), (300, True), (200, False)])
def test_a_range_of_the_training_is_used_as_training_does(
    high: int, taken: bool, weights: Callable[..., Path], tmp_path: Path
) -> None:
    path = tmp_path / "photo.png"
    values = np.linspace(0, high, 64 * 64).reshape(64, 64).astype(np.uint16)
    # A hot pixel becomes white.
    values[3, 3] = max(high, 5000 if high == 4095 else 0)
    Image.fromarray(values).save(path)
    predictor = load_model(weights(range=[0, 4095]), "cpu")
    if not taken:
        with pytest.raises(BadFileError, match="values from 0 to 200 do not use 0 to 4095"):
            predictor(path)
        return
    wanted = np.rint((values * (255 / 4095)).clip(0, 255)).astype(np.uint8)
    assert (np.asarray(predictor(path).photo)[..., 0] == wanted).all()


@pytest.mark.parametrize(
    "value", [[1], [1, 2, 3], [5, 5], [9, 1], [0, float("nan")], [0, float("inf")], [0, 1e300], "ab"]
)
def test_a_range_that_is_none_is_refused(value: object, weights: Callable[..., Path]) -> None:
    with pytest.raises(InputError, match=r"its metadata cannot be used: data\.range="):
        load_model(weights(range=value), "cpu")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_make_no_mask(value: float, weights: Callable[..., Path]) -> None:
    path = weights(lambda values: torch.full_like(values, value))
    with pytest.raises(RunError, match=f"^checkpoint={path}: its weights give values that are not finite"):
        load_model(path, "cpu")(COLOURS)
