"""The verdicts of a study, a line a group, for a terminal."""

import math
from collections import Counter

from pets_seg.report.sentences import constant_networks, no_comparison
from pets_seg.report.study.compare import Difference
from pets_seg.report.study.statistics import MOST_SEEDS
from pets_seg.report.study.study import Study
from pets_seg.report.study.verdicts import Verdict, compared, constants, has_plan, verdict
from pets_seg.report.study.words import count, points

# Of more groups only the best and the worst have a line each.
MOST_LINES = 12
COLOURS = {Verdict.BETTER: "green", Verdict.WORSE: "red"}
# What stands behind a group's figures.
WORDS = {
    Verdict.NO_COMMON_SEED: "no seed in common with {against}; run the missing seeds",
    Verdict.NOT_FINITE: "no verdict, because scores are not finite",
    Verdict.EQUAL: "the differences from {against} are all exactly zero",
    Verdict.CONSTANT: "no verdict, because the networks of both predict one class for every image",
    Verdict.NO_VARIANCE: "no verdict, because all its seeds differ from {against} by the same",
    Verdict.ONE_SEED: "one seed gives no verdict against {against}; run more seeds",
    Verdict.BETTER: "better than {against}",
    Verdict.WORSE: "worse than {against}",
    Verdict.UNCORRECTED: "cannot be told apart from {against} once all groups are counted (Holm's p {p:.2f})",
    Verdict.UNDECIDED: "cannot be told apart from {against} with {seeds}{plan}",
}


def verdict_lines(study: Study) -> list[tuple[str, str]]:
    """Return pairs of a line and its colour ("" for none): constant networks, then a line a group, the best first.

    Of more than MOST_LINES groups those in the middle are counted.
    """
    lines = [(sentence, "yellow") for sentence in constant_networks(study)]
    if reason := no_comparison(study):
        return [*lines, (reason, "")]
    against = study.baseline.short if study.baseline else "the baseline of each"
    lines.append((f"test Dice against {against}, in points (95 % CI):", "bold"))
    places = {Verdict.BETTER: 0, Verdict.WORSE: 2}
    ordered = sorted(compared(study), key=lambda item: places.get(verdict(item), 1))
    if len(ordered) <= MOST_LINES:
        return lines + [_line(item, study) for item in ordered]
    half = MOST_LINES // 2
    kinds = (verdict(item) for item in ordered[half:-half])
    between = Counter(kind.value if kind in COLOURS else "without a verdict" for kind in kinds)
    counts = [f"{between[name]} {name}" for name in ("better", "worse", "without a verdict") if between[name]]
    summary = f"{count(between.total(), 'group')} between them: {', '.join(counts)}; all are in the page"
    best, worst = ([_line(item, study) for item in part] for part in (ordered[:half], ordered[-half:]))
    return [*lines, *best, (summary, ""), *worst]


def _line(item: Difference, study: Study) -> tuple[str, str]:
    kind, baseline = verdict(item), item.baseline
    # A long name of the one baseline stands in the heading alone; the short name of an option is repeated.
    against = "the baseline" if study.baseline and baseline.short == baseline.name else baseline.short
    figures = "" if kind in (Verdict.NO_COMMON_SEED, Verdict.NOT_FINITE) else f" {_figures(item)}:"
    plan = f"; {_plan(item)}" if has_plan(item) else ""
    words = WORDS[kind].format(against=against, p=item.p_holm, seeds=count(item.estimate.seeds, "seed"), plan=plan)
    line = f"{item.group.short}:{figures} {words}"
    names = [group.short for group in (item.group, baseline) if constants(group)]
    if names and kind not in (Verdict.EQUAL, Verdict.CONSTANT):
        line += f"; but see above what the networks of {' and '.join(names)} predict"
    return line, COLOURS.get(kind, "yellow")


def _figures(item: Difference) -> str:
    estimate = item.estimate
    where = " over images" if estimate.seeds == 1 else ""
    ends = "" if math.isnan(estimate.low) else f" ({points(estimate.low)} to {points(estimate.high)}{where})"
    return f"{points(estimate.difference, sign=True)} points{ends}"


def _plan(item: Difference) -> str:
    needed = item.needed
    if needed is None:
        return "to tell half a point may take more test images too"
    if needed <= item.estimate.seeds:
        return "a difference of half a point would probably have shown"
    return f"{f'{MOST_SEEDS:,} or more' if needed >= MOST_SEEDS else f'about {needed}'} would tell half a point"
