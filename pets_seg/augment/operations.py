"""From the entries of `aug.operations` to Kornia operations that move image and mask together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from hydra.utils import instantiate
from kornia.augmentation import AugmentationBase2D, AugmentationSequential, IntensityAugmentationBase2D
from kornia.constants import DataKey, Resample
from omegaconf import DictConfig, OmegaConf

from pets_seg.errors import InputError


@dataclass
class Step:
    """An entry of `aug.operations`: an image undergoes, with probability `p`, one of `members`, each equally likely."""

    p: float
    members: list[AugmentationSequential]

    def draw(self, images: int) -> torch.Tensor:
        """Return the member that each image undergoes (B,) long, on the CPU; -1 for an image that is not drawn."""
        drawn = torch.rand(images) < self.p
        several = len(self.members) > 1
        member = torch.randint(len(self.members), (images,)) if several else torch.zeros(images, dtype=torch.long)
        return member.where(drawn, -1)


def build_steps(operations: Sequence[Any]) -> list[Step]:
    """Return the steps that `aug.operations` describes; raises InputError for an entry that cannot be understood."""
    return [
        Step(float(entry["p"]), [_both(made) for _, made in _members(entry, where)])
        for where, entry in _entries(operations)
    ]


def check_operations(operations: Sequence[Any], size: int) -> None:
    """Raise InputError for an operation that does not move mask (B,size,size) and image together, with the reason."""
    for where, entry in _entries(operations):
        for name, made in _members(entry, where):
            reason = _try(made, size)
            if reason:
                raise InputError(f"{where}: {name} {reason}")


def _entries(operations: Sequence[Any]) -> list[tuple[str, dict[str, Any]]]:
    found = []
    for index, entry in enumerate(operations):
        where = f"aug.operations.{index}"
        entry = OmegaConf.to_container(entry, resolve=True) if isinstance(entry, DictConfig) else entry
        if not isinstance(entry, Mapping) or ("_target_" in entry) == ("one_of" in entry):
            raise InputError(f"{where}: {entry} needs a _target_, or a list one_of of entries with a _target_")
        p = entry.get("p")
        if isinstance(p, bool) or not isinstance(p, int | float) or not 0 <= p <= 1:
            raise InputError(f"{where}: p={p} must be a probability from 0 to 1 that an image is drawn")
        found.append((where, dict(entry)))
    return found


def _members(entry: dict[str, Any], where: str) -> list[tuple[str, AugmentationBase2D]]:
    if "one_of" not in entry:
        return [(entry["_target_"], _make(entry, where))]
    if set(entry) != {"p", "one_of"} or not isinstance(entry["one_of"], list) or not entry["one_of"]:
        raise InputError(f"{where}: {entry} must hold p and a list one_of, and nothing else")
    for member in entry["one_of"]:
        if not isinstance(member, Mapping) or "_target_" not in member or "p" in member:
            raise InputError(
                f"{where}.one_of: {member} needs a _target_ and no p: the group's p is drawn, then a member"
            )
    return [(member["_target_"], _make(member, where)) for member in entry["one_of"]]


def _make(settings: Mapping[str, Any], where: str) -> AugmentationBase2D:
    target = settings["_target_"]
    try:
        partial = instantiate({**settings, "_partial_": True}, _convert_="all")
        made = partial.func(**{**_tuples(partial.keywords), "p": 1.0})
    except Exception as error:
        reason = " ".join(str(error.__cause__ or error).split())
        raise InputError(f"{where}: {target} cannot be made ({reason})") from error
    if not isinstance(made, AugmentationBase2D):
        raise InputError(
            f"{where}: {target} works on more than one image and its mask; only a subclass of "
            "kornia.augmentation.AugmentationBase2D can be composed"
        )
    if made.p_batch != 1:
        raise InputError(f"{where}: {target} has p_batch={made.p_batch}, a draw for the whole batch; p is per image")
    return made


def _tuples(value: Any) -> Any:
    # YAML has no tuples, and some of Kornia's operations take nothing else.
    if isinstance(value, dict):
        return {key: _tuples(item) for key, item in value.items()}
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _both(operation: AugmentationBase2D) -> AugmentationSequential:
    # Kornia's own rule samples masks with align_corners=False even where the image is sampled with True, half a pixel
    # beside it.
    rule = {"resample": Resample.NEAREST, "align_corners": operation.flags.get("align_corners", False)}
    return AugmentationSequential(operation, data_keys=["input", "mask"], extra_args={DataKey.MASK: rule})


def _try(operation: AugmentationBase2D, size: int) -> str | None:
    """Return why `operation` cannot be used, or None: it is tried on a mask and on the same mask as an image."""
    generator = torch.Generator().manual_seed(0)
    blocks = torch.randint(3, (4, 1, 8, 8), generator=generator)
    mask = torch.tensor([0.0, 1.0, 255.0])[
        blocks.repeat_interleave(-(-size // 8), 2).repeat_interleave(-(-size // 8), 3)
    ]
    mask = mask[..., :size, :size].contiguous()
    if "resample" in operation.flags:
        operation.flags["resample"] = Resample.NEAREST
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            image, moved = _both(operation)((mask / 255).repeat(1, 3, 1, 1), mask.clone())
    except NotImplementedError:
        return "cannot move a mask: Kornia has no rule for masks in it"
    except Exception as error:
        return f"cannot move an image and its mask at data.size={size} ({type(error).__name__}: {error})"
    if image.shape[-2:] != mask.shape[-2:] or moved.shape != mask.shape:
        return f"turns images of {size} x {size} into {image.shape[-2]} x {image.shape[-1]}; they must keep data.size"
    if not torch.isin(moved, mask.unique()).all():
        return "interpolates the mask: it must keep the values 0, 1 and 255"
    seen = (image[:, :1] * 255).round()
    # An operation that interpolates in its own way cannot be compared; one that only moves pixels must agree.
    moves_only = not isinstance(operation, IntensityAugmentationBase2D) and torch.isin(seen, mask.unique()).all()
    return "moves the mask otherwise than the image" if moves_only and not torch.equal(seen, moved) else None
