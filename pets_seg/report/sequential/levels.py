"""How sure each look at growing numbers of seeds must be, so that all looks together err as rarely as stated.

Repeated confidence intervals (Jennison and Turnbull, Journal of the Royal Statistical Society B 51(3), 1989): at the
look with n of at most N pairs, the interval is mean +- t(n - 1, 1 - a_n / 2) s_n / sqrt(n), and all intervals of a
study hold the true difference with probability 1 - alpha, whenever and for whatever reason it is stopped. The levels
are a_n = 2 (1 - Phi(C (n / N)^(DELTA - 1/2))): the family of Wang and Tsiatis (Biometrics 43(1), 1987), carried over to
t by its significance levels (Pocock, Biometrika 64(2), 1977). C is found by simulation of the path of t over the looks,
which under normality depends on no unknown parameter (Jennison and Turnbull, Biometrika 78(1), 1991).

Several groups against one baseline share alpha equally (Bonferroni): that holds however their differences depend on
each other, which nobody knows.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

# Between boundaries that hardly stop early (0, O'Brien and Fleming) and those that cost power at the end (1/2, Pocock).
DELTA = 0.25
PATHS = 400_000
SEED = 20261128


@dataclass(frozen=True)
class Levels:
    """The nominal level of a two-sided interval at each look, by its number of pairs, for one family error rate."""

    constant: float
    by_look: dict[int, float]

    def critical(self) -> dict[int, float]:
        """Return the critical value of t over seeds at each look."""
        from scipy.special import stdtrit

        return {pairs: float(-stdtrit(pairs - 1, level / 2)) for pairs, level in self.by_look.items()}


def levels(looks: tuple[int, ...], alpha: float, groups: int = 1) -> Levels:
    """Return the levels for `looks`, rising numbers of pairs, at which so many `groups` err with `alpha` in all."""
    from scipy.special import ndtr

    paths = _greatest(looks)
    constant = float(np.quantile(paths, 1 - alpha / groups, method="higher"))
    return Levels(constant, {pairs: float(2 * ndtr(-constant * _weight(looks, pairs))) for pairs in looks})


def repeated_p(looks: tuple[int, ...], pairs: int, p: float, groups: int = 1) -> float:
    """Return the smallest alpha at which the repeated interval of a look excludes 0, `p` being its nominal p-value.

    It counts for all `groups` together, as the intervals do.
    """
    from scipy.special import ndtri

    paths = _greatest(looks)
    least = -float(ndtri(p / 2)) / _weight(looks, pairs)
    # As many as `levels` counts beyond its constant.
    beyond = len(paths) - np.searchsorted(paths, least, side="left")
    # A p-value from simulation is not 0 (Phipson and Smyth 2010).
    return min(1.0, groups * float(beyond + 1) / (len(paths) + 1))


def _weight(looks: tuple[int, ...], pairs: int) -> float:
    return float((pairs / looks[-1]) ** (DELTA - 0.5))


@cache
def _greatest(looks: tuple[int, ...]) -> np.ndarray:
    """Return, sorted, of each simulated path of t the constant with which just one of its looks would exclude 0."""
    generator = np.random.default_rng(SEED)
    mean, squares, greatest = np.zeros(PATHS), np.zeros(PATHS), np.zeros(PATHS)
    before = 0
    for pairs in looks:
        # Mean and sum of squares of the pairs since the look before, which are independent, join those up to it.
        new = pairs - before
        step = generator.standard_normal(PATHS) / np.sqrt(new) - mean
        if new > 1:
            squares += generator.chisquare(new - 1, PATHS)
        squares += step**2 * (before * new / pairs)
        mean += step * (new / pairs)
        t = np.abs(mean) / np.sqrt(squares / ((pairs - 1) * pairs))
        np.maximum(greatest, _as_normal(t, pairs - 1) / _weight(looks, pairs), out=greatest)
        before = pairs
    greatest.sort()
    return greatest


def _as_normal(t: np.ndarray, freedom: int) -> np.ndarray:
    """Return the normal deviates with the same tail probabilities as absolute values `t` of Student's t."""
    from scipy.special import ndtri, stdtr

    # Interpolation is ten times as quick; beyond the grid, where it would be wrong, are few.
    grid = np.sinh(np.linspace(0, np.arcsinh(1e4), 4000))
    deviates = np.interp(t, grid, -ndtri(stdtr(freedom, -grid)))
    far = t > grid[-1]
    deviates[far] = -ndtri(stdtr(freedom, -t[far]))
    return deviates
