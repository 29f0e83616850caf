"""The levels of repeated intervals against published boundaries and an independent simulation."""

import math

import numpy as np
import pytest
from scipy import stats

from pets_seg.report.sequential import levels as module
from pets_seg.report.sequential.levels import levels, repeated_p

EACH = tuple(range(4, 21))
SIX = (4, 6, 8, 12, 16, 20)


def test_one_look_is_a_fixed_sample() -> None:
    [critical] = levels((12,), 0.05).critical().values()
    assert critical == pytest.approx(stats.t.ppf(0.975, 11), abs=0.02)
    assert levels((12,), 0.05, groups=5).by_look[12] == pytest.approx(0.01, abs=0.0005)


# Jennison and Turnbull, Group Sequential Methods, tables 2.1, 2.3 and 2.9: five looks, two-sided 5 %, known variance.
@pytest.mark.parametrize(("delta", "constant"), [(0.5, 2.413), (0.0, 2.040), (0.25, 2.136)])
def test_with_many_pairs_they_are_the_published_ones(
    delta: float, constant: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "DELTA", delta)
    looks = tuple(range(4000, 20001, 4000))
    module._greatest.cache_clear()
    assert levels(looks, 0.05).constant == pytest.approx(constant, abs=0.006)
    module._greatest.cache_clear()


@pytest.mark.parametrize(("alpha", "groups"), [(0.05, 1), (0.1, 1), (0.05, 5)])
def test_together_they_err_as_often_as_stated(alpha: float, groups: int) -> None:
    critical = levels(SIX, alpha, groups).critical()
    values = np.random.default_rng(5).standard_normal((60_000, 20))
    beyond = np.zeros(len(values), bool)
    for pairs in SIX:
        beyond |= np.abs(stats.ttest_1samp(values[:, :pairs], 0, axis=1).statistic) > critical[pairs]
    share = alpha / groups
    assert beyond.mean() == pytest.approx(share, abs=4 * math.sqrt(share / len(values)))


def test_the_repeated_p_value_is_the_level_at_which_the_interval_ends_at_zero() -> None:
    for alpha, groups in ((0.05, 1), (0.2, 1), (0.05, 3)):
        found = levels(EACH, alpha, groups)
        for pairs in (4, 9, 20):
            nominal = found.by_look[pairs]
            assert repeated_p(EACH, pairs, nominal * (1 - 1e-9), groups) == pytest.approx(alpha, abs=1e-5 * groups)
            assert repeated_p(EACH, pairs, nominal * 1.01, groups) > alpha
            assert repeated_p(EACH, pairs, nominal * 0.99, groups) < alpha
    assert repeated_p(EACH, 4, 1.0, 3) == 1


def test_later_looks_ask_for_less() -> None:
    critical = [*levels(EACH, 0.05).critical().values()]
    assert critical == sorted(critical, reverse=True)
    assert critical[-1] > stats.t.ppf(0.975, 19)
