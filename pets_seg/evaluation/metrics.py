"""Dice and IoU of the pet class, per image, and the metrics that a configuration names beside them."""

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

import torch

from pets_seg.config.parts import build, source_digests
from pets_seg.config.schema import IGNORED

EPSILON = 1e-6
# From logits (B,2,H,W) and mask (B,H,W) to a value an image (B,); NaN leaves an image out of means.
Metric = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def build_metrics(settings: Mapping[str, Any] | None) -> dict[str, Metric]:
    """Return the metrics of the `metric` group, each by the name that its settings stand under."""
    return {name: build("metric", {**node, "name": name}) for name, node in (settings or {}).items()}


def metric_records(settings: Mapping[str, Any] | None) -> dict[str, dict[str, Any]]:
    """Return what status.json keeps of each metric: a digest of its settings and code, and which values are better."""
    metrics, found = build_metrics(settings), {}
    for name, node in (settings or {}).items():
        made_of = json.dumps([node, source_digests(node)], sort_keys=True, default=str)
        digest = hashlib.sha256(made_of.encode()).hexdigest()[:16]
        found[name] = {"digest": digest, "lower_is_better": lower_is_better(metrics[name])}
    return found


def lower_is_better(metric: Metric) -> bool:
    """Return whether a metric's function says that smaller values are better."""
    return bool(getattr(getattr(metric, "func", metric), "lower_is_better", False))


def hard_mask(logits: torch.Tensor) -> torch.Tensor:
    """Return what is taken for pet, (B,H,W) bool: where its probability is above one half."""
    return logits[:, 1] > logits[:, 0]


def overlap(predicted: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return (B,3) int64 on the device: the pixels of P and G together, of P, and of G.

    `predicted` (B,H,W) bool is what is taken for pet; `mask` (B,H,W) holds 0, 1 (pet) and 255, which is not counted.
    """
    pet = mask == 1
    predicted = predicted & (mask != IGNORED)
    return torch.stack([part.flatten(1).sum(1) for part in (predicted & pet, predicted, pet)], dim=1)


def dice_and_iou(overlap: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return Dice and IoU, each (B,) float64, from the pixel counts of `overlap`.

    With `both` the pixels in P and G, Dice = (2 both + e) / (P + G + e) and IoU = (both + e) / (P + G - both + e),
    e = 1e-6: two empty masks score 1, and a false alarm on an empty mask scores about 0.
    """
    both, predicted, pet = overlap.double().unbind(dim=1)
    dice = (2 * both + EPSILON) / (predicted + pet + EPSILON)
    iou = (both + EPSILON) / (predicted + pet - both + EPSILON)
    return dice, iou
