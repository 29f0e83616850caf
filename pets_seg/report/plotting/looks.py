"""The style of all figures, and how groups are told apart in them: a colour, a line style and a short label each."""

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import matplotlib as mpl

from pets_seg.config.groups import COMPARED
from pets_seg.errors import escaped
from pets_seg.report.plotting.widths import LABEL, LONGEST, shortened, text_width
from pets_seg.report.study.groups import Group, with_data, written
from pets_seg.report.study.study import Study, spread

STYLE = mpl.rc_params_from_file(Path(__file__).parents[1] / "template" / "figures.mplstyle", use_default_template=False)
INK, MUTED, GRID, OTHER = STYLE["text.color"], STYLE["axes.edgecolor"], STYLE["grid.color"], "#a3abb5"
# Okabe and Ito's colours, which every kind of colour blindness tells apart, without the yellow, too pale on white.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#882255")
# The variables of style.css that stand for them in the page.
VARIABLES = {INK: "ink", MUTED: "muted", GRID: "grid", OTHER: "other"} | {
    colour: f"c{index}" for index, colour in enumerate(COLOURS)
}
Dash = str | tuple[float, tuple[float, ...]]
DASHES: tuple[Dash, ...] = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)))
# Widths in inches for a key or a value in a label, after the longest; the first with which all labels fit is taken.
PIECES = (1.4, 1.1, 0.9, 0.75, 0.6, 0.5, 0.42, 0.36, 0.3, 0.24, 0.2)
# With less than this, a key and its value are no longer recognised, and the value alone says more.
LEAST_WITH_KEY = 0.6


@dataclass(frozen=True)
class Look:
    """What a group looks like; `strong` groups are in colour, the others of a large sweep are all the same grey."""

    label: str
    colour: str
    dash: Dash = "-"
    strong: bool = True


def find_looks(study: Study, longest: float = LONGEST) -> dict[str, Look]:
    """Return the look of every group by its name: baselines in ink, then the colours; `longest` inches of a label.

    With more groups than colours, those of the best score get them.
    """
    labels = short_labels(study.groups, longest)
    baselines = dict.fromkeys(group.name for group in study.baselines.values())
    others = [group for group in study.groups if group.name not in baselines]
    # Without a baseline, ink is one more colour.
    if len(others) > len(COLOURS) + (not baselines):
        others = best_of(study, others, len(COLOURS))
    looks = {name: Look(label, OTHER, strong=False) for name, label in labels.items()}
    looks |= {name: Look(labels[name], INK, dash) for name, dash in zip(baselines, cycle(DASHES), strict=False)}
    coloured = zip(others, (*COLOURS, INK), strict=False)
    return looks | {group.name: Look(labels[group.name], colour) for group, colour in coloured}


def best_of(study: Study, groups: Sequence[Group], count: int) -> list[Group]:
    """Return the `count` groups of the best score, in the order in which they are given."""
    best = {group.name for group in sorted(groups, key=lambda group: -_score(study, group))[:count]}
    return [group for group in groups if group.name in best]


def short_labels(groups: Sequence[Group], longest: float = LONGEST) -> dict[str, str]:
    """Return a label for each group, no two alike, of at most `longest` inches.

    Options stand alone, and `lr=0.1` for `optimizer.lr=0.1`. Where that is too wide, settings are left out that the
    options decide, then keys and values are shortened one by one, then keys left out; labels that are still alike are
    numbered.
    """
    keys = list(groups[0].values) if groups else []
    every = {key: "" if key in COMPARED else escaped(_tail(key, keys)) for key in keys}
    decided = _decided_settings(groups, keys)
    kept = {key: tail for key, tail in every.items() if key not in decided}
    tries = [(every, longest)]
    for tails in (kept, every) if decided else (every,):
        tries += [(tails, LEAST_WITH_KEY), (dict.fromkeys(tails, ""), 0.0)]
    for names, least in tries:
        for inches in (longest, *(inches for inches in PIECES if least <= inches < longest)):
            labels = [_label(group, names, inches) for group in groups]
            # Asked one by one, for the first that is too wide is enough.
            if all(text_width(label, LABEL) <= longest for label in labels):
                if len(set(labels)) == len(labels):
                    return dict(zip((group.name for group in groups), labels, strict=True))
                break
    numbered, counts = {}, Counter[str]()
    for group in groups:
        label = shortened(_label(group, every, longest), longest - 0.35)
        counts[label] += 1
        numbered[group.name] = f"{label} #{counts[label]}"
    return numbered


def chosen(study: Study, names: Collection[str]) -> str:
    """Return which groups a figure shows, in words: `the baseline and the 6 best`."""
    firsts = {group.name for group in study.baselines.values()}
    count = len(firsts.intersection(names))
    best = len(names) - count
    parts = []
    if count:
        every = "the baseline" if len(firsts) == 1 else f"the {count} baselines"
        parts.append(every if count == len(firsts) else f"{count} of the {len(firsts)} baselines")
    if best:
        parts.append("the best" if best == 1 else f"the {best} best")
    return " and ".join(parts)


def _label(group: Group, names: Mapping[str, str], inches: float) -> str:
    pieces = []
    for key in names:
        # A key gets less room, for it says less than a value.
        head = f"{shortened(names[key], max(0.6 * inches, PIECES[-1]))}=" if names[key] else ""
        pieces.append(head + shortened(written(group.values[key]), inches))
    return with_data(" ".join(pieces), group.data)


def _decided_settings(groups: Sequence[Group], keys: Sequence[str]) -> list[str]:
    """Return the settings that have one value with the same options, as a learning rate chosen for each network.

    Where no two groups have the same options, nothing shows that these decide anything: no settings then.
    """
    options = [tuple(group.values[key] for key in keys if key in COMPARED) for group in groups]
    if len(groups) == len(set(options)):
        return []
    decided = []
    for key in keys:
        pairs = {(taken, written(group.values[key])) for taken, group in zip(options, groups, strict=True)}
        if key not in COMPARED and len(pairs) == len(set(options)):
            decided.append(key)
    return decided


def _tail(key: str, keys: Sequence[str]) -> str:
    parts = key.split(".")
    for count in range(1, len(parts)):
        tail = ".".join(parts[-count:])
        if sum(other == tail or other.endswith(f".{tail}") for other in keys) == 1:
            return tail
    return key


def _score(study: Study, group: Group) -> float:
    mean = spread(group, study.metric).mean
    return -math.inf if math.isnan(mean) else mean
