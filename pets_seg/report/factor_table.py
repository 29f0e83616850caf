"""The main effects of a factorial sweep as a table, factor by factor."""

import math
from itertools import groupby

from pets_seg.report.study.effects import MainEffect
from pets_seg.report.study.study import Study
from pets_seg.report.study.words import NAMES, p_value, points
from pets_seg.report.tables import Table

NOTE = (
    "Means and differences are averaged over the combinations of the other factors, over seeds and over test images. "
    "Difference: from the base level of the factor, paired over combinations, seeds and test images, in points "
    "(hundredths of Dice). p: corrected by Holm's method for the number of rows."
)
INCOMPLETE = (
    " Where runs are missing, a row leaves combinations out; its mean is then over fewer of them than the base level's."
)
ONE_SEED = " With one seed there is no interval and no p."


def factor_tables(study: Study) -> list[Table]:
    """Return the table of main effects, none of a sweep that is not factorial."""
    if not study.main_effects:
        return []
    header = ["factor", "level", f"mean {NAMES[study.metric]}", f"difference, points ({study.level} CI)", "p (Holm)"]
    rows = []
    for _, group in groupby(study.main_effects, key=lambda item: item.factor.key):
        items = list(group)
        factor = items[0].factor
        name = ", ".join((factor.key, *factor.along))
        means = {_mean(item.base_mean) for item in items}
        rows.append([name, factor.base, means.pop() if len(means) == 1 else "", "base level", "", "", ""])
        rows += [[name, item.level, *_figures(item)] for item in items]
    note = NOTE
    if any(item.left_out for item in study.main_effects):
        note += INCOMPLETE
    if any(item.estimate.seeds == 1 for item in study.main_effects):
        note += ONE_SEED
    if alone := [factor.key for factor in study.factorial.factors if not factor.has_base] if study.factorial else []:
        note += f" {' and '.join(alone)}: the baselines differ in it, so that there is no base level to compare with."
    return [Table("Factor by factor", [*header, "combinations", "seeds"], rows, note)]


def _figures(item: MainEffect) -> list[str]:
    estimate, total = item.estimate, len(item.pairs) + len(item.left_out)
    combinations = f"{len(item.pairs)} of {total}" if item.left_out else str(total)
    if not estimate.seeds:
        return ["", "no common seed", "", combinations, "0"]
    ends = "" if math.isnan(estimate.low) else f" ({points(estimate.low)} to {points(estimate.high)})"
    difference = points(estimate.difference, sign=True) + ends
    return [_mean(item.mean), difference, p_value(item.p_holm), combinations, str(estimate.seeds)]


def _mean(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.4f}"
