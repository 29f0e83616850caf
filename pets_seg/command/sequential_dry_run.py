"""`dry_run=true` of a sequential sweep: its design, and the chance that each look tells, before anything is trained."""

import math
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import DictConfig

from pets_seg.command.sequential_design import plan_sweep
from pets_seg.config.identity import ADDED_LATER
from pets_seg.errors import InputError
from pets_seg.machine.terminal import width
from pets_seg.report.columns import Column, fitted
from pets_seg.report.sequential.chances import Chances, chances, cost_of_futility
from pets_seg.report.sequential.decisions import POINT, rule_of
from pets_seg.report.sequential.words import looks_of
from pets_seg.report.study.compare import METRICS, common_seeds, paired_scores
from pets_seg.report.study.groups import Group
from pets_seg.report.study.runs import Run, read_run
from pets_seg.report.study.statistics import image_part
from pets_seg.report.study.words import count
from pets_seg.run_folder.design import DECIDED, Design, DesignGroup
from pets_seg.run_folder.names import STATUS

# So many looks have a column, the first and the last among them.
MOST_SHOWN = 5


@dataclass(frozen=True)
class Variation:
    """How much the paired difference varies, in points: over seeds, and by the choice of images (variance of the mean).

    `source` says where that is known from.
    """

    deviation: float
    of_images: float
    images: int
    source: str


def design_lines(config: DictConfig) -> Iterator[str]:
    """Yield the design of a sequential sweep, and what it can be expected to tell."""
    plan = plan_sweep(config)
    design = plan.design
    different, equal = (list(design.critical_values[name].values()) for name in ("different", "equal"))
    yield design.question
    yield textwrap.fill(
        f"{count(len(design.groups), 'group')}, looked at {looks_of(design)}. A difference takes {different[0]:g} "
        f"standard errors at the first look and {different[-1]:g} at the last, equality {equal[0]:g} and "
        f"{equal[-1]:g}. "
        f"The design's hash begins with {design.hash[:12]}.",
        width(),
    )
    given = config.hydra.sweeper.sd
    folder = Path(config.hydra.sweep.dir)
    known = Variation(given, 0.0, 0, "given as hydra.sweeper.sd") if given else _from_runs(folder.parent, design)
    if known is None:
        yield textwrap.fill(
            "The chance of a verdict is not known, for no two runs of these groups have a seed in common here: give "
            "the standard deviation of the paired difference as hydra.sweeper.sd, in points, or run a pilot of three "
            "or four seeds under another name.",
            width(),
        )
        return
    yield from _chances(design, known)


def _chances(design: Design, known: Variation) -> Iterator[str]:
    rule = rule_of(design)
    deviation, of_images = known.deviation * POINT, known.of_images * POINT**2
    differences = [0.0, design.margin, 2 * design.margin]
    found = [chances(rule, value * POINT, deviation, of_images, known.images) for value in differences]
    step = max(1, math.ceil((len(design.looks) - 1) / (MOST_SHOWN - 1)))
    shown = list(dict.fromkeys([*design.looks[::step][: MOST_SHOWN - 1], design.looks[-1]]))
    columns = [
        Column("true difference", [f"{value:g} point{'' if value == 1 else 's'}" for value in differences]),
        *(Column(f"by {pairs}", [f"{told_by(item, pairs):.2f}" for item in found], 2) for pairs in shown[:-1]),
        Column(f"by {shown[-1]}", [f"{told_by(item, shown[-1]):.2f}" for item in found]),
        Column("better or worse", [f"{item.last('better', 'worse'):.2f}" for item in found], 1),
        Column("equal", [f"{item.last('equal'):.2f}" for item in found], 1),
        Column("seeds, mean", [f"{item.pairs:.1f}" for item in found]),
    ]
    table = fitted(columns, width())
    yield from ("", "chance that a group is told by so many seeds:", "", table, "")
    images = f", of which {math.sqrt(known.of_images):.2f} from the choice of images" if known.of_images else ""
    cost = cost_of_futility(rule, deviation)
    text = (
        f"It takes the standard deviation of the paired difference to be {known.deviation:.2f} points over seeds"
        f"{images} ({known.source}). A group stops early if its chance of a verdict by the last look is under "
        f"{100 * design.futility:g} %, which costs at most {cost:.2f} of these chances, images aside."
    )
    yield textwrap.fill(text, width())


def told_by(item: Chances, pairs: int) -> float:
    """Return the chance that a look at so many pairs, or one before it, tells."""
    return sum(share for verdict, share in item.by_look[pairs].items() if verdict in DECIDED)


def _from_runs(runs: Path, design: Design) -> Variation | None:
    """Return how much the paired differences of finished runs of the design's groups vary, whatever their seeds."""
    members = {name: [*_finished(runs, group)] for name, group in design.groups.items()}
    metric = design.metric
    deviations, parts, images, seeds = [], [], 0, 0
    for name in design.compared:
        sides = [Group(side, {}, finished=members[side]) for side in (name, design.groups[name].baseline)]
        common = common_seeds(sides, METRICS[metric][2])
        if len(common) < 2:
            continue
        ours, theirs = paired_scores(sides, common, metric)
        values = (ours - theirs) / POINT
        deviations.append(float(values.mean(axis=1).var(ddof=1)))
        parts.append(image_part(values))
        images, seeds = values.shape[1], max(seeds, len(common))
    if not deviations or not any(deviations):
        return None
    source = f"from {count(seeds, 'seed')} of these groups in {runs}"
    return Variation(math.sqrt(float(np.mean(deviations))), float(np.mean(parts)), images, source)


def _finished(runs: Path, group: DesignGroup) -> Iterator[Run]:
    """Yield the finished runs of a group in any sweep under `runs`, one a seed."""
    seeds = set()
    stem = group.runs[0].rpartition("-s")[0]
    for file in sorted(runs.glob(f"*/{stem}-s*/{STATUS}")):
        # A stranger's folder is none of ours.
        with suppress(ValueError, InputError):
            run = read_run(file.parent)
            if run.finished and run.seed not in seeds and _settings_of(run) == ADDED_LATER | group.settings:
                seeds.add(run.seed)
                yield run


def _settings_of(run: Run) -> Mapping[str, Any]:
    return {key: value for key, value in run.settings.items() if key != "seed"}
