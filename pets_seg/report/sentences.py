"""The answer in plain words."""

import math

from pets_seg.report.study.compare import Difference, Interaction
from pets_seg.report.study.groups import Group, simplicity
from pets_seg.report.study.statistics import MOST_SEEDS, Estimate
from pets_seg.report.study.study import Study
from pets_seg.report.study.verdicts import (
    SIGNIFICANT,
    Verdict,
    compared,
    has_plan,
    no_comparison,
    said_of_constants,
    told_apart,
    verdict,
)
from pets_seg.report.study.words import count, listed, points

# More groups than that are told apart in the table; those of which nothing can be said share a sentence.
MOST_SENTENCES = 6


def answer(study: Study) -> list[str]:
    """Return what the study says of test Dice.

    Constant networks come first, then what was told apart, then what was not, then interactions.
    """
    if reason := no_comparison(study):
        return [*constant_networks(study), reason]
    found = compared(study)
    told = [item for item in found if verdict(item) in (Verdict.BETTER, Verdict.WORSE)]
    others = [item for item in found if item not in told]
    sentences = constant_networks(study) + _best_and_worst(told)
    if len(others) > MOST_SENTENCES:
        sentences += _together(others, study.baseline)
    else:
        unsure = [item for item in others if verdict(item) is Verdict.UNSURE]
        if len(unsure) > 1:
            sentences.append(_none_told_apart(unsure, study.baseline))
        sentences += [_sentence(item, said=len(unsure) > 1) for item in others]
    return sentences + crossed_sentences(study)


def remarks(study: Study) -> list[str]:
    """Return what a reader must know of the comparison beside its figures: what it is not made of."""
    found = []
    for group in study.groups:
        item = study.difference(group, "test_dice")
        counts = [len(run.images.get("test", ())) for run in group.finished]
        if item and item.estimate.seeds and counts and item.estimate.images < max(counts):
            common = (
                f"{item.estimate.images} of {max(counts)} test images" if item.estimate.images else "no test images"
            )
            then = "" if item.estimate.images else ", so that the means of runs are compared"
            found.append(f"{group.name} and {item.baseline.name} have {common} in common{then}.")
    simplest = min(study.groups, key=simplicity) if study.groups else None
    if simplest and not simplest.finished and study.baselines:
        found.append(f"{simplest.name}, the simplest group, has no finished run and is not the baseline.")
    if len(study.keys) > 2 and study.baselines:
        found.append(f"The groups differ in {len(study.keys)} keys; interactions are sought between two only.")
    return found


def constant_networks(study: Study) -> list[str]:
    """Say which groups have networks that predict the same for every image: their Dice tells of nothing learned."""
    groups: dict[str, list[str]] = {}
    for group in study.groups:
        if said := said_of_constants(group):
            groups.setdefault(said, []).append(group.short)
    sentences = [f"{listed(names, 'and')}: {said}." for said, names in groups.items()]
    if len(sentences) <= MOST_SENTENCES:
        return sentences
    more = sum(map(len, list(groups.values())[MOST_SENTENCES:]))
    last = f"Networks of {count(more, 'other group')} predict the same for every test image too."
    return [*sentences[:MOST_SENTENCES], last]


def _best_and_worst(told: list[Difference]) -> list[str]:
    """Return a sentence a group, of many of them for the best and the worst, and how many others there are."""
    if len(told) <= 2 * MOST_SENTENCES:
        return [_sentence(item) for item in told]
    others = told[MOST_SENTENCES:-MOST_SENTENCES]
    raised = sum(item.estimate.difference > 0 for item in others)
    between = f"Of {len(others)} other groups {raised} raise and {len(others) - raised} lower test Dice."
    ends = [_sentence(item) for item in (*told[:MOST_SENTENCES], *told[-MOST_SENTENCES:])]
    return [*ends[:MOST_SENTENCES], between, *ends[MOST_SENTENCES:]]


def _together(items: list[Difference], baseline: Group | None) -> list[str]:
    """Say of many groups what would take a sentence each."""
    against = baseline.short if baseline else "the baseline"
    by_kind: dict[Verdict, list[Difference]] = {}
    for item in items:
        by_kind.setdefault(verdict(item), []).append(item)
    sentences = []
    for kind in (kind for kind in Verdict if kind in by_kind):
        some = by_kind[kind]
        names = [item.group.short for item in some]
        match kind:
            case Verdict.UNSURE:
                sentences.append(f"{_none_told_apart(some, baseline)}{_plans(some)}")
            case Verdict.ONE_SEED:
                verb = "differs" if len(some) == 1 else "differ"
                sentences.append(
                    f"With one seed there is no telling whether {listed(names, 'or')} {verb} from {against}: "
                    "intervals over images leave out how much training varies. Run more seeds."
                )
            case Verdict.APART:
                sentences.append(f"{listed(names, 'and')} and {against} have no seed in common: run the missing seeds.")
            case _ if len(some) <= MOST_SENTENCES:
                sentences += [_sentence(item) for item in some]
            case Verdict.ALONE:
                sentences.append(
                    f"{listed(names, 'and')} differ from {against} if each is looked at alone, but not once all "
                    "groups are counted."
                )
            case _:
                sentences.append(f"Nothing can be said of {listed(names, 'and')} against {against}: {kind.value}.")
    return sentences


def _plans(items: list[Difference]) -> str:
    """Return how many seeds would be needed for half a point, for those of which it can be said."""
    items = [item for item in items if has_plan(item)]
    if not items:
        return ""
    needed = sorted(MOST_SEEDS if (number := item.needed) is None else number for item in items)
    if needed[-1] <= max(item.estimate.seeds for item in items):
        return " Differences of half a point would probably have been seen."
    most = f"{MOST_SEEDS:,} or more" if needed[-1] >= MOST_SEEDS else str(needed[-1])
    few = f"{needed[0]} to " if needed[0] < needed[-1] else ""
    return f" About {few}{most} seeds would be needed for half a point."


def _none_told_apart(items: list[Difference], baseline: Group | None) -> str:
    against = baseline.short if baseline else "the baseline"
    return f"No difference from {against} can be told apart for {listed([item.group.short for item in items], 'or')}."


def _sentence(item: Difference, said: bool = False) -> str:
    """Return a sentence on a group; `said` is whether it was said already which groups cannot be told apart."""
    ours, theirs, found, kind = item.group.short, item.baseline.short, item.estimate, verdict(item)
    if kind is Verdict.APART:
        return f"{ours} and {theirs} have no seed in common: run the missing seeds to compare them."
    seeds, by = count(found.seeds, "seed"), points(abs(found.difference))
    ends = f"{points(found.low)} to {points(found.high)}"
    verb = "raises" if found.difference > 0 else "lowers"
    match kind:
        case Verdict.NOT_FINITE:
            return f"{ours}: nothing can be said of its difference from {theirs}, because {kind.value}."
        case Verdict.EQUAL:
            where = "test image" if found.images else "mean"
            return f"{ours} and {theirs} have the same Dice in every {where} with {seeds}: {kind.value}."
        case Verdict.CONSTANT:
            return f"{ours}: nothing can be said of its difference from {theirs}, {by} points, because {kind.value}."
        case Verdict.ALIKE:
            return (
                f"{ours}: its {seeds} all differ from {theirs} by the same {points(found.difference, sign=True)} "
                "points, so that nothing is known of how much training varies."
            )
        case Verdict.ONE_SEED:
            return _one_seed(item)
        case Verdict.BETTER | Verdict.WORSE:
            low, high = sorted((abs(found.low), abs(found.high)))
            by = "less than 0.01" if float(by) == 0 else by
            return (
                f"{ours} {verb} test Dice by {by} points (95 % CI {points(low)} to {points(high)}, {seeds}) "
                f"against {theirs}."
            )
        case Verdict.ALONE:
            return (
                f"{ours} {verb} test Dice by {by} points against {theirs} (95 % CI {ends}, {seeds}) if it is looked at "
                f"alone, but not once all groups are counted (Holm's p {item.p_holm:.2f})."
            )
    plan = f"; {_plan(item)}" if has_plan(item) else ""
    if said:
        return f"{ours}: with {seeds} the interval is {ends} points{plan}."
    return f"{ours}: no difference from {theirs} can be told apart with {seeds}: the interval is {ends} points{plan}."


def _one_seed(item: Difference) -> str:
    ours, theirs, found = item.group.short, item.baseline.short, item.estimate
    where = "above" if found.difference >= 0 else "below"
    interval = ""
    if not math.isnan(found.low):
        interval = f" (95 % CI {points(found.low)} to {points(found.high)} over the {found.images} test images)"
    return (
        f"{ours}: with one seed its test Dice is {points(abs(found.difference))} points {where} that of {theirs}"
        f"{interval}; this leaves out how much training varies from seed to seed, so that it does not say whether "
        f"{ours} helps: run more seeds."
    )


def _plan(item: Difference) -> str:
    needed = item.needed
    if needed is None:
        return f"for half a point it may take more than these {item.estimate.images} test images, beside more seeds"
    if needed <= item.estimate.seeds:
        return "a difference of half a point would probably have been seen"
    number = f"{MOST_SEEDS:,} seeds or more" if needed >= MOST_SEEDS else f"about {needed} seeds"
    return f"{number} would be needed for half a point"


def crossed_sentences(study: Study, most: int = MOST_SENTENCES) -> list[str]:
    """Return a sentence an interaction; of more than `most` that were not told apart one for all."""
    told = [item for item in study.interactions if told_apart(item.estimate, item.p_holm)]
    told.sort(key=lambda item: -abs(item.estimate.difference))
    others = [item for item in study.interactions if item not in told]
    sentences = [_crossed(item) for item in told[:MOST_SENTENCES]]
    if len(told) > MOST_SENTENCES:
        more = len(told) - MOST_SENTENCES
        sentences.append(f"The effect of {told[0].factor} differs with {told[0].other} for {more} other pairs too.")
    if len(others) <= most:
        return sentences + [_crossed(item) for item in others]
    subject = f"the effect of {others[0].factor} differs with {others[0].other}"
    return [*sentences, f"For {'the other ' if told else ''}{len(others)} pairs it cannot be told whether {subject}."]


def _crossed(item: Interaction) -> str:
    found: Estimate = item.estimate
    subject = f"The effect of {item.factor}={item.level} on test Dice"
    pair = f"{item.other}={item.here} and {item.other}={item.there}"
    more = "greater" if found.difference > 0 else "less"
    by = f"{points(abs(found.difference))} points {more} with {item.here}"
    if math.isnan(found.p):
        return f"{subject}: whether it differs between {pair} cannot be said from {count(found.seeds, 'seed')}."
    interval = f"95 % CI {points(found.low)} to {points(found.high)}, {count(found.seeds, 'seed')}"
    if found.seeds == 1:
        return (
            f"{subject}: with one seed it is {by} than with {item.there} ({interval}, over images alone); this leaves "
            "out how much training varies, so that it does not say whether the effect differs."
        )
    if told_apart(found, item.p_holm):
        return f"{subject} differs between {pair}: it is {by} ({interval})."
    if found.p < SIGNIFICANT:
        return f"{subject} is {by} ({interval}) if it is looked at alone, but not once all pairs are counted."
    return f"{subject}: no difference between {pair} can be told apart ({interval})."


def progress(study: Study) -> str:
    """Return how many runs there are in which state."""
    states = [run.state for run in study.runs]
    parts = [f"{states.count(state)} {state}" for state in dict.fromkeys(sorted(states))]
    return f"{count(len(states), 'run')}: {', '.join(parts)}." if states else "No runs."
