"""What `aug.operations` may hold, and what is refused with a reason."""

from typing import Any

import pytest
import torch
from conftest import aug_operations
from kornia.augmentation import GeometricAugmentationBase2D
from omegaconf import OmegaConf

from pets_seg.augment import Augment, check_operations
from pets_seg.errors import InputError

K = "kornia.augmentation."
FLIP = {"_target_": f"{K}RandomHorizontalFlip"}


class ForgetsTheMask(GeometricAugmentationBase2D):
    """Mirrors the image and leaves the mask."""

    def __init__(self, p: float = 0.5) -> None:
        super().__init__(p=p)
        self.flags = {}

    def compute_transformation(self, input: torch.Tensor, params: Any, flags: Any) -> torch.Tensor:
        """Claim to leave everything where it is."""
        return self.identity_matrix(input)

    def apply_transform(self, input: torch.Tensor, params: Any, flags: Any, transform: Any = None) -> torch.Tensor:
        """Mirror the image."""
        return input.flip(-1)

    def apply_transform_mask(self, input: torch.Tensor, params: Any, flags: Any, transform: Any = None) -> torch.Tensor:
        """Return the mask as it is."""
        return input


class BlursTheMask(ForgetsTheMask):
    """Averages neighbouring mask values."""

    def apply_transform_mask(self, input: torch.Tensor, params: Any, flags: Any, transform: Any = None) -> torch.Tensor:
        """Return means of two mask values."""
        return (input + input.roll(1, -1)) / 2


class FillsTheMask(ForgetsTheMask):
    """Leaves image and mask where they are, but for the mask's first row, which holds `value`."""

    def __init__(self, value: float, only: float | None = None, p: float = 0.5) -> None:
        super().__init__(p=p)
        self.value, self.only = value, only

    def apply_transform(self, input: torch.Tensor, params: Any, flags: Any, transform: Any = None) -> torch.Tensor:
        """Return the image as it is."""
        return input

    def apply_transform_mask(self, input: torch.Tensor, params: Any, flags: Any, transform: Any = None) -> torch.Tensor:
        """Put `value` into the first row, into pixels of `only` alone if that is given."""
        filled = input.clone()
        filled[..., 0, :] = self.value
        return filled if self.only is None else torch.where(input == self.only, filled, input)


REFUSED = {
    "RandomFisheye": (
        {"center_x": [-0.3, 0.3], "center_y": [-0.3, 0.3], "gamma": [0.9, 1.0]},
        "cannot be made",
    ),
    "RandomThinPlateSpline": ({}, "cannot move a mask: Kornia has no rule for masks in it"),
    "CenterCrop": ({"size": [20, 20]}, "turns images of 48 x 48 into 20 x 20; they must keep data.size"),
    "RandomCrop": ({"size": [64, 64]}, "turns images of 48 x 48 into 64 x 64"),
    "RandomMosaic": ({}, "not a subclass of kornia.augmentation.AugmentationBase2D"),
    "RandomMixUpV2": ({}, "not a subclass of kornia.augmentation.AugmentationBase2D"),
    "RandomAffine3D": ({"degrees": 10}, "not a subclass of kornia.augmentation.AugmentationBase2D"),
    "RandomResizedCrop": ({"size": [48, 48]}, "moves mask and image up to 0."),
    "Normalize": ({"mean": [0.5], "std": [0.2]}, "leaves the range of images"),
    "PadTo": ({"size": [64, 64]}, "cannot be made"),
    "NoSuchOperation": ({}, "cannot be made"),
    "RandomRotation": ({"degres": 10}, "cannot be made"),
    "RandomGamma": ({"gamma": "much"}, "cannot be made"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_operation_that_cannot_be_used_is_refused_with_the_reason(name: str) -> None:
    settings, reason = REFUSED[name]
    with pytest.raises(InputError) as refusal:
        check_operations([{**FLIP, "p": 0.5}, {"_target_": f"{K}{name}", "p": 0.2, **settings}], size=48)
    # The message counts from 0, as aug.operations.1.p=0.3 on the command line does.
    assert str(refusal.value).startswith(f"aug.operations.1: {K}{name}")
    assert reason in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("ForgetsTheMask", "moves mask and image up to"),
        ("BlursTheMask", "gives masks other values than 0, 1 and 255"),
    ],
)
def test_an_operation_that_parts_image_and_mask_is_found_out(name: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        check_operations([{"_target_": f"{__name__}.{name}", "p": 0.2}], size=48)


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("hflip", "needs a _target_"),
        ({"p": 0.5}, "needs a _target_"),
        (FLIP, r"p=None must be a probability"),
        ({**FLIP, "p": 1.5}, r"p=1.5 must be a probability"),
        ({**FLIP, "p": True}, r"p=True must be a probability"),
        ({**FLIP, "p": 0.5, "one_of": [FLIP]}, "needs a _target_, or a list one_of"),
        ({"p": 0.5, "one_of": []}, "a list one_of"),
        ({"p": 0.5, "one_of": FLIP}, "a list one_of"),
        ({"p": 0.5, "one_of": [FLIP], "weights": [1]}, "and nothing else"),
        ({"p": 0.5, "one_of": [{**FLIP, "p": 0.5}]}, "no p"),
        ({**FLIP, "p": 0.5, "_target_": "torch.nn.Identity"}, "not a subclass of kornia"),
        ({**FLIP, "p": 0.5, "p_batch": 0.5}, "for whole batches; set p instead"),
    ],
)  # fmt: skip
def test_an_entry_that_cannot_be_understood_is_refused(entry: Any, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        check_operations([entry], size=48)
    with pytest.raises(InputError, match=reason):
        Augment([entry])


def test_a_fill_that_is_no_class_is_refused() -> None:
    fill = {"_target_": f"{K}RandomCrop", "p": 0.5, "size": [48, 48], "padding": 6, "fill": 0.5}
    with pytest.raises(InputError, match="other values than 0, 1 and 255"):
        check_operations([fill], size=48)
    check_operations([{**fill, "fill": 0}], size=48)


CROP = {"_target_": f"{K}RandomCrop", "p": 0.5, "size": [48, 48], "padding": 6}
AFFINE = {"_target_": f"{K}RandomAffine", "p": 0.5, "degrees": 20, "padding_mode": "fill"}


@pytest.mark.parametrize(
    ("entry", "advice"),
    [
        ({**CROP, "fill": 1}, r"fill: \[1, 1, 1\], the mask gets 0"),
        ({**CROP, "fill": 1.0}, r"fill: \[1, 1, 1\]"),
        ({**AFFINE, "fill_value": 1.0}, r"fill_value: \[1.0, 1.0, 1.0\]"),
    ],
)
def test_a_fill_that_would_be_labelled_pet_is_refused_with_the_fill_that_is_not(
    entry: dict[str, Any], advice: str
) -> None:
    with pytest.raises(InputError, match=f"labels background pixels of a mask as pet; .*{advice}") as refusal:
        check_operations([entry], size=48)
    assert str(refusal.value).startswith(f"aug.operations.0: {entry['_target_']}")
    # The way out that the line names: white round the image, background round the mask.
    [key] = {"fill", "fill_value"} & entry.keys()
    white = [{**entry, key: [1.0, 1.0, 1.0], "p": 1.0}]
    check_operations(white, size=48)
    image, mask = Augment(white)(torch.zeros(8, 3, 48, 48), torch.ones(8, 48, 48, dtype=torch.uint8), seed=0)
    # Rotated images are interpolated, masks are not.
    assert ((image > 0.5).all(1) == (mask == 0)).float().mean() > 0.99
    assert 0 < (mask == 0).float().mean() < 0.5


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"value": 1}, "labels background pixels of a mask as pet; what it puts into a mask must be 0 or 255"),
        ({"value": 1, "only": 0}, "labels background pixels"),
        ({"value": 1, "only": 255}, "labels uncounted pixels of a mask as pet"),
        ({"value": 2}, "other values than 0, 1 and 255"),
    ],
)
def test_an_operation_of_ones_own_that_makes_labels_is_refused(settings: dict[str, Any], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        check_operations([{"_target_": f"{__name__}.FillsTheMask", "p": 0.2, **settings}], size=48)
    with pytest.raises(InputError, match=reason):
        check_operations([{"p": 0.2, "one_of": [FLIP, {"_target_": f"{__name__}.FillsTheMask", **settings}]}], size=48)


@pytest.mark.parametrize(
    "entry",
    [
        CROP,
        {**CROP, "padding_mode": "reflect"},
        {**AFFINE, "padding_mode": "border"},
        {"_target_": f"{K}RandomErasing", "p": 0.5, "value": 1.0},
    ],
)
def test_a_margin_that_is_background_or_a_reflection_passes(entry: dict[str, Any]) -> None:
    check_operations([entry], size=48)


@pytest.mark.parametrize(
    "option",
    ["none", "hflip", "vflip", "elastic", "crop", "elastic_or_crop", "rotate", "color", "strong", "elastic_stock"],
)
@pytest.mark.parametrize("size", [32, 57])
def test_every_option_passes(option: str, size: int) -> None:
    check_operations(aug_operations(option, size), size)


@pytest.mark.parametrize(
    "settings",
    [
        {"_target_": f"{K}RandomPerspective"},
        {"_target_": f"{K}RandomErasing"},
        {"_target_": f"{K}RandomRotation90", "times": [1, 3]},
        {"_target_": f"{K}RandomCrop", "size": [48, 48], "padding": 6},
        {"_target_": f"{K}RandomResizedCrop", "size": [48, 48], "cropping_mode": "slice", "align_corners": False},
        {"_target_": f"{K}RandomAffine", "degrees": 20, "padding_mode": "fill", "fill_value": [1.0, 1.0, 1.0]},
        {"_target_": f"{K}RandomRotation", "degrees": 20.0},
        {"_target_": f"{K}RandomShear", "shear": 20.0},
        {"_target_": f"{K}RandomEqualize"},
        {"_target_": f"{K}RandomJPEG"},
        {"_target_": f"{K}RandomClahe"},
    ],
)
def test_operations_that_no_option_names_can_be_composed(settings: dict[str, Any]) -> None:
    entries = OmegaConf.create([{**settings, "p": 0.5}, {"p": 0.5, "one_of": [settings, FLIP]}])
    check_operations(entries, size=48)
    image, mask = torch.rand(6, 3, 48, 48), torch.randint(2, (6, 48, 48))
    moved, moved_mask = Augment(entries)(image.clone(), mask.clone(), seed=1)
    assert not torch.equal(moved, image)
    assert set(moved_mask.unique().tolist()) <= {0, 1}
