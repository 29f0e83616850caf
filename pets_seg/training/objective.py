"""What a run minimises: one loss, or a weighted sum of several, each averaged by its own kind."""

from collections.abc import Callable, Mapping
from typing import Any

import torch

from pets_seg.config.parts import build
from pets_seg.config.schema import IGNORED
from pets_seg.evaluation.evaluate import Scores
from pets_seg.losses.cross_entropy import cross_entropy

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


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

        With `whole`, the mask (N,H,W) of a batch of which this is a part, both are the part's share: the sums over the
        parts are the figures of the batch.
        """
        whole = mask if whole is None else whole
        counted = (whole != IGNORED).sum().clamp(min=1)
        ce = cross_entropy(logits, mask).sum() / counted

        def share(values: torch.Tensor) -> torch.Tensor:
            if values.ndim == 1:
                return values.sum() / len(whole)
            return torch.where(mask != IGNORED, values, 0).sum() / counted

        shares = [ce if loss is cross_entropy else share(loss(logits, mask)) for _, loss in self.terms]
        return self._sum(shares), ce

    def figures(self) -> dict[str, Loss]:
        """Return the terms that `evaluate` must compute for `of` beside the cross-entropy, by a name of each."""
        return {f"term {n}": loss for n, (_, loss) in enumerate(self.terms) if loss is not cross_entropy}

    def of(self, scores: Scores) -> float:
        """Return the objective over a split whose scores have `figures`."""
        names = [f"term {number}" for number in range(len(self.terms))]
        loss = scores.means()["loss"]
        return self._sum([scores.mean(name) if name in scores.figures else loss for name in names])

    def _sum(self, values: list[Any]) -> Any:
        weighted = [weight * value for (weight, _), value in zip(self.terms, values, strict=True)]
        total = weighted[0]
        for value in weighted[1:]:
            total = total + value
        return total


def build_objective(settings: Mapping[str, Any]) -> Objective:
    """Return the objective of a `loss` option's settings; a term of weight 0 is left out."""
    if "sum" not in settings:
        return Objective([(1, build_loss(settings))])
    return Objective([(term["weight"], build_loss(term["loss"])) for term in settings["sum"] if term["weight"]])


def build_loss(settings: Mapping[str, Any]) -> Loss:
    """Return the loss of settings; without arguments of its own the bare function, so that it can be recognised."""
    made = build("loss", settings)
    return made if made.keywords else made.func
