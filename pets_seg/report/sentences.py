"""The answer of a study in sentences."""

import math

from pets_seg.report.effects import effect_sentences, interaction_sentences
from pets_seg.report.limits import splits_without_pet
from pets_seg.report.search import only_trials, search_sentences
from pets_seg.report.sequential.words import decision_sentences
from pets_seg.report.study.compare import Difference
from pets_seg.report.study.statistics import MOST_SEEDS
from pets_seg.report.study.study import Study
from pets_seg.report.study.verdicts import (
    Verdict,
    compared,
    constants_in_words,
    has_plan,
    is_clear,
    plan_in_words,
    verdict,
)
from pets_seg.report.study.words import MOST_SENTENCES, count, listed, points

SENTENCES = {
    Verdict.NO_COMMON_SEED: "{ours} and {theirs} have no seed in common: run the missing seeds to compare them.",
    Verdict.NOT_FINITE: "{ours}: nothing can be said of its difference from {theirs}, because {why}.",
    Verdict.EQUAL: "{ours} and {theirs} have the same Dice in every {each} with {seeds}: {why}.",
    Verdict.CONSTANT: "{ours}: nothing can be said of its difference from {theirs}, {by} points, because {why}.",
    Verdict.NO_VARIANCE: "{ours}: its {seeds} all differ from {theirs} by the same {change} points, so that nothing is "
    "known of how much training varies.",
    Verdict.ONE_SEED: "{ours}: with one seed its test Dice is {by} points {where} that of {theirs}{over_images}; this "
    "leaves out how much training varies from seed to seed, so that it does not say whether {ours} helps: run more "
    "seeds.",
    Verdict.BETTER: "{ours} raises test Dice by {at_least} points (95 % CI {size}, {seeds}) against {theirs}.",
    Verdict.WORSE: "{ours} lowers test Dice by {at_least} points (95 % CI {size}, {seeds}) against {theirs}.",
    Verdict.UNCORRECTED: "{ours} {verb} test Dice by {by} points against {theirs} (95 % CI {ends}, {seeds}) if it is "
    "looked at alone, but not once all groups are counted (Holm's p {p:.2f}).",
    Verdict.UNDECIDED: "With {seeds}, {ours} cannot be told apart from {theirs}: the interval is {ends} points{plan}.",
}


def answer(study: Study) -> list[str]:
    """Return what the study says of its searches, and of test Dice if there is anything else in it.

    Splits without a pet and constant networks come first, then main effects and interactions, then the groups: those
    with significant differences, then the others.
    """
    limits = [*search_sentences(study), *splits_without_pet(study), *constant_networks(study)]
    if only_trials(study):
        return limits
    if study.design:
        return [*limits, *(f"{text}." for _, text in decision_sentences(study))]
    if reason := no_comparison(study):
        return [*limits, reason]
    differences = compared(study)
    clear = [item for item in differences if is_clear(item)]
    others = [item for item in differences if item not in clear]
    sentences = limits + effect_sentences(study) + interaction_sentences(study) + _best_and_worst(clear)
    against = study.baseline.short if study.baseline else "the baseline"
    if len(others) > MOST_SENTENCES:
        sentences += _together(others, against)
    else:
        undecided = [item for item in others if verdict(item) is Verdict.UNDECIDED]
        if len(undecided) > 1:
            sentences.append(_all_undecided(undecided, against))
        sentences += [_sentence(item, known_undecided=len(undecided) > 1) for item in others]
    return sentences


def no_comparison(study: Study) -> str:
    """Return why there is nothing to compare, "" if there is."""
    if not study.finished:
        return "No run has finished yet: there is nothing to compare."
    if len(study.finished) == 1:
        return f"{study.finished[0].name} is the only group with a finished run: there is nothing to compare it with."
    if not compared(study) and any(group.data for group in study.finished):
        return "No group has a finished baseline of the same data: there is nothing to compare."
    if not compared(study):
        return "No group has a finished run of its own baseline to be compared with."
    return ""


def constant_networks(study: Study) -> list[str]:
    """Return sentences on the groups whose networks predict the same for every image, and so have learned nothing."""
    groups: dict[str, list[str]] = {}
    for group in study.groups:
        if predicate := constants_in_words(group):
            groups.setdefault(predicate, []).append(group.short)
    sentences = [f"{listed(names, 'and')}: {predicate}." for predicate, names in groups.items()]
    if len(sentences) <= MOST_SENTENCES:
        return sentences
    more = sum(map(len, list(groups.values())[MOST_SENTENCES:]))
    last = f"Networks of {count(more, 'other group')} predict the same for every test image too."
    return [*sentences[:MOST_SENTENCES], last]


def _best_and_worst(items: list[Difference]) -> list[str]:
    """Return one sentence per group; of many groups for the best and the worst, and one that counts the others."""
    others = items[MOST_SENTENCES:-MOST_SENTENCES]
    if not others:
        return [_sentence(item) for item in items]
    raised = sum(item.estimate.difference > 0 for item in others)
    between = f"Of {len(others)} other groups {raised} raise and {len(others) - raised} lower test Dice."
    best, worst = ([_sentence(item) for item in part] for part in (items[:MOST_SENTENCES], items[-MOST_SENTENCES:]))
    return [*best, between, *worst]


def _together(items: list[Difference], against: str) -> list[str]:
    """Return one sentence per verdict, where one per group would be too many."""
    sentences = []
    for kind in Verdict:
        some = [item for item in items if verdict(item) is kind]
        names = [item.group.short for item in some]
        if not some:
            continue
        match kind:
            case Verdict.UNDECIDED:
                sentences.append(f"{_all_undecided(some, against)}{_plans(some)}")
            case Verdict.ONE_SEED:
                verb = "differs" if len(some) == 1 else "differ"
                sentences.append(
                    f"With one seed there is no telling whether {listed(names, 'or')} {verb} from {against}: "
                    "intervals over images leave out how much training varies. Run more seeds."
                )
            case Verdict.NO_COMMON_SEED:
                sentences.append(f"{listed(names, 'and')} and {against} have no seed in common: run the missing seeds.")
            case _ if len(some) <= MOST_SENTENCES:
                sentences += [_sentence(item) for item in some]
            case Verdict.UNCORRECTED:
                sentences.append(
                    f"{listed(names, 'and')} differ from {against} if each is looked at alone, but not once all "
                    "groups are counted."
                )
            case _:
                sentences.append(f"Nothing can be said of {listed(names, 'and')} against {against}: {kind.value}.")
    return sentences


def _plans(items: list[Difference]) -> str:
    """Return how many seeds would be needed for half a point, of the groups for which that is known."""
    items = [item for item in items if has_plan(item)]
    needed = sorted(item.needed or MOST_SEEDS for item in items)
    if not needed:
        return ""
    if needed[-1] <= max(item.estimate.seeds for item in items):
        return " Differences of half a point would probably have been seen."
    most = f"{MOST_SEEDS:,} or more" if needed[-1] >= MOST_SEEDS else str(needed[-1])
    few = f"{needed[0]} to " if needed[0] < needed[-1] else ""
    return f" About {few}{most} seeds would be needed for half a point."


def _all_undecided(items: list[Difference], against: str) -> str:
    names, seeds = [item.group.short for item in items], {item.estimate.seeds for item in items}
    lead = f"With {count(seeds.pop(), 'seed')}, " if len(seeds) == 1 else ""
    if len(names) == 2:
        neither = f"either {names[0]} nor {names[1]} can be told apart from {against}."
        return f"{lead}n{neither}" if lead else f"N{neither}"
    return f"{lead}{listed(names, 'and')} cannot be told apart from {against}."


def _sentence(item: Difference, known_undecided: bool = False) -> str:
    """Return a sentence on a group; with `known_undecided` a sentence before it has named the undecided groups."""
    estimate, kind = item.estimate, verdict(item)
    by, ends = points(abs(estimate.difference)), f"{points(estimate.low)} to {points(estimate.high)}"
    plan = f"; {plan_in_words(item)}" if has_plan(item) else ""
    seeds = count(estimate.seeds, "seed")
    if known_undecided and kind is Verdict.UNDECIDED:
        return f"{item.group.short}: with {seeds} the interval is {ends} points{plan}."
    over_images = "" if math.isnan(estimate.low) else f" (95 % CI {ends} over the {estimate.images} test images)"
    return SENTENCES[kind].format(
        ours=item.group.short,
        theirs=item.baseline.short,
        why=kind.value,
        seeds=seeds,
        by=by,
        at_least="less than 0.01" if by == "0.00" else by,
        change=points(estimate.difference, sign=True),
        verb="raises" if estimate.difference > 0 else "lowers",
        where="above" if estimate.difference >= 0 else "below",
        ends=ends,
        size=" to ".join(map(points, sorted((abs(estimate.low), abs(estimate.high))))),
        over_images=over_images,
        each="test image" if estimate.images else "mean",
        p=item.p_holm,
        plan=plan,
    )


def progress(study: Study) -> str:
    """Return how many runs there are in which state."""
    states = [run.state for run in study.runs]
    parts = [f"{states.count(state)} {state}" for state in dict.fromkeys(sorted(states))]
    return f"{count(len(states), 'run')}: {', '.join(parts)}." if states else "No runs."
