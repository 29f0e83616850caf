"""The answer in plain words."""

import math

from pets_seg.report.compare import Difference, Interaction
from pets_seg.report.groups import Group, simplicity
from pets_seg.report.statistics import MOST_SEEDS, Estimate
from pets_seg.report.study import Study

SIGNIFICANT = 0.05
# More groups than that are told apart in the table; those of which nothing can be said share a sentence.
MOST_SENTENCES = 6
MOST_NAMES = 8


def answer(study: Study) -> list[str]:
    """Return what the study says of test Dice: what was told apart first, then what was not, then interactions."""
    finished = [group for group in study.groups if group.finished]
    if not finished:
        return ["No run has finished yet: there is nothing to compare."]
    if len(finished) == 1:
        return [f"{finished[0].name} is the only group with a finished run: there is nothing to compare it with."]
    found = [item for group in study.groups if (item := study.difference(group, "test_dice"))]
    if not found:
        return ["No group has a finished run of its own baseline to be compared with."]
    found.sort(key=lambda item: item.found.difference if item.found else -math.inf, reverse=True)
    told = [item for item in found if _told_apart(item.found, item.p_holm)]
    unsure = [item for item in found if item not in told]
    sentences = _best_and_worst(told)
    if len(unsure) > MOST_SENTENCES:
        sentences += _together(unsure, study.baseline)
    else:
        alike = [item for item in unsure if item.found and item.found.seeds > 1 and item.found.p >= SIGNIFICANT]
        if len(alike) > 1:
            sentences.append(_none_told_apart(alike, study.baseline))
        sentences += [_sentence(item, said=len(alike) > 1) for item in unsure]
    return sentences + _all_crossed(study)


def remarks(study: Study) -> list[str]:
    """Return what a reader must know of the comparison beside its figures: what it is not made of."""
    found = []
    for group in study.groups:
        item = study.difference(group, "test_dice")
        counts = [len(run.images.get("test", ())) for run in group.finished]
        if item and item.found and item.found.seeds and counts and item.found.images < max(counts):
            common = f"{item.found.images} of {max(counts)} test images" if item.found.images else "no test images"
            then = "" if item.found.images else ", so that the means of runs are compared"
            found.append(f"{group.name} and {item.baseline.name} have {common} in common{then}.")
    simplest = min(study.groups, key=simplicity) if study.groups else None
    if simplest and not simplest.finished and study.baselines:
        found.append(f"{simplest.name}, the simplest group, has no finished run and is not the baseline.")
    if len(study.keys) > 2 and study.baselines:
        found.append(f"The groups differ in {len(study.keys)} keys; interactions are sought between two only.")
    return found


def _best_and_worst(told: list[Difference]) -> list[str]:
    """Return a sentence a group, of many of them for the best and the worst, and how many others there are."""
    if len(told) <= 2 * MOST_SENTENCES:
        return [_sentence(item) for item in told]
    others = told[MOST_SENTENCES:-MOST_SENTENCES]
    raised = sum(item.found.difference > 0 for item in others)
    between = f"Of {len(others)} other groups {raised} raise and {len(others) - raised} lower test Dice."
    ends = [_sentence(item) for item in (*told[:MOST_SENTENCES], *told[-MOST_SENTENCES:])]
    return [*ends[:MOST_SENTENCES], between, *ends[MOST_SENTENCES:]]


def _together(items: list[Difference], baseline: Group | None) -> list[str]:
    """Say of many groups what would take a sentence each."""
    against = baseline.short if baseline else "the baseline"
    apart = [item for item in items if item.found is None]
    single = [item for item in items if item.found and item.found.seeds == 1]
    unknown = [item for item in items if item.found and item not in single and math.isnan(item.found.p)]
    alone = [item for item in items if item.found and item not in single and item.found.p < SIGNIFICANT]
    others = [item for item in items if item not in (*apart, *single, *unknown, *alone)]
    sentences = [_sentence(item) for item in alone[:MOST_SENTENCES]]
    if len(alone) > MOST_SENTENCES:
        sentences = [
            f"{_listed(alone, 'and')} differ from {against} if each is looked at alone, but not once all groups are "
            "counted."
        ]
    if others:
        sentences.append(f"{_none_told_apart(others, baseline)} {_plans(others)}")
    if unknown:
        sentences.append(f"Nothing can be said of {_listed(unknown, 'and')}: scores are not finite, or all alike.")
    if single:
        sentences.append(
            f"With one seed there is no telling whether {_listed(single, 'or')} {_differ(single)} from {against}: "
            "intervals over images leave out how much training varies. Run more seeds."
        )
    if apart:
        sentences.append(f"{_listed(apart, 'and')} and {against} have no seed in common: run the missing seeds.")
    return sentences


def _plans(items: list[Difference]) -> str:
    needed = sorted(MOST_SEEDS if (count := item.needed) is None else count for item in items)
    if needed[-1] <= max(item.found.seeds for item in items):
        return "Differences of half a point would probably have been seen."
    most = f"{MOST_SEEDS:,} or more" if needed[-1] >= MOST_SEEDS else str(needed[-1])
    few = f"{needed[0]} to " if needed[0] < needed[-1] else ""
    return f"About {few}{most} seeds would be needed for half a point."


def _none_told_apart(items: list[Difference], baseline: Group | None) -> str:
    against = baseline.short if baseline else "the baseline"
    return f"No difference from {against} can be told apart for {_listed(items, 'or')}."


def _listed(items: list[Difference], joint: str) -> str:
    names = [item.group.short for item in items[:MOST_NAMES]]
    if len(items) > MOST_NAMES:
        return f"{', '.join(names)} {joint} {len(items) - MOST_NAMES} others"
    return f" {joint} ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)


def _differ(items: list[Difference]) -> str:
    return "differs" if len(items) == 1 else "differ"


def points(value: float, sign: bool = False) -> str:
    """Return a Dice or IoU in points, hundredths, with one decimal, or two if one would be 0."""
    if math.isnan(value):
        return ""
    digits = 1 if abs(value) >= 0.0005 or not value else 2
    rounded = round(100 * value, digits) + 0.0
    return f"{rounded:+.{digits}f}" if sign and rounded else f"{rounded:.{digits}f}"


def count(number: int, word: str) -> str:
    """Return "one seed", "3 seeds"."""
    return f"one {word}" if number == 1 else f"{number} {word}s"


def _told_apart(found: Estimate | None, p_holm: float) -> bool:
    return found is not None and found.seeds > 1 and p_holm < SIGNIFICANT


def _sentence(item: Difference, said: bool = False) -> str:
    """Return a sentence on a group; `said` is whether it was said already which groups cannot be told apart."""
    ours, theirs, found = item.group.short, item.baseline.short, item.found
    if found is None:
        return f"{ours} and {theirs} have no seed in common: run the missing seeds to compare them."
    if found.seeds == 1:
        return _one_seed(item)
    seeds = count(found.seeds, "seed")
    if math.isnan(found.p):
        return f"{ours}: nothing can be said of its difference from {theirs}: scores are not finite, or all alike."
    interval = f"95 % CI {points(found.low)} to {points(found.high)}"
    verb = "raises" if found.difference > 0 else "lowers"
    if _told_apart(found, item.p_holm):
        low, high = sorted((abs(found.low), abs(found.high)))
        return (
            f"{ours} {verb} test Dice by {_by(found)} points (95 % CI {points(low)} to {points(high)}, {seeds}) "
            f"against {theirs}."
        )
    if found.p < SIGNIFICANT:
        return (
            f"{ours} {verb} test Dice by {points(abs(found.difference))} points against {theirs} ({interval}, {seeds}) "
            f"if it is looked at alone, but not once all groups are counted (Holm's p {item.p_holm:.2f})."
        )
    ends = f"{points(found.low)} to {points(found.high)} points"
    if said:
        return f"{ours}: with {seeds} the interval is {ends}; {_plan(item)}."
    return f"{ours}: no difference from {theirs} can be told apart with {seeds}: the interval is {ends}; {_plan(item)}."


def _by(found: Estimate) -> str:
    shown = points(abs(found.difference))
    return "less than 0.01" if float(shown) == 0 else shown


def _one_seed(item: Difference) -> str:
    ours, theirs, found = item.group.short, item.baseline.short, item.found
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
        return f"for half a point it may take more than these {item.found.images} test images, beside more seeds"
    if needed <= item.found.seeds:
        return "a difference of half a point would probably have been seen"
    number = f"{MOST_SEEDS:,} seeds or more" if needed >= MOST_SEEDS else f"about {needed} seeds"
    return f"{number} would be needed for half a point"


def _all_crossed(study: Study) -> list[str]:
    told = [item for item in study.interactions if _told_apart(item.found, item.p_holm)]
    told.sort(key=lambda item: -abs(item.found.difference))
    others = [item for item in study.interactions if item not in told]
    sentences = [_crossed(item) for item in told[:MOST_SENTENCES]]
    if len(told) > MOST_SENTENCES:
        more = len(told) - MOST_SENTENCES
        sentences.append(f"The effect of {told[0].factor} differs with {told[0].other} for {more} other pairs too.")
    if len(others) <= MOST_SENTENCES:
        return sentences + [_crossed(item) for item in others]
    subject = f"the effect of {others[0].factor} differs with {others[0].other}"
    return [*sentences, f"For {'the other ' if told else ''}{len(others)} pairs it cannot be told whether {subject}."]


def _crossed(item: Interaction) -> str:
    found = item.found
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
    if _told_apart(found, item.p_holm):
        return f"{subject} differs between {pair}: it is {by} ({interval})."
    if found.p < SIGNIFICANT:
        return f"{subject} is {by} ({interval}) if it is looked at alone, but not once all pairs are counted."
    return f"{subject}: no difference between {pair} can be told apart ({interval})."


def progress(study: Study) -> str:
    """Return how many runs there are in which state."""
    states = [run.state for run in study.runs]
    parts = [f"{states.count(state)} {state}" for state in dict.fromkeys(sorted(states))]
    return f"{count(len(states), 'run')}: {', '.join(parts)}." if states else "No runs."
