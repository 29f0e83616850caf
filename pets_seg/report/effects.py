"""Main effects and interactions of a factorial sweep in sentences."""

import math
from collections import Counter
from collections.abc import Sequence
from itertools import groupby

from pets_seg.config.groups import GROUPS
from pets_seg.report.study.effects import Interaction, MainEffect
from pets_seg.report.study.factorial import Factorial
from pets_seg.report.study.study import Study
from pets_seg.report.study.verdicts import Verdict, has_plan, is_clear, plan_in_words, significant, verdict
from pets_seg.report.study.words import MOST_SENTENCES, count, listed, points

SENTENCES = {
    Verdict.NO_COMMON_SEED: "{ours} and {theirs}: their runs have no seed in common over {all}, so that there is no "
    "average; run the missing seeds.",
    Verdict.NOT_FINITE: "{lead} nothing can be said of the difference of {ours} from {theirs}, because {why}.",
    Verdict.EQUAL: "{lead} {ours} and {theirs} have the same Dice in every {each} with {seeds}.",
    Verdict.CONSTANT: "{lead} {ours} and {theirs} differ by {by} points, but nothing can be said of it, because {why}.",
    Verdict.NO_VARIANCE: "{lead} {ours} differs from {theirs} by the same {change} points with all {seeds}, so that "
    "nothing is known of how much training varies.",
    Verdict.ONE_SEED: "{lead} the test Dice of {ours} is {by} points {where} that of {theirs} with one seed; this "
    "leaves out how much training varies, so that it does not say whether {ours} helps.",
    Verdict.BETTER: "{lead} {ours} raises test Dice by {at_least} points (95 % CI {size}, {seeds}) against {theirs}.",
    Verdict.WORSE: "{lead} {ours} lowers test Dice by {at_least} points (95 % CI {size}, {seeds}) against {theirs}.",
    Verdict.UNCORRECTED: "{lead} {ours} {verb} test Dice by {by} points against {theirs} (95 % CI {ends}, {seeds}) if "
    "it is looked at alone, but not once all main effects are counted (Holm's p {p:.2f}).",
    Verdict.UNDECIDED: "{lead} {ours} cannot be told apart from {theirs} with {seeds}: the interval is "
    "{ends} points{plan}.",
}
# What many levels of a factor are, by their verdict; of all others nothing can be said.
COUNTED = {
    Verdict.BETTER: "raised test Dice against {base}",
    Verdict.WORSE: "lowered test Dice against {base}",
    Verdict.UNCORRECTED: "cannot be told apart from {base}",
    Verdict.UNDECIDED: "cannot be told apart from {base}",
    Verdict.ONE_SEED: "had one seed, which does not say how much training varies",
    Verdict.NO_COMMON_SEED: "had no seed in common with {base}",
}
NOTHING = "had scores of which nothing can be said"


def effect_sentences(study: Study, most: int = MOST_SENTENCES) -> list[str]:
    """Return sentences on the main effects, factor by factor: the significant ones first, the greatest first.

    Of a factor with more than `most` levels beside its base level, `most` significant ones have a sentence each; the
    others are counted.
    """
    if (design := study.factorial) is None:
        return []
    sentences = []
    for _, group in groupby(study.main_effects, key=lambda item: item.factor.key):
        items = list(group)
        clear = sorted(filter(is_clear, items), key=lambda item: -abs(item.estimate.difference))
        others = [item for item in items if item not in clear]
        told = [*clear, *others] if len(items) <= most else clear[:most]
        sentences += [_sentence(design, item) + _differing(study, item) for item in told]
        if len(told) < len(items):
            sentences.append(_counted(design, clear[most:], others, "other " if told else ""))
    return sentences


def _sentence(design: Factorial, item: MainEffect) -> str:
    estimate, kind = item.estimate, verdict(item)
    by = points(abs(estimate.difference))
    along = f" (with its {listed(item.factor.along, 'and')})" if item.factor.along else ""
    return SENTENCES[kind].format(
        lead=_lead(design, item),
        all=_all(design, item),
        ours=design.level(item.factor, item.level) + along,
        theirs=design.level(item.factor, item.factor.base),
        why=kind.value,
        seeds=count(estimate.seeds, "seed"),
        by=by,
        at_least="less than 0.01" if by == "0.00" else by,
        change=points(estimate.difference, sign=True),
        verb="raises" if estimate.difference > 0 else "lowers",
        where="above" if estimate.difference >= 0 else "below",
        ends=f"{points(estimate.low)} to {points(estimate.high)}",
        size=" to ".join(map(points, sorted((abs(estimate.low), abs(estimate.high))))),
        each="test image" if estimate.images else "mean",
        p=item.p_holm,
        plan=f"; {plan_in_words(item)}" if has_plan(item) else "",
    )


def _lead(design: Factorial, item: MainEffect) -> str:
    if not item.left_out:
        return f"Averaged over {_all(design, item)},"
    missing = f"(runs are missing with {listed(item.left_out, 'and')})"
    if len(item.pairs) == 1:
        return f"With {item.combinations[0]} alone, one of {_all(design, item)} {missing},"
    return f"Averaged over {len(item.pairs)} of {_all(design, item)} {missing},"


def _all(design: Factorial, item: MainEffect) -> str:
    """Return all that an effect should be averaged over: `the 2 networks`."""
    others = [factor.key for factor in design.factors if factor is not item.factor]
    kind = f"combinations of {listed(others, 'and')}"
    if len(others) == 1:
        group = GROUPS.get(others[0])
        kind = group.options if group else f"values of {others[0]}"
    return f"the {len(item.pairs) + len(item.left_out)} {kind}"


def _differing(study: Study, item: MainEffect) -> str:
    """Return a sentence if significant interactions tell that an effect is an average over different ones."""
    clear = [found for found in study.interactions if significant(found.estimate, found.p_holm)]
    others = [found.other for found in clear if (found.factor, found.level) == (item.factor.key, item.level)]
    others += [found.factor for found in clear if (found.other, found.other_level) == (item.factor.key, item.level)]
    return f" This is an average over effects that differ with {others[0]}, see below." if others else ""


def _counted(design: Factorial, clear: Sequence[MainEffect], others: Sequence[MainEffect], other: str) -> str:
    """Return how many levels of a factor have which verdict, of those without a sentence of their own."""
    first = [*clear, *others][0]
    base = design.level(first.factor, first.factor.base)
    levels = f"{other}{len(clear) + len(others)} levels of {first.factor.key}"
    verdicts = Counter(COUNTED.get(verdict(item), NOTHING) for item in [*clear, *others])
    lead = f"Averaged over {_all(design, first)},"
    if [*verdicts] == [COUNTED[Verdict.UNDECIDED]]:
        return f"{lead} none of the {levels} can be told apart from {base}."
    parts = [f"{number} {words.format(base=base)}" for words, number in verdicts.items()]
    return f"{lead} of the {levels} {listed(parts, 'and')}."


def interaction_sentences(study: Study, most: int = MOST_SENTENCES) -> list[str]:
    """Return one sentence per interaction; of more than `most` that are not significant one for all."""
    clear = [item for item in study.interactions if significant(item.estimate, item.p_holm)]
    clear.sort(key=lambda item: -abs(item.estimate.difference))
    others = [item for item in study.interactions if item not in clear]
    sentences = [_interaction(item) for item in clear[:MOST_SENTENCES]]
    if (more := len(clear) - MOST_SENTENCES) > 0:
        sentences.append(f"The effect of {clear[0].factor} differs with {clear[0].other} for {more} other pairs too.")
    if len(others) <= most:
        return sentences + [_interaction(item) for item in others]
    subject = f"the effect of {others[0].factor} differs with {others[0].other}"
    return [*sentences, f"For {'the other ' if clear else ''}{len(others)} pairs it cannot be told whether {subject}."]


def _interaction(item: Interaction) -> str:
    estimate = item.estimate
    against = f" (against {item.factor}={item.base})" if item.base else ""
    subject = f"The effect of {item.factor}={item.level}{against} on test Dice"
    pair = f"{item.other}={item.other_level} and {item.other}={item.other_base}"
    there, here = (points(effect, sign=True) for effect in item.effects[::-1])
    both = f"{there} points with {item.other_base} and {here} with {item.other_level}"
    seeds = count(estimate.seeds, "seed")
    if estimate.seeds == 1:
        return (
            f"{subject} is {both} with one seed; this leaves out how much training varies, so that it does not say "
            "whether the effect differs."
        )
    if math.isnan(estimate.p):
        return f"{subject}: whether it differs between {pair} cannot be said from {seeds}."
    ends = f"{points(estimate.low)} to {points(estimate.high)}, {seeds}"
    between = f"a difference of {points(estimate.difference, sign=True)} (95 % CI {ends})"
    if significant(estimate, item.p_holm):
        return f"{subject} differs between {pair}: it is {both}, {between}."
    if significant(estimate, estimate.p):
        return f"{subject} is {both}, {between}, if it is looked at alone, but not once all pairs are counted."
    return f"{subject}: whether it differs between {pair} cannot be told. It is {both}, {between}."
