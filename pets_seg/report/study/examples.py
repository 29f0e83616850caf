"""The same test images under every group: typical ones, the best gains and the worst losses against the baseline."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from pets_seg.report.study.compare import common_seeds
from pets_seg.report.study.groups import Group, changed_data, data_settings
from pets_seg.report.study.runs import Run
from pets_seg.report.study.study import Study, spread

MOST_GROUPS = 6
IMAGES_PER_KIND = 2


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
    """Return the groups that are shown, the baseline first, then by test Dice; all have a seed in common.

    Where the data changed, they are those of the newest: the files of the former ones are not there any more.
    """
    groups = [group for group in study.finished if all("test" in run.images for run in group.finished)]
    newest = {settings: digests[-1] for settings, digests in changed_data(study.runs).items()}
    groups = [group for group in groups if not group.data or _has_data(group, newest[data_settings(group.runs[0])])]
    shown = groups[:1]
    for group in sorted(groups[1:], key=lambda group: -spread(group, "test_dice").mean):
        if len(shown) < MOST_GROUPS and common_seeds([*shown, group]):
            shown.append(group)
    return shown


def _has_data(group: Group, digest: str) -> bool:
    return any(run.data.digest == digest for run in group.runs)


def choose_images(runs: Sequence[Run]) -> list[tuple[str, str]]:
    """Return pairs of kind and stem for the runs of one seed, that of the baseline first.

    Gains and losses are those of the second run, the best other group; alone, a run shows its best and worst images.
    """
    table = pd.concat([run.images["test"]["dice"] for run in runs], axis=1, join="inner")
    if table.empty:
        return []
    stems, scores = table.index, table.to_numpy().T
    gains = scores[1] - scores[0] if len(runs) > 1 else scores[0]
    mean = scores.mean(axis=0)
    kinds = ("typical", "best gain", "worst loss") if len(runs) > 1 else ("typical", "best", "worst")
    orders = np.argsort(abs(mean - np.median(mean))), np.argsort(-gains), np.argsort(gains)
    chosen: dict[str, str] = {}
    # Gains and losses first: an image that is typical too is shown as one of them.
    for kind, order in list(zip(kinds, orders, strict=True))[::-1]:
        others = [stem for stem in stems[order] if stem not in chosen]
        chosen |= dict.fromkeys(others[:IMAGES_PER_KIND], kind)
    return [(kind, stem) for kind in kinds for stem, chosen_as in chosen.items() if chosen_as == kind]
