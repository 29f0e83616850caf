"""How groups are told apart: a colour, a line style and a short label each, the same in every figure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pets_seg.errors import escaped
from pets_seg.report.groups import GROUPS, Group, written
from pets_seg.report.study import Study, spread

INK, MUTED, GRID, OTHER = "#24292f", "#68717b", "#e3e6ea", "#a3abb5"
# Okabe and Ito's colours, which all kinds of colour blindness leave apart, without the yellow that white swallows.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#882255")
# The variables of style.css that stand for them in the page.
VARIABLES = {INK: "ink", MUTED: "muted", GRID: "grid", OTHER: "other"} | {
    colour: f"c{index}" for index, colour in enumerate(COLOURS)
}
TOLD_APART = 1 + len(COLOURS)
DASHES = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)))
# Of a label; the whole name stands in the tables and under the pointer.
LONGEST = 30


@dataclass(frozen=True)
class Look:
    """What a group looks like; `strong` groups are in colour, the others of a large sweep are all the same grey."""

    label: str
    colour: str
    dash: str | tuple[float, tuple[float, ...]] = "-"
    strong: bool = True


def find_looks(study: Study) -> dict[str, Look]:
    """Return the look of every group by its name: baselines in ink, then the colours.

    With more groups than can be told apart, the colours go to those of the best test Dice.
    """
    labels = short_labels(study.groups)
    baselines = list({group.name: group for group in study.baselines.values()}.values())[: len(DASHES)]
    others = [group for group in study.groups if all(group is not baseline for baseline in baselines)]
    colours = len(COLOURS) if baselines else TOLD_APART
    if len(others) > colours:
        best = sorted(others, key=lambda group: -_dice(group))[: len(COLOURS)]
        others = [group for group in others if any(group is chosen for chosen in best)]
    looks = {group.name: Look(labels[group.name], OTHER, strong=False) for group in study.groups}
    for group, dash in zip(baselines, DASHES, strict=False):
        looks[group.name] = Look(labels[group.name], INK, dash)
    for group, colour in zip(others, (*COLOURS, INK), strict=False):
        looks[group.name] = Look(labels[group.name], colour)
    return looks


def ranked(study: Study) -> list[Group]:
    """Return the finished groups, baselines first, then the best test Dice first."""
    firsts = {group.name for group in study.baselines.values()}
    finished = [group for group in study.groups if group.finished]
    return sorted(finished, key=lambda group: (group.name not in firsts, -_dice(group)))


def short_labels(groups: Sequence[Group]) -> dict[str, str]:
    """Return a label for each group that figures have room for: options alone, `lr=0.1` for `optimizer.lr=0.1`."""
    keys = list(groups[0].values) if groups else []
    tails = {key: _tail(key, keys) for key in keys}
    return {
        group.name: shortened(
            escaped(
                " ".join(
                    written(value) if key in GROUPS else f"{tails[key]}={written(value)}"
                    for key, value in group.values.items()
                )
            )
        )
        for group in groups
    }


def shortened(text: str, longest: int = LONGEST) -> str:
    """Return `text`, its middle left out where it is long: names that differ mostly do so at their ends."""
    if len(text) <= longest:
        return text
    half = (longest - 1) // 2
    return f"{text[: longest - 1 - half]}…{text[-half:]}"


def _tail(key: str, keys: Sequence[str]) -> str:
    parts = key.split(".")
    for count in range(1, len(parts)):
        tail = ".".join(parts[-count:])
        if sum(other == tail or other.endswith(f".{tail}") for other in keys) == 1:
            return tail
    return key


def _dice(group: Group) -> float:
    mean = spread(group, "test_dice").mean
    return -math.inf if math.isnan(mean) else mean
