"""The answer in plain words."""

import math

from pets_seg.report.compare import Difference, Interaction
from pets_seg.report.groups import Group
from pets_seg.report.statistics import MOST_SEEDS
from pets_seg.report.study import Study

SIGNIFICANT = 0.05
# More groups than that are told apart in the table; those of which nothing can be said share a sentence.
MOST_SENTENCES = 6


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
    told = [item for item in found if _told_apart(item)]
    unsure = [item for item in found if not _told_apart(item)]
    sentences = [_sentence(item) for item in told]
    compared = [item for item in unsure if item.found and item.found.seeds > 1]
    if len(compared) > 1 or len(found) > MOST_SENTENCES:
        sentences.append(_together(unsure, against=study.baseline))
    if len(found) <= MOST_SENTENCES:
        sentences += [_sentence(item) for item in unsure]
    return sentences + [_crossed(item) for item in study.interactions[:MOST_SENTENCES]]


def _together(items: list[Difference], against: Group | None) -> str:
    names = [item.group.short for item in items[:20]]
    more = f" and {len(items) - 20} others" if len(items) > 20 else ""
    last = f" or {names.pop()}" if len(names) > 1 and not more else ""
    return (
        f"No difference from {against.short if against else 'the baseline'} can be told apart for "
        f"{', '.join(names)}{last}{more}."
    )


def points(value: float, sign: bool = False) -> str:
    """Return a Dice or IoU in points, hundredths, with one decimal."""
    if math.isnan(value):
        return ""
    rounded = round(100 * value, 1) + 0.0
    return f"{rounded:+.1f}" if sign and rounded else f"{rounded:.1f}"


def count(number: int, word: str) -> str:
    """Return "one seed", "3 seeds"."""
    return f"one {word}" if number == 1 else f"{number} {word}s"


def _told_apart(item: Difference) -> bool:
    return item.found is not None and item.found.seeds > 1 and item.p_holm < SIGNIFICANT


def _sentence(item: Difference) -> str:
    ours, theirs, found = item.group.short, item.baseline.short, item.found
    if found is None:
        return f"{ours} and {theirs} have no seed in common: run the missing seeds to compare them."
    interval = f"95 % CI {points(found.low)} to {points(found.high)}"
    if found.seeds == 1:
        return _one_seed(item)
    seeds = count(found.seeds, "seed")
    verb = "raises" if found.difference > 0 else "lowers"
    if _told_apart(item):
        low, high = sorted((abs(found.low), abs(found.high)))
        return (
            f"{ours} {verb} test Dice by {points(abs(found.difference))} points "
            f"(95 % CI {points(low)} to {points(high)}, {seeds}) against {theirs}."
        )
    if found.p < SIGNIFICANT:
        return (
            f"{ours} {verb} test Dice by {points(abs(found.difference))} points against {theirs} ({interval}, {seeds}) "
            f"if it is looked at alone, but not once all groups are counted (Holm's p {item.p_holm:.2f})."
        )
    return (
        f"{ours}: no difference from {theirs} can be told apart with {seeds}: the interval is {points(found.low)} to "
        f"{points(found.high)} points; {_plan(item)}."
    )


def _one_seed(item: Difference) -> str:
    ours, theirs, found = item.group.short, item.baseline.short, item.found
    where = "above" if found.difference >= 0 else "below"
    interval = ""
    if found.images:
        interval = f" (95 % CI {points(found.low)} to {points(found.high)} over the {found.images} test images)"
    return (
        f"{ours}: with one seed its test Dice is {points(abs(found.difference))} points {where} that of {theirs}"
        f"{interval}; this leaves out how much training varies from seed to seed, so that it does not say whether "
        f"{ours} helps: run more seeds."
    )


def _plan(item: Difference) -> str:
    needed = item.needed
    if needed is None:
        return (
            f"no number of seeds would be enough for half a point on these {item.found.images} images: it takes more "
            "test images"
        )
    if needed <= item.found.seeds:
        return "a difference of half a point would probably have been seen"
    number = f"{MOST_SEEDS:,} seeds or more" if needed >= MOST_SEEDS else f"about {needed} seeds"
    return f"{number} would be needed for half a point"


def _crossed(item: Interaction) -> str:
    found = item.found
    subject = f"The effect of {item.factor}={item.level} on test Dice"
    pair = f"{item.other}={item.here} and {item.other}={item.there}"
    interval = f"95 % CI {points(found.low)} to {points(found.high)}, {count(found.seeds, 'seed')}"
    if found.seeds > 1 and item.p_holm < SIGNIFICANT:
        more = "greater" if found.difference > 0 else "less"
        return (
            f"{subject} differs between {pair}: it is {points(abs(found.difference))} points {more} with {item.here} "
            f"({interval})."
        )
    return f"{subject}: no difference between {pair} can be told apart ({points(found.difference)} points, {interval})."


def progress(study: Study) -> str:
    """Return how many runs there are in which state."""
    states = [run.state for run in study.runs]
    parts = [f"{states.count(state)} {state}" for state in dict.fromkeys(sorted(states))]
    return f"{count(len(states), 'run')}: {', '.join(parts)}." if states else "No runs."
