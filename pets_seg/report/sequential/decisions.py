"""What a design tells of its groups, from the run folders as they are now."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property

import numpy as np

from pets_seg.errors import InputError
from pets_seg.report.sequential.intervals import Rule
from pets_seg.report.sequential.looks import OPEN, UNDECIDED, Look, Taker, repeated_estimate
from pets_seg.report.sequential.prospects import would_tell
from pets_seg.report.study.compare import METRICS, paired_scores
from pets_seg.report.study.constant import constant_class
from pets_seg.report.study.groups import Group
from pets_seg.report.study.runs import Run, without_test
from pets_seg.report.study.statistics import Estimate
from pets_seg.run_folder.design import BETTER, EQUAL, WORSE, Design

FAILS = "fails"
DIVERGED = "DivergedError"
# A point is this much of a metric.
POINT = 0.01
CLOCKS_DIFFER = timedelta(seconds=60)
FINISHED, FAILED = "finished", "failed"


@dataclass(frozen=True)
class Decision:
    """What is told of a group: its verdict and what it rests on.

    `entered` are the seeds of the pairs up to the verdict, in the order in which they entered; `failed` those that
    failed up to there. `looks` are those that were taken, each with its repeated p-value.
    """

    group: str
    baseline: str
    verdict: str
    rule: Rule = field(repr=False)
    entered: Sequence[int] = ()
    failed: Sequence[int] = ()
    looks: Sequence[tuple[Look, float]] = ()
    constant: bool = False

    @property
    def pairs(self) -> int:
        """The pairs of the last look, 0 before the first."""
        return self.looks[-1][0].sample.pairs if self.looks else 0

    @cached_property
    def estimate(self) -> Estimate:
        """The difference at the last look with the running intersection of the repeated intervals, and its p-value."""
        return repeated_estimate(self.looks)

    @property
    def inner(self) -> tuple[float, float]:
        """The ends of the interval that tells equal, at the last look."""
        look = self.looks[-1][0]
        return float(look.inner_low[0]), float(look.inner_high[0])

    @property
    def within_margin(self) -> bool:
        """Whether the interval that tells better or worse lies inside the margin."""
        ends = -self.rule.margin < self.estimate.low and self.estimate.high < self.rule.margin
        return self.verdict in (BETTER, WORSE) and ends

    @property
    def empty(self) -> bool:
        """Whether the intervals of the looks have no value in common."""
        return bool(self.looks) and bool(self.looks[-1][0].empty[0])

    @cached_property
    def needs(self) -> tuple[int | None, int | None]:
        """About how many seeds, or images, would tell (`prospects.would_tell`); None for both if that is not known."""
        if not self.looks or not float(self.looks[-1][0].sample.seed_part[0]) > 0:
            return None, None
        return would_tell(self.rule, self.looks[-1][0].sample)


def rule_of(design: Design) -> Rule:
    """Return the rule by which the groups of a design are told."""
    return Rule(design.margin * POINT, tuple(design.looks), design.alpha, len(design.compared), design.futility)


def decide(
    design: Design,
    runs: Mapping[str, Run],
    entered: Mapping[str, Sequence[int]] | None = None,
    given_up: Collection[str] = (),
) -> list[Decision]:
    """Return what is told of each group that has a baseline, by the names of its runs.

    Pairs enter in the order of their seeds, those of `entered` (by group) first, with which looks were taken before; a
    seed that neither finished nor failed keeps back all after it, and what comes after a verdict does not count.
    `given_up` are the names of runs that count as failed, beside those whose loss is not finite. Raises InputError if
    a run is gone whose seed had entered.
    """
    rule = rule_of(design)
    if design.metric == "val_dice":
        runs = {name: without_test(run) for name, run in runs.items()}
    for group in design.groups.values():
        _check_same_data([runs[name] for name in group.runs if name in runs])
    return [_decide_one(design, rule, name, runs, (entered or {}).get(name, ()), given_up) for name in design.compared]


def _decide_one(
    design: Design,
    rule: Rule,
    name: str,
    runs: Mapping[str, Run],
    before: Sequence[int],
    given_up: Collection[str],
) -> Decision:
    group = design.groups[name]
    names = group.runs, design.groups[group.baseline].runs
    sides = [
        Group(side, {}, finished=[runs[run] for run in own if is_whole(runs.get(run))])
        for side, own in zip((name, group.baseline), names, strict=True)
    ]
    entered: list[int] = []
    failed: list[int] = []

    def values(pairs: int) -> np.ndarray:
        ours, theirs = paired_scores(sides, entered[:pairs], design.metric)
        return ours - theirs

    taker, verdict = Taker(rule, values), OPEN
    for seed in [*before, *(seed for seed in design.seeds if seed not in before)]:
        pair = [own[seed - design.first_seed] for own in names]
        states = [_state(runs.get(run), METRICS[design.metric][2], run in given_up) for run in pair]
        if states == [FINISHED, FINISHED]:
            entered.append(seed)
            verdict = taker.take(len(entered))
        elif seed in before:
            gone = pair[states[0] == FINISHED]
            raise InputError(
                f"{gone}: is not finished any more, and a look at {name} was taken with it; bring it back, or give "
                "another name=..."
            )
        elif FAILED in states:
            failed.append(seed)
        else:
            break
        spent = len(entered) + len(failed)
        if verdict == OPEN and spent >= design.looks[0] and len(failed) > design.fails * spent:
            verdict = FAILS
        if verdict != OPEN:
            break
    reachable = len(design.seeds) - len(failed)
    if verdict == OPEN and not any(len(entered) < pairs <= reachable for pairs in design.looks):
        verdict = UNDECIDED
    constant = (
        verdict == EQUAL and _constant(sides, entered, METRICS[design.metric][0]) and not values(len(entered)).any()
    )
    return Decision(
        name, group.baseline, UNDECIDED if constant else verdict, rule, entered, failed, taker.looks, constant
    )


def _state(run: Run | None, summary: str, given_up: bool) -> str:
    """Return finished or failed, or "open" for a run that is still to be made."""
    if run is not None and is_whole(run):
        # A score that is not a number is no pair.
        return FINISHED if math.isfinite(run.number(summary)) else FAILED
    return FAILED if given_up or (run is not None and diverged(run)) else "open"


def is_whole(run: Run | None) -> bool:
    """Whether a run is finished and all of its figures can be read."""
    return run is not None and run.finished and not run.damage


def diverged(run: Run) -> bool:
    """Whether a run failed because its loss was not finite: it would do so again."""
    error = run.status.get("error")
    return run.state == "failed" and isinstance(error, Mapping) and error.get("type") == DIVERGED


def is_older(run: Run, design: Design) -> bool:
    """Whether a run was started before its design was declared, by the clocks of two machines perhaps."""
    try:
        started = datetime.fromisoformat(str(run.status.get("started")))
        return started + CLOCKS_DIFFER < datetime.fromisoformat(design.when)
    except (ValueError, TypeError):
        return True


def _constant(groups: Sequence[Group], seeds: Sequence[int], split: str) -> bool:
    """Whether every network predicts one class for every image, so that nothing was learned that could differ."""
    runs = [run for group in groups for run in group.finished if run.seed in seeds]
    return all(
        split in run.images and constant_class(run.images[split], run.calibration[run.calibration["split"] == split])
        for run in runs
    )


def _check_same_data(runs: Sequence[Run]) -> None:
    """Raise InputError if runs of one group are of different data."""
    first: dict[str, Run] = {}
    for run in runs:
        if run.data.digest:
            first.setdefault(run.data.digest, run)
    if len(first) > 1:
        one, other, *_ = first.values()
        raise InputError(
            f"{other.folder}: is of other data than {one.folder}, so that their seeds cannot be compared; bring the "
            "data back, remove the runs of the other data, or give another name=..."
        )
