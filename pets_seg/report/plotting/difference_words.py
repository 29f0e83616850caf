"""What is said of differences: their numbers, with interval and sign, and the caption of the forest plot."""

import math
from collections.abc import Sequence

from pets_seg.errors import escaped
from pets_seg.report.study.compare import Difference
from pets_seg.report.study.study import Study
from pets_seg.report.study.verdicts import is_clear

POINTS = 100
MINUS = "\N{MINUS SIGN}"
# No Dice differs by so many points: the number comes from a damaged file, and its digits would fill the page.
LARGE = 1000


def caption_of(study: Study, shown: Sequence[Difference], further: str = "") -> str:
    """Return the caption of the forest plot; `further` is what its end says."""
    looked = ", valid at every look" if study.design else ""
    one = all(item.estimate.seeds < 2 for item in shown)
    mean = "Difference of runs of one seed" if one else "Mean difference over the seeds that both have"
    caption = (
        f"{mean}, with its {study.level} interval{looked}. "
        "A point is 0.01 of Dice or IoU."
        " An interval that crosses the line at zero leaves open which of the two is better."
    )
    if study.baseline is not None:
        caption = f"Baseline: {escaped(study.baseline.name)}. {caption}"
    if any(is_clear(item) for item in shown) and not study.design:
        caption += " What is bold has p < 0.05 after Holm's correction for the number of groups."
    if any(item.estimate.seeds == 1 for item in shown):
        caption += " With one seed the interval is over images alone, and leaves out how training varies."
    if any(not item.estimate.seeds for item in shown):
        caption += " A hollow dot has no seed in common with the baseline, and so no interval."
    if any(item.estimate.seeds and math.isnan(item.estimate.low) for item in shown):
        caption += " There is no interval where the scores do not vary, or are not finite."
    return caption + further


def points_of(item: Difference) -> float:
    """Return a difference in points; without a seed in common that of the means."""
    return POINTS * (item.estimate.difference if item.estimate.seeds else item.mean - item.baseline_mean)


def interval_of(item: Difference) -> tuple[float, float]:
    """Return the interval of a difference in points; NaN where there is none."""
    return POINTS * item.estimate.low, POINTS * item.estimate.high


def text_of(item: Difference) -> str:
    """Return a difference with its interval, or why there is none."""
    text = signed(points_of(item))
    if not item.estimate.seeds:
        return f"{text} (no seed in common)"
    if not math.isfinite(item.estimate.low):
        return f"{text} (no interval)"
    low, high = interval_of(item)
    return f"{text} ({signed(low)} to {signed(high)})"


def p_of(item: Difference) -> str:
    """Return the p-value of a difference after a comma, if it has one."""
    if not math.isfinite(item.p_holm):
        return ""
    # A look's p counts all groups by itself.
    how = "" if item.p_holm == item.estimate.p else " (Holm)"
    return ", p < 0.001" if item.p_holm < 0.001 else f", p = {item.p_holm:.3f}{how}"


def signed(value: float, form: str = ".2f") -> str:
    """Return a number with its sign."""
    text = format(abs(value), ".3g" if form == ".2f" and abs(value) >= LARGE else form)
    # A value printed as zero has no sign; a tick at zero may be off by rounding.
    if float(text) == 0 or abs(value) < 1e-12:
        return "0" if form == "g" else format(0.0, form)
    return ("+" if value > 0 else MINUS) + text
