"""From the entries of `aug.operations` to Kornia operations that move image and mask together."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from hydra.utils import instantiate
from kornia import augmentation
from kornia.constants import DataKey, Resample
from omegaconf import DictConfig, ListConfig, OmegaConf

from pets_seg.errors import InputError, reason

Members = list[tuple[str, augmentation.AugmentationBase2D]]
# In pixels: how far bicubic resampling reads, and the largest distance to the nearest pixel, with room for rounding.
BORDER = 3
NEAREST_IS_WITHIN = 0.52
# Values of a mask that no operation may turn into 1.
NO_PET = {"background": 0.0, "uncounted": 255.0}
# By the setting of Kornia's that fills a margin: a value a channel fills the image alone, and one value the mask too.
FILLS = {"fill": "[1, 1, 1]", "fill_value": "[1.0, 1.0, 1.0]"}


@dataclass
class Step:
    """An entry of `aug.operations`: with probability `p`, an image undergoes one of `members`, all equally likely."""

    p: float
    members: list[augmentation.AugmentationSequential]

    def draw(self, images: int) -> torch.Tensor:
        """Return the index of the member that each image undergoes, (B,) on the CPU; -1 for none."""
        drawn = torch.rand(images) < self.p
        several = len(self.members) > 1
        member = torch.randint(len(self.members), (images,)) if several else torch.zeros(images, dtype=torch.long)
        return member.where(drawn, -1)


def build_steps(operations: Sequence[Any]) -> list[Step]:
    """Return the steps that `aug.operations` describes; raises InputError for an entry that cannot be understood."""
    return [Step(p, [_both(made) for _, made in members]) for _, p, members in _entries(operations)]


def check_operations(operations: Sequence[Any], size: int) -> None:
    """Raise InputError for an operation that does not move mask (B,size,size) and image together, with the reason."""
    for where, _, members in _entries(operations):
        for name, made in members:
            if problem := _problem(made, size):
                raise InputError(f"{where}: {name} {problem}")


def _entries(operations: Sequence[Any]) -> Iterator[tuple[str, float, Members]]:
    if not isinstance(operations, list | ListConfig):
        raise InputError(f"aug.operations={str(operations)[:100]}: expected a list of operations")
    for index, entry in enumerate(operations):
        where = f"aug.operations.{index}"
        entry = OmegaConf.to_container(entry, resolve=True) if isinstance(entry, DictConfig) else entry
        if not isinstance(entry, Mapping) or ("_target_" in entry) == ("one_of" in entry):
            raise InputError(f"{where}: {entry} needs a _target_, or a list one_of of entries with a _target_")
        p = entry.get("p")
        if isinstance(p, bool) or not isinstance(p, int | float) or not 0 <= p <= 1:
            raise InputError(f"{where}: p={p} must be a probability from 0 to 1 that it is applied to an image")
        yield where, float(p), _members(entry, where)


def _members(entry: Mapping[str, Any], where: str) -> Members:
    if "one_of" not in entry:
        return [(entry["_target_"], _make(entry, where))]
    if set(entry) != {"p", "one_of"} or not isinstance(entry["one_of"], list) or not entry["one_of"]:
        raise InputError(f"{where}: {entry} must hold p and a list one_of, and nothing else")
    for member in entry["one_of"]:
        if not isinstance(member, Mapping) or "_target_" not in member or "p" in member:
            raise InputError(f"{where}.one_of: {member} needs a _target_ and no p, which stands beside one_of")
    return [(member["_target_"], _make(member, where)) for member in entry["one_of"]]


def _make(settings: Mapping[str, Any], where: str) -> augmentation.AugmentationBase2D:
    target = settings["_target_"]
    try:
        partial = instantiate({**settings, "_partial_": True}, _convert_="all")
        made = partial.func(*_tuples(list(partial.args)), **{**_tuples(partial.keywords), "p": 1.0})
    except Exception as error:
        raise InputError(f"{where}: {target} cannot be made ({reason(error.__cause__ or error)})") from error
    if not isinstance(made, augmentation.AugmentationBase2D):
        raise InputError(
            f"{where}: {target} cannot be composed: it is not a subclass of kornia.augmentation.AugmentationBase2D, "
            "which transforms single images and their masks"
        )
    if isinstance(made, augmentation.Normalize | augmentation.Denormalize):
        raise InputError(
            f"{where}: {target} leaves the range of images, 0 to 1; data.normalisation normalises after it"
        )
    if made.p_batch != 1:
        raise InputError(f"{where}: {target} has p_batch={made.p_batch}, for whole batches; set p instead")
    return made


def _tuples(value: Any) -> Any:
    # YAML has no tuples, which some of Kornia's operations require.
    if isinstance(value, dict):
        return {key: _tuples(item) for key, item in value.items()}
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _both(operation: augmentation.AugmentationBase2D) -> augmentation.AugmentationSequential:
    # extra_args replaces Kornia's own rule. Without align_corners, RandomElasticTransform would sample the mask with
    # False even if it samples the image with True.
    rule = {"resample": Resample.NEAREST, "align_corners": operation.flags.get("align_corners", False)}
    return augmentation.AugmentationSequential(operation, data_keys=["input", "mask"], extra_args={DataKey.MASK: rule})


def _problem(operation: augmentation.AugmentationBase2D, size: int) -> str | None:
    """Return why `operation` cannot be used, or None; it is tried on images of `size` whose masks are known."""
    # Eight large images could fill the memory.
    images = max(1, min(8, 8 * 512**2 // size**2))
    generator = torch.Generator().manual_seed(0)
    shape = (math.ceil(images / 2), 1, size, size)
    classes = torch.tensor([0.0, 1.0, 255.0])[torch.randint(3, shape, generator=generator)]
    # The positions of the pixels, x and y, moved as a mask and as an image: an interpolated position is a position too.
    x = torch.arange(size, dtype=torch.float).expand(images, 1, size, size)
    positions = torch.cat((x, x.mT), dim=1)
    both = _both(operation)
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(0)
            image, moved = both((classes / 255).repeat(1, 3, 1, 1), classes.clone())
            image_positions, mask_positions = both(torch.cat((positions, x), dim=1) / (size - 1), positions.clone())
            makes_pet = [kind for kind, value in NO_PET.items() if _makes_pet(both, value, (images, 1, size, size))]
    except NotImplementedError:
        return "cannot move a mask: Kornia has no rule for masks in it"
    except Exception as error:
        return f"cannot move an image and its mask at data.size={size} ({type(error).__name__}: {error})"
    if image.shape[-2:] != classes.shape[-2:] or moved.shape != classes.shape:
        return f"turns images of {size} x {size} into {image.shape[-2]} x {image.shape[-1]}; they must keep data.size"
    if not torch.isin(moved, classes.unique()).all():
        return "gives masks other values than 0, 1 and 255"
    if makes_pet:
        return f"labels {makes_pet[0]} pixels of a mask as pet; {_without_pet(operation)}"
    if not image.isfinite().all():
        return "gives images values that are not finite"
    if isinstance(operation, augmentation.IntensityAugmentationBase2D):
        return None
    # Near the border the image is mixed with what the operation puts beyond it.
    inside = ((mask_positions > BORDER) & (mask_positions < size - 1 - BORDER)).all(dim=1)
    distance = (image_positions[:, :2] * (size - 1) - mask_positions).abs().amax(dim=1)[inside]
    if len(distance) and distance.max() > NEAREST_IS_WITHIN:
        return (
            f"moves mask and image up to {distance.max():.2f} pixels apart, more than the 0.5 of rounding "
            "(RandomResizedCrop needs align_corners: false)"
        )
    return None


def _makes_pet(both: augmentation.AugmentationSequential, value: float, shape: tuple[int, ...]) -> bool:
    _, moved = both(torch.zeros(shape).repeat(1, 3, 1, 1), torch.full(shape, value))
    return bool((moved == 1).any())


def _without_pet(operation: augmentation.AugmentationBase2D) -> str:
    """Return how `operation` is to be changed so that it makes no pet."""
    for key, white in FILLS.items():
        fill = operation.flags.get(key)
        if fill is not None and torch.as_tensor(fill).tolist() == 1:
            return f"its {key} goes into image and mask alike: with a value a channel, {key}: {white}, the mask gets 0"
    return "what it puts into a mask must be 0 or 255"
