"""The same test images under every group: typical ones, the best gains and the worst losses against the baseline."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from pets_seg.report.study.compare import common_seeds
from pets_seg.report.study.groups import Group
from pets_seg.report.study.runs import Run
from pets_seg.report.study.study import Study, spread

MOST_GROUPS = 6
# Of each kind.
IMAGES = 2


@dataclass(frozen=True)
class Example:
    """A test image with the masks that groups predict for it.

    `kind` says why it is shown. `image` (S,S,3) uint8; `truth` (S,S) uint8 with 0, 1 (pet), 255 (not counted);
    `predicted` (S,S) bool and `dice` by the name of the group, from its run of seed `seed`.
    """

    kind: str
    stem: str
    seed: int
    image: np.ndarray
    truth: np.ndarray
    predicted: dict[str, np.ndarray] = field(default_factory=dict)
    dice: dict[str, float] = field(default_factory=dict)


def choose_groups(study: Study) -> list[Group]:
    """Return the groups that are shown, the baseline first, then by test Dice; all have a seed in common."""
    groups = [group for group in study.groups if group.finished and _scored(group)]
    first = study.baseline if study.baseline in groups else next(iter(groups), None)
    if first is None:
        return []
    others = [group for group in groups if group is not first and common_seeds([first, group])]
    others.sort(key=lambda group: -spread(group, "test_dice").mean)
    shown = [first]
    for group in others:
        if len(shown) < MOST_GROUPS and common_seeds([*shown, group]):
            shown.append(group)
    return shown


def choose_images(runs: Sequence[Run]) -> list[tuple[str, str]]:
    """Return pairs of kind and stem for the runs of one seed, that of the baseline first.

    Gains and losses are those of the second run, the best other group; alone, a run shows its best and worst images.
    """
    tables = [run.images["test"]["dice"] for run in runs]
    stems = tables[0].index
    for table in tables[1:]:
        stems = stems.intersection(table.index)
    scores = np.stack([table.loc[stems].to_numpy() for table in tables])
    if not len(stems):
        return []
    gains = scores[1] - scores[0] if len(runs) > 1 else scores[0]
    mean = scores.mean(axis=0)
    kinds = ("typical", "best gain", "worst loss") if len(runs) > 1 else ("typical", "best", "worst")
    orders = np.argsort(abs(mean - np.median(mean))), np.argsort(-gains), np.argsort(gains)
    chosen: dict[str, str] = {}
    # Gains and losses first: an image that is both is shown as the rarer thing.
    for kind, order in list(zip(kinds, orders, strict=True))[::-1]:
        fresh = [stems[index] for index in order if stems[index] not in chosen]
        chosen |= dict.fromkeys(fresh[:IMAGES], kind)
    return [(kind, stem) for kind in kinds for stem, of in chosen.items() if of == kind]


def _scored(group: Group) -> bool:
    return all("test" in run.images for run in group.finished)
