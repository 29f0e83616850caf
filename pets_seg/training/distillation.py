"""Knowledge distillation: a network learns from what a larger, trained one says of the same images, beside the masks.

Hinton, Vinyals, Dean, "Distilling the Knowledge in a Neural Network", 2015 (arXiv:1503.02531).
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from pets_seg.config.schema import IGNORED
from pets_seg.config.weights import TEACHER, Weights, named_weights
from pets_seg.data import Normalise
from pets_seg.errors import InputError
from pets_seg.machine.precision import autocast
from pets_seg.models import memory_format
from pets_seg.models.checkpoint import check_unchanged, load_network, network_weights, read_about

Forward = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Distillation:
    """What the teacher adds to the objective; `weight` is its share, and the objective has the rest.

    `forward` is its network in evaluation mode, `normalise` what that takes images through.
    """

    teacher: Weights
    forward: Forward
    normalise: Normalise
    autocast: AbstractContextManager
    weight: float
    temperature: float

    def __call__(
        self,
        objective: torch.Tensor,
        logits: torch.Tensor,
        image: torch.Tensor,
        mask: torch.Tensor,
        whole: torch.Tensor,
    ) -> torch.Tensor:
        """Return what is minimised, of the `objective` of a network with these `logits` (B,2,H,W) of `image` in [0, 1].

        As in `Objective`, `mask` (B,H,W) is a part of `whole`, the mask of the batch, and the result the part's share.
        """
        with torch.no_grad(), self.autocast:
            taught = self.forward(self.normalise(image))
        values = divergence(logits, taught.float(), self.temperature)
        term = torch.where(mask != IGNORED, values, 0).sum() / (whole != IGNORED).sum().clamp(min=1)
        # The gradients of soft targets are smaller by the square of the temperature, which makes up for it.
        return (1 - self.weight) * objective + self.weight * self.temperature**2 * term


def divergence(logits: torch.Tensor, taught: torch.Tensor, temperature: float) -> torch.Tensor:
    """Return the Kullback-Leibler divergence of a network's softened classes from its teacher's, by pixel (B,H,W)."""
    own, wanted = (F.log_softmax(values / temperature, 1) for values in (logits, taught))
    return F.kl_div(own, wanted, reduction="none", log_target=True).sum(1)


def build_distillation(
    config: Mapping[str, Any], device: torch.device, forward: Callable[[nn.Module], Forward]
) -> Distillation | None:
    """Return the distillation of a run, None without a teacher; `forward` makes of a network what training calls.

    The random state stays as it is. Raises RunError if the teacher's weights are not those by which the run was named.
    """
    if (teacher := named_weights(config).get(TEACHER)) is None:
        return None
    check_unchanged(teacher, TEACHER)
    train, network = config["train"], load_network(teacher.path, device, TEACHER).eval().requires_grad_(False)
    kind = read_about(teacher.path, TEACHER)["normalisation"]
    return Distillation(
        teacher,
        forward(network),
        Normalise(kind, device, memory_format(device, network)),
        autocast(device, train["precision"]),
        train["teacher_weight"],
        train["teacher_temperature"],
    )


def check_teacher(config: Mapping[str, Any]) -> None:
    """Raise InputError if the teacher of a checked configuration cannot be used, or has learned something else."""
    if (teacher := named_weights(config).get(TEACHER)) is None:
        return
    about = _about(teacher)
    for key in ("size", "boundary"):
        if about[key] != config["data"][key]:
            raise InputError(
                f"{TEACHER}={teacher.path}: was trained with data.{key}={about[key]}, this run has "
                f"data.{key}={config['data'][key]}; give the same, or another teacher"
            )


@cache
def _about(teacher: Weights) -> dict[str, Any]:
    # All jobs of a sweep may have the same one.
    about = read_about(teacher.path, TEACHER)
    network_weights(teacher.path, about["model"], TEACHER)
    return about
