"""What a sequential sweep tells, in words: the table of verdicts, and a sentence a group."""

import math
from collections.abc import Sequence

from pets_seg.report.columns import Column, fitted
from pets_seg.report.sequential.decisions import FAILS, Decision
from pets_seg.report.sequential.looks import NEEDS_IMAGES, OPEN, UNDECIDED
from pets_seg.report.study.study import Study
from pets_seg.report.study.words import count, points
from pets_seg.report.tables import Table
from pets_seg.run_folder.design import BETTER, EQUAL, WORSE, Design

WORDS = {NEEDS_IMAGES: "needs images"}
ORDER = (BETTER, EQUAL, OPEN, UNDECIDED, NEEDS_IMAGES, FAILS, WORSE)
NOT_THE_TEST_SET = (
    "The test set did not enter these verdicts, and is not in this report: confirm the choice on it, with fresh seeds "
    "(hydra.sweeper.metric=test_dice, hydra.sweeper.first_seed, and another name)"
)


def decisions_table(design: Design, decisions: Sequence[Decision], width: int) -> str:
    """Return the groups and what is told of each, for a terminal of this width."""
    columns = [
        Column("group", [item.group for item in decisions]),
        Column("verdict", [verdict_of(item) for item in decisions]),
        Column("seeds", [str(item.pairs or "") for item in decisions], 1),
        Column(f"points ({level_of(design, decisions)} CI)", [cell(item) for item in decisions]),
        Column("failed", [str(len(item.failed)) if item.failed else "" for item in decisions], 2),
    ]
    return fitted(columns, width)


def looks_of(design: Design) -> str:
    """Return when the groups of a design are looked at."""
    looks = design.looks
    if len(looks) > 2 and looks == [*range(looks[0], looks[-1] + 1)]:
        return f"after {looks[0]} seeds and after each one up to {looks[-1]}"
    return f"after {', '.join(map(str, looks))} seeds"


def margin_of(design: Design) -> str:
    """Return the margin with its unit."""
    return f"{design.margin:g} point{'' if design.margin == 1 else 's'}"


def level_of(design: Design, decisions: Sequence[Decision]) -> str:
    """Return the confidence of the intervals, in percent; together that of all groups."""
    return f"{100 * (1 - design.alpha):g} %{' joint' if len(decisions) > 1 else ''}"


def verdict_of(item: Decision) -> str:
    """Return the verdict in a word or two."""
    return WORDS.get(item.verdict, item.verdict)


def cell(item: Decision) -> str:
    """Return the difference with its repeated interval, in points."""
    if not item.looks:
        return ""
    low, high = item.estimate.low, item.estimate.high
    ends = "" if math.isnan(low) else f" ({points(low)} to {points(high)})"
    return points(item.estimate.difference, sign=True) + ends


def sentence(design: Design, item: Decision) -> str:
    """Return what is told of a group, why, and what would tell more."""
    against, margin = item.baseline, margin_of(design)
    spent = len(item.entered) + len(item.failed)
    seeds = f"{len(item.entered)} of {spent} seeds, the others failed" if item.failed else count(spent, "seed")
    texts = {
        OPEN: f"not decided yet, after {seeds}",
        BETTER: f"better than {against}{f' by less than {margin}' if item.within_margin else ''}, with {seeds}",
        WORSE: f"worse than {against}{f' by less than {margin}' if item.within_margin else ''}, with {seeds}",
        EQUAL: f"equal to {against} within {margin}{_inner(design, item)}, with {seeds}",
        UNDECIDED: f"undecided with {seeds}: {_why_undecided(design, item)}",
        NEEDS_IMAGES: f"undecided with {seeds}: with these {item.estimate.images} images alone the difference is "
        f"uncertain by more than {margin}, and more seeds do not help{_images(item)}",
        FAILS: f"fails, for {len(item.failed)} of {spent} seeds failed, its own or those of {against}",
    }
    of = f" {cell(item)} points:" if item.looks else ""
    return f"{item.group}:{of} {texts[item.verdict]}"


def _inner(design: Design, item: Decision) -> str:
    """Return the interval that tells equal."""
    if item.verdict != EQUAL or math.isnan(item.inner[0]):
        return ""
    low, high = map(points, item.inner)
    return f" ({100 * (1 - 2 * design.alpha):g} % CI {low} to {high})"


def _why_undecided(design: Design, item: Decision) -> str:
    if item.constant:
        return "the networks of both predict one class for every image, so that nothing was compared"
    if item.empty:
        return "the intervals of its looks have no value in common, so that no difference fits all of them"
    if not item.looks:
        return "too many seeds failed for a look"
    why = ""
    if item.pairs == len(item.entered) and item.pairs < design.looks[-1] - len(item.failed):
        why = f"its chance of a verdict by {design.looks[-1]} seeds is under {100 * design.futility:g} %"
    elif item.failed:
        why = "too many seeds failed for another look"
    seeds, images = item.needs
    if math.isnan(item.estimate.low):
        more = "the scores do not vary, or are not finite"
    elif seeds:
        more = f"about {seeds} seeds would probably tell"
    elif images:
        more = f"about {images:,} images would probably tell with {design.looks[-1]} seeds"
    else:
        more = "it would take more seeds and more images"
    return "; ".join(part for part in (why, more) if part)


def _images(item: Decision) -> str:
    """Return how many images would do, if that is known."""
    images = item.needs[1]
    return f"; about {images:,} images would probably tell" if images else ""


def decision_sentences(study: Study) -> list[tuple[str, str]]:
    """Return pairs of a verdict and its sentence, better and worse first; with `val_dice` what was not looked at."""
    design = study.design
    if design is None:
        return []
    decisions = sorted(study.decisions, key=lambda item: ORDER.index(item.verdict))
    lines = [(item.verdict, sentence(design, item)) for item in decisions]
    if design.metric == "val_dice":
        lines.append((OPEN, NOT_THE_TEST_SET))
    return lines


def verdicts_table(study: Study) -> Table:
    """Return what is told of each group of a sequential sweep, as a table of the page."""
    assert study.design is not None
    header = ["group", "against", "verdict", "looks", "seeds", "seeds failed"]
    header += [f"points ({level_of(study.design, study.decisions)} CI)", "p"]
    rows = []
    for item in study.decisions:
        p = item.estimate.p
        row = [item.group, item.baseline, verdict_of(item), str(len(item.looks)), str(item.pairs)]
        rows.append(
            [*row, str(len(item.failed)), cell(item), "" if math.isnan(p) else "< 0.001" if p < 0.001 else f"{p:.3f}"]
        )
    note = (
        "The interval of each look is wider than that of a fixed number of seeds, so that all looks and groups "
        "together err as rarely as the design says; shown is what all looks so far have in common. p is the smallest "
        "alpha at which it excludes 0."
    )
    return Table("Verdicts", header, rows, note)


def design_table(study: Study) -> Table:
    """Return what was declared before the first run, as a table of the page."""
    design = study.design
    assert design is not None
    first, last = design.looks[0], design.looks[-1]
    level = f"{100 * (1 - design.alpha):g} %", f"{100 * (1 - 2 * design.alpha):g} %"
    critical = [
        f"half of it is {values[str(first)]:g} standard errors at {first} seeds, {values[str(last)]:g} at {last}"
        for values in (design.critical_values["different"], design.critical_values["equal"])
    ]
    costs = ", ".join(
        f"{cost:g} for a standard deviation of {ratio} margins" for ratio, cost in design.futility_costs.items()
    )
    futility = f"{100 * design.futility:g} %{f' (at most this costs in chances: {costs})' if costs else ''}"
    rows = [
        ["question", design.question],
        ["looks", f"{looks_of(design)} that a group and its baseline have; the first is {design.first_seed}"],
        ["better, worse", f"the {level[0]} interval excludes 0: {critical[0]}"],
        ["equal", f"the {level[1]} interval lies within {margin_of(design)} of 0: {critical[1]}"],
        ["undecided", f"after {last} seeds, or if the chance of a verdict by then is under {futility}"],
        ["fails", f"when more than {100 * design.fails:g} % of its seeds, or of its baseline's, failed"],
        ["declared", f"{design.when}{f', commit {design.commit[:10]}' if design.commit else ''}"],
        ["hash", design.hash],
    ]
    return Table("Design", ["declared before the first run", "value"], rows, "The whole design is in design.json.")
