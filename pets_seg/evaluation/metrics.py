"""Dice and IoU of the pet class per image, and further metrics of a configuration."""

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from pets_seg.config.parts import build
from pets_seg.config.schema import IGNORED
from pets_seg.config.sources import source_digests

if TYPE_CHECKING:
    from torch import Tensor

EPSILON = 1e-6
# From logits (B,2,H,W) and mask (B,H,W) to one value per image (B,); means leave NaN out.
Metric = Callable[["Tensor", "Tensor"], "Tensor"]


def build_metrics(settings: Mapping[str, Any] | None) -> dict[str, Metric]:
    """Return the metrics of the `metric` group by name."""
    return {name: build("metric", {**node, "name": name}) for name, node in (settings or {}).items()}


def metric_records(settings: Mapping[str, Any] | None) -> dict[str, dict[str, Any]]:
    """Return what status.json keeps of each metric: a digest of settings and code, and whether lower is better."""
    records = {}
    for name, metric in build_metrics(settings).items():
        node = (settings or {})[name]
        digest = metric_digest(node, source_digests(node))
        records[name] = {"digest": digest, "lower_is_better": lower_is_better(metric)}
    return records


def missing_metrics(settings: Mapping[str, Any] | None, known: Any) -> list[str]:
    """Return the metrics that a run lacks, or has of other settings or code; `known` is what its status.json says."""
    known = known if isinstance(known, Mapping) else {}
    return [name for name, record in metric_records(settings).items() if known.get(name) != record]


def metric_digest(node: Mapping[str, Any], sources: Mapping[str, str]) -> str:
    """Return the digest of a metric's settings and of its code, as `source_digests` gives that."""
    made_of = json.dumps([node, sources], sort_keys=True, default=str)
    return hashlib.sha256(made_of.encode()).hexdigest()[:16]


def lower_is_better(metric: Metric) -> bool:
    """Return whether a metric's function says that smaller values are better."""
    return bool(getattr(getattr(metric, "func", metric), "lower_is_better", False))


def hard_mask(logits: "Tensor") -> "Tensor":
    """Return the predicted mask, (B,H,W) bool: where the probability of pet is above one half."""
    return logits[:, 1] > logits[:, 0]


def overlap(predicted: "Tensor", mask: "Tensor") -> "Tensor":
    """Return (B,3) int64 on the device: the number of pet pixels in both masks, in `predicted`, and in `mask`.

    `predicted` is (B,H,W) bool; `mask` (B,H,W) holds 0, 1 (pet) and 255, which is not counted.
    """
    import torch

    pet = mask == 1
    predicted = predicted & (mask != IGNORED)
    return torch.stack([part.flatten(1).sum(1) for part in (predicted & pet, predicted, pet)], dim=1)


def dice_and_iou(overlap: "Tensor") -> "tuple[Tensor, Tensor]":
    """Return Dice and IoU, each (B,) float64, from the counts of `overlap`; by EPSILON two empty masks score 1."""
    both, predicted, pet = overlap.double().unbind(dim=1)
    dice = (2 * both + EPSILON) / (predicted + pet + EPSILON)
    iou = (both + EPSILON) / (predicted + pet - both + EPSILON)
    return dice, iou
