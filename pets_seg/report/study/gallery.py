"""Which test images can be leafed through on the page, group by group: the worst, and the most changed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pets_seg.report.study.compare import common_seeds
from pets_seg.report.study.examples import choose_groups
from pets_seg.report.study.groups import Group
from pets_seg.report.study.runs import Run
from pets_seg.report.study.study import Study

# Images of a kind for each group; fewer, and of one seed, where predicting them took too long.
IMAGES = (20, 10, 5)
MOST_SEEDS = 5
# Multiply-accumulates of all predictions: some ten seconds of two cores.
BUDGET = 5e11


@dataclass(frozen=True)
class Gallery:
    """Groups, the seeds that all of them have, and by name of a group its images, the worst and the most changed first.

    The first group is the one that the others are compared with.
    """

    groups: list[Group]
    seeds: list[int]
    worst: dict[str, list[str]]
    changed: dict[str, list[str]]

    def stems(self, group: Group) -> list[str]:
        """Return the images for which the group's masks are wanted; of the first group all that any group shows."""
        names = [group.name for group in self.groups] if group is self.groups[0] else [group.name]
        return list(dict.fromkeys(stem for name in names for stem in self.worst[name] + self.changed[name]))

    def run(self, group: Group, seed: int) -> Run:
        """Return the run of a group with a seed."""
        return next(run for run in group.finished if run.seed == seed)


def choose_gallery(study: Study) -> Gallery | None:
    """Return what can be leafed through; None if there are no scores of images, or predicting the masks takes long.

    Where it is not known how long that takes, because a run does not say what its network costs, it is the least.
    """
    groups = choose_groups(study)
    if not groups or not (seeds := common_seeds(groups)[:MOST_SEEDS]):
        return None
    choices = [(count, chosen) for count in IMAGES for chosen in (seeds, seeds[:1])]
    known = all(math.isfinite(run.number("macs")) for group in groups for run in group.finished if run.seed in seeds)
    for count, chosen in choices if known else choices[-1:]:
        gallery = _gallery(groups, chosen, count)
        if gallery is None or _cost(gallery) <= BUDGET:
            return gallery
    return None


def _gallery(groups: Sequence[Group], seeds: list[int], count: int) -> Gallery | None:
    tables = [[run.images["test"]["dice"] for run in group.finished if run.seed in seeds] for group in groups]
    every = pd.concat([table for side in tables for table in side], axis=1, join="inner")
    if every.empty:
        return None
    means = [pd.concat(side, axis=1).loc[every.index].mean(axis=1) for side in tables]
    worst = {group.name: _first(mean, count) for group, mean in zip(groups, means, strict=True)}
    changes = [-(mean - means[0]).abs() for mean in means]
    changed = {group.name: _first(change[change < 0], count) for group, change in zip(groups, changes, strict=True)}
    return Gallery([*groups], seeds, worst, changed)


def _first(scores: "pd.Series[Any]", count: int) -> list[str]:
    return [str(stem) for stem in scores.sort_values(kind="stable").index[:count]]


def _cost(gallery: Gallery) -> float:
    macs = [np.nan_to_num(gallery.run(group, gallery.seeds[0]).number("macs")) for group in gallery.groups]
    images = [len(gallery.stems(group)) for group in gallery.groups]
    return len(gallery.seeds) * float(np.dot(macs, images))
