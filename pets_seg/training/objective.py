"""What a run minimises: one loss, or a weighted sum of several, each averaged over pixels or over images."""

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from operator import add
from typing import Any, TypeVar

import torch

from pets_seg.config.parts import build
from pets_seg.config.schema import IGNORED
from pets_seg.evaluation.evaluate import Scores
from pets_seg.losses.cross_entropy import cross_entropy

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
Number = TypeVar("Number", float, torch.Tensor)


class Objective:
    """`terms` are pairs of a weight and a loss (see `pets_seg.losses`)."""

    def __init__(self, terms: list[tuple[float, Loss]]) -> None:
        self.terms = terms

    @property
    def is_cross_entropy(self) -> bool:
        """Whether the objective is the plain cross-entropy, which is logged anyway."""
        return self.terms == [(1, cross_entropy)]

    def __call__(
        self, logits: torch.Tensor, mask: torch.Tensor, whole: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the scalar to minimise and the cross-entropy alone.

        An image without a counted pixel counts in neither. With `whole`, the mask (N,H,W) of a batch of which `mask`
        is a part, both are the part's share: the sums of the shares over all parts are the values of the batch.
        """
        whole = mask if whole is None else whole
        images, counted = counted_images(whole).sum().clamp(min=1), (whole != IGNORED).sum().clamp(min=1)
        ce = cross_entropy(logits, mask).sum() / counted

        def share(values: torch.Tensor) -> torch.Tensor:
            if values.ndim == 1:
                return torch.where(counted_images(mask), values, 0).sum() / images
            return torch.where(mask != IGNORED, values, 0).sum() / counted

        shares = [ce if loss is cross_entropy else share(loss(logits, mask)) for _, loss in self.terms]
        return self._weighted_sum(shares), ce

    def named_terms(self) -> dict[str, Loss]:
        """Return the terms that `evaluate` computes for `mean_of`; the cross-entropy it computes anyway."""
        return {f"term {n}": loss for n, (_, loss) in enumerate(self.terms) if loss is not cross_entropy}

    def mean_of(self, scores: Scores) -> float:
        """Return the objective over a split whose scores have `named_terms` among their figures."""
        names = [f"term {n}" for n in range(len(self.terms))]
        cross_entropy_mean = scores.means()["loss"]
        return self._weighted_sum([scores.mean(n) if n in scores.figures else cross_entropy_mean for n in names])

    def _weighted_sum(self, values: Sequence[Number]) -> Number:
        return reduce(add, [weight * value for (weight, _), value in zip(self.terms, values, strict=True)])


def counted_images(mask: torch.Tensor) -> torch.Tensor:
    """Return which images of `mask` (B,H,W) have a counted pixel, (B,) bool."""
    return (mask != IGNORED).flatten(1).any(1)


def build_objective(settings: Mapping[str, Any]) -> Objective:
    """Return the objective of a `loss` option's settings; a term of weight 0 is left out."""
    terms = [(term["weight"], term["loss"]) for term in settings["sum"]] if "sum" in settings else [(1, settings)]
    losses = [(weight, build("loss", loss)) for weight, loss in terms if weight]
    # Without arguments of its own the bare function, so that cross-entropy is recognised.
    return Objective([(weight, loss if loss.keywords else loss.func) for weight, loss in losses])
