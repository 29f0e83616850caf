"""The verdicts of a study, a line a group, for a terminal."""

import math

from pets_seg.report.sentences import constant_networks
from pets_seg.report.study.compare import Difference
from pets_seg.report.study.statistics import MOST_SEEDS
from pets_seg.report.study.study import Study
from pets_seg.report.study.verdicts import Verdict, compared, constants, has_plan, no_comparison, verdict
from pets_seg.report.study.words import count, points

# Of more groups the best and the worst have a line each.
MOST_LINES = 12
COLOURS = {Verdict.BETTER: "green", Verdict.WORSE: "red"}


def verdict_lines(study: Study) -> list[tuple[str, str]]:
    """Return pairs of a line and its colour ("" for none): constant networks, then a line a group, the best first.

    Of more than MOST_LINES groups those in the middle are counted.
    """
    lines = [(sentence, "yellow") for sentence in constant_networks(study)]
    if reason := no_comparison(study):
        return [*lines, (reason, "")]
    against = study.baseline.short if study.baseline else "the baseline of each"
    lines.append((f"test Dice against {against}, in points (95 % CI):", "bold"))
    items = compared(study)
    better = [item for item in items if verdict(item) is Verdict.BETTER]
    worse = [item for item in items if verdict(item) is Verdict.WORSE]
    others = [item for item in items if item not in better and item not in worse]
    ordered = [*better, *others, *worse]
    if len(ordered) <= MOST_LINES:
        return lines + [_line(item, study) for item in ordered]
    half = MOST_LINES // 2
    between = ordered[half:-half]
    counts = [(sum(item in part for item in between), name) for part, name in ((better, "better"), (worse, "worse"))]
    known = [f"{number} {name}" for number, name in counts if number]
    known += [f"{rest} without a verdict"] if (rest := sum(item in others for item in between)) else []
    summary = f"{count(len(between), 'group')} between them: {', '.join(known)}; all are in the page"
    best, worst = ([_line(item, study) for item in part] for part in (ordered[:half], ordered[-half:]))
    return [*lines, *best, (summary, ""), *worst]


def _line(item: Difference, study: Study) -> tuple[str, str]:
    kind, theirs = verdict(item), item.baseline
    # The heading names the one baseline; an option is short enough to be named again.
    against = "the baseline" if study.baseline and theirs.short == theirs.name else theirs.short
    figures = "" if kind in (Verdict.NO_COMMON_SEED, Verdict.NOT_FINITE) else f" {_figures(item)}:"
    line = f"{item.group.short}:{figures} {_verdict_in_words(item, against)}"
    names = [group.short for group in (item.group, item.baseline) if constants(group)]
    if names and kind not in (Verdict.EQUAL, Verdict.CONSTANT):
        line += f"; but see above what the networks of {' and '.join(names)} predict"
    return line, COLOURS.get(kind, "yellow")


def _figures(item: Difference) -> str:
    found = item.estimate
    alone = " over images" if found.seeds == 1 else ""
    ends = "" if math.isnan(found.low) else f" ({points(found.low)} to {points(found.high)}{alone})"
    return f"{points(found.difference, sign=True)} points{ends}"


def _verdict_in_words(item: Difference, theirs: str) -> str:
    found = item.estimate
    match verdict(item):
        case Verdict.NO_COMMON_SEED:
            return f"no seed in common with {theirs}; run the missing seeds"
        case Verdict.NOT_FINITE:
            return "no verdict, because scores are not finite"
        case Verdict.EQUAL:
            return f"the differences from {theirs} are all exactly zero"
        case Verdict.CONSTANT:
            return "no verdict, because the networks of both predict one class for every image"
        case Verdict.NO_VARIANCE:
            return f"no verdict, because all its seeds differ from {theirs} by the same"
        case Verdict.ONE_SEED:
            return f"one seed gives no verdict against {theirs}; run more seeds"
        case Verdict.BETTER:
            return f"better than {theirs}"
        case Verdict.WORSE:
            return f"worse than {theirs}"
        case Verdict.UNCORRECTED:
            return f"cannot be told apart from {theirs} once all groups are counted (Holm's p {item.p_holm:.2f})"
        case Verdict.UNDECIDED:
            plan = f"; {_plan(item)}" if has_plan(item) else ""
            return f"cannot be told apart from {theirs} with {count(found.seeds, 'seed')}{plan}"


def _plan(item: Difference) -> str:
    needed = item.needed
    if needed is None:
        return "to tell half a point may take more test images too"
    if needed <= item.estimate.seeds:
        return "a difference of half a point would probably have shown"
    return f"{f'{MOST_SEEDS:,} or more' if needed >= MOST_SEEDS else f'about {needed}'} would tell half a point"
