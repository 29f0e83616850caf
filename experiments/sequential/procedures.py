"""Ways to tell of each group whether it is better, worse or equal within a margin of 1, while seeds are added."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any

import numpy as np
from scipy.special import stdtrit
from studies import LAST, LOOKS, Studies

from pets_seg.report.sequential.intervals import Rule, Sample
from pets_seg.report.sequential.looks import OPEN, UNDECIDED, Look, look
from pets_seg.report.study.statistics import over_both
from pets_seg.run_folder.design import BETTER, EQUAL, WORSE

ALPHA = 0.05
# One over the variance of the effect over which `t_mixture` mixes: about the narrowest interval after 20 seeds.
UNIT = 1.0


@dataclass(frozen=True)
class Interval:
    """What a rival tells at a look, as arrays; its intervals are NaN if it has none."""

    low: np.ndarray
    high: np.ndarray
    inner_low: np.ndarray
    inner_high: np.ndarray
    verdict: np.ndarray


@dataclass(frozen=True)
class Outcome:
    """How each group of each study ended (groups, studies), `pairs` being its seeds."""

    verdict: np.ndarray
    pairs: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @property
    def runs(self) -> np.ndarray:
        """The runs of each study: those of the groups, and of the baseline as long as any group goes on."""
        return self.pairs.sum(axis=0) + self.pairs.max(axis=0)


# From what is known of some groups, their mean differences (pairs, groups) and what the look before told of them.
Teller = Callable[[Sample, np.ndarray, Any], Any]


def follow(teller: Teller, looks: tuple[int, ...], studies: Studies, difference: float, margin: float) -> Outcome:
    """Return how the studies end if each group differs by `difference` margins."""
    columns = studies.means.shape[1]
    verdict, pairs = np.full(columns, OPEN, dtype="<U16"), np.full(columns, LAST)
    low, high = np.full(columns, np.nan), np.full(columns, np.nan)
    going, told = np.arange(columns), None
    for count in looks:
        values = difference + studies.means[:count, going] / margin
        parts = (part[count, going] / margin**2 for part in (studies.of_images, studies.over_images))
        sample = Sample(count, values.mean(axis=0), values.var(axis=0, ddof=1) / count, *parts, studies.images)
        told = teller(sample, values, told)
        verdict[going], low[going], high[going] = told.verdict, told.low, told.high
        pairs[going] = count
        still = told.verdict == OPEN
        if count == looks[-1]:
            verdict[going[still]] = UNDECIDED
        going, told = going[still], _of(told, still)
        if not len(going):
            break
    return Outcome(*(part.reshape(studies.groups, -1) for part in (verdict, pairs, low, high)))


def _of(told: Any, kept: np.ndarray) -> Any:
    arrays = {item.name: getattr(told, item.name) for item in fields(told)}
    return replace(told, **{key: value[kept] for key, value in arrays.items() if isinstance(value, np.ndarray)})


def sequential(rule: Rule, sample: Sample, values: np.ndarray, before: Look | None) -> Look:
    """Tell what a sequential sweep tells."""
    return look(rule, sample, before)


def ordinary(alpha: float, sample: Sample, values: np.ndarray, before: Any) -> Interval:
    """Tell by the interval of the page (`statistics.estimate`), and by one of twice its alpha for equal."""
    variances = over_both(sample.seed_part, sample.of_images, sample.pairs, sample.images)
    outer, inner = (
        np.maximum.reduce([-stdtrit(freedom, level / 2) * np.sqrt(variance) for variance, freedom in variances])
        for level in (alpha, 2 * alpha)
    )
    return _interval(sample.mean, outer, inner)


def t_mixture(alpha: float, sample: Sample, values: np.ndarray, before: Interval | None) -> Interval:
    """Tell by a confidence sequence, which holds at all numbers of seeds together, over seeds alone.

    Its e-value for a true mean m is sqrt(r) ((1 + x) / (1 + r x))^(n / 2) with x = t^2 / (n - 1), t that of n values
    against m, and r = c^2 / (n + c^2): the effect, mean over standard deviation, is mixed over a normal distribution of
    variance 1 / c^2 (Wang and Ramdas, arXiv 2310.03722; for one n it is the Bayes factor of Gonen, Johnson, Lu and
    Westfall, The American Statistician 59(3), 2005). The interval holds all m whose e-value is below 1 / alpha.
    """
    return _interval(sample.mean, *(_mixture_width(level, sample) for level in (alpha, 2 * alpha)), before)


def _mixture_width(alpha: float, sample: Sample) -> np.ndarray:
    count = sample.pairs
    r = UNIT / (count + UNIT)
    power = (alpha * np.sqrt(r)) ** (-2 / count)
    if power * r >= 1:
        return np.full(sample.mean.shape, np.inf)
    return np.sqrt((count - 1) * (power - 1) / (1 - power * r) * sample.seed_part)


def wilcoxon(alpha: float, sample: Sample, values: np.ndarray, before: Any) -> Interval:
    """Tell better or worse if a paired signed-rank test rejects, as Optuna's WilcoxonPruner looks at a trial.

    The pruner tests one side, worse, with 0.1 unless told otherwise; here both sides share `alpha`. It does not tell
    equal.
    """
    from scipy import stats

    none = np.full(sample.mean.shape, np.nan)
    # Without ties it is what SciPy chooses; with them, where seeds are drawn twice, SciPy would permute, which is slow.
    p = stats.wilcoxon(values, zero_method="zsplit", method="exact", axis=0).pvalue
    verdict = np.select([(p < alpha) & (sample.mean > 0), (p < alpha) & (sample.mean < 0)], [BETTER, WORSE], OPEN)
    return Interval(none, none, none, none, verdict)


def _interval(mean: np.ndarray, outer: np.ndarray, inner: np.ndarray, before: Interval | None = None) -> Interval:
    ends = [mean - outer, mean + outer, mean - inner, mean + inner]
    if before is not None:
        earlier = (before.low, before.high, before.inner_low, before.inner_high)
        ends = [join(*pair) for join, *pair in zip((np.fmax, np.fmin) * 2, ends, earlier, strict=True)]
    low, high, inner_low, inner_high = ends
    verdict = np.select([low > 0, high < 0, (inner_low > -1) & (inner_high < 1)], [BETTER, WORSE, EQUAL], OPEN)
    return Interval(*ends, verdict)


def procedures(groups: int) -> dict[str, tuple[Teller, tuple[int, ...]]]:
    """Return each procedure with its looks; all but Wilcoxon's share ALPHA among the groups."""
    share = ALPHA / groups
    return {
        "sequential": (partial(sequential, Rule(1.0, LOOKS, ALPHA, groups)), LOOKS),
        "fixed": (partial(ordinary, share), (LAST,)),
        "looking again": (partial(ordinary, share), LOOKS),
        "t-mixture": (partial(t_mixture, share), LOOKS),
        "wilcoxon": (partial(wilcoxon, ALPHA), LOOKS),
    }
