"""When a sweep is factorial: its factors, their levels, and the cells, the groups of each combination."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import prod
from typing import Any

from pets_seg.config.groups import COMPARED
from pets_seg.report.study.groups import Group, comparable, written

# The place of a cell: the index of its level in each factor.
Place = tuple[int, ...]


@dataclass(frozen=True)
class Factor:
    """A key in which groups differ, with its levels as they are written, the base level first.

    `along` are keys whose values go with its own, one to one. `has_base` is whether all baselines are of the base
    level, so that levels are compared with it; else levels are averaged over alone.
    """

    key: str
    levels: tuple[str, ...]
    along: tuple[str, ...] = ()
    has_base: bool = True

    @property
    def base(self) -> str:
        """The base level."""
        return self.levels[0]


@dataclass(frozen=True, eq=False)
class Factorial:
    """The factors of a sweep, two or more, and its groups with finished runs, by place."""

    factors: tuple[Factor, ...]
    cells: dict[Place, Group]

    @cached_property
    def _ambiguous(self) -> set[str]:
        levels = [level for factor in self.factors for level in factor.levels]
        return {level for level in levels if levels.count(level) > 1}

    def level(self, factor: Factor, level: str) -> str:
        """Return a level as sentences name it: an option alone where it says enough, else with its key."""
        alone = factor.key in COMPARED and level not in self._ambiguous
        return level if alone else f"{factor.key}={level}"

    @property
    def across(self) -> int:
        """The place of the factor with the most levels, the last of several."""
        return max(range(len(self.factors)), key=lambda own: (len(self.factors[own].levels), own))

    def named(self, places: Sequence[int | None]) -> str:
        """Return the levels of a combination, without the factors at whose place there is None."""
        pairs = zip(self.factors, places, strict=True)
        return " ".join(self.level(factor, factor.levels[index]) for factor, index in pairs if index is not None)

    def combinations(self, own: int) -> list[tuple[int | None, ...]]:
        """Return all combinations of the levels of the factors but the one at `own`, where there is None."""
        ranges: list[Sequence[int | None]] = [range(len(factor.levels)) for factor in self.factors]
        ranges[own] = [None]
        return list(product(*ranges))

    def pair(self, own: int, level: int, others: Sequence[int | None]) -> tuple[Group, Group] | None:
        """Return the groups of a level of the factor at `own` and of its base level in a combination of the others."""
        both = [self.cells.get(tuple(at if i is None else i for i in others)) for at in (level, 0)]
        return (both[0], both[1]) if both[0] and both[1] else None


def find_factorial(groups: Sequence[Group], baselines: Mapping[str, Group]) -> Factorial | None:
    """Return the factors and cells of a factorial sweep, None for any other.

    Keys whose values go together one to one in all groups are one factor. A sweep is factorial if it has two factors or
    more, half of all combinations of their levels or more have finished runs, every level shares a combination of the
    other factors' levels with its base level, and in each factor some level shares two or more, to be averaged over.
    The base level is that of all baselines; where these differ, that of the first. Groups of other data than those of
    the first baseline are left out.
    """
    if not baselines:
        return None
    first = next(iter(baselines.values()))
    alike = [group for group in groups if group.data == first.data]
    finished = [group for group in alike if group.finished]
    bases = [group for group in baselines.values() if group.data == first.data]
    factors, indices = [], []
    for key, *along in joined(alike):
        base = comparable(first.values[key])
        values = {comparable(group.values[key]): group.values[key] for group in (first, *_sorted(finished, key))}
        if len(values) > 1:
            has_base = all(comparable(group.values[key]) == base for group in bases)
            factors.append(Factor(key, _distinct([*values.values()]), tuple(along), has_base))
            indices.append((key, {value: index for index, value in enumerate(values)}))
    cells = {tuple(known[comparable(group.values[key])] for key, known in indices): group for group in finished}
    found = Factorial(tuple(factors), cells)
    half_full = 2 * len(cells) >= prod(len(factor.levels) for factor in factors)
    crossed = half_full and all(_is_crossed(found, own) for own in range(len(factors)))
    return found if crossed and len(factors) > 1 else None


def joined(groups: Sequence[Group]) -> list[list[str]]:
    """Return the keys of groups, those together whose values go together one to one."""
    keys: dict[Place, list[str]] = {}
    for key in groups[0].values:
        keys.setdefault(_partition(groups, key), []).append(key)
    return [*keys.values()]


def _partition(groups: Sequence[Group], key: str) -> Place:
    """Return the number of each group's value of a key, in the order in which values occur first."""
    numbers: dict[Any, int] = {}
    return tuple(numbers.setdefault(comparable(group.values[key]), len(numbers)) for group in groups)


def _sorted(groups: Sequence[Group], key: str) -> list[Group]:
    """Return groups in the order of the values of a key if these are numbers, else as they are."""
    numbers = all(isinstance(group.values[key], int | float) for group in groups)
    return sorted(groups, key=lambda group: group.values[key]) if numbers else list(groups)


def _distinct(values: Sequence[Any]) -> tuple[str, ...]:
    """Return values as they are written; as Python writes them where a number and a word are written alike."""
    texts = [written(value) for value in values]
    return tuple(repr(value) if texts.count(text) > 1 else text for value, text in zip(values, texts, strict=True))


def _is_crossed(found: Factorial, own: int) -> bool:
    """Whether every level of the factor at `own` shares a combination with the base level, and some level two."""
    shared = [0] * len(found.factors[own].levels)
    for place in found.cells:
        shared[place[own]] += (*place[:own], 0, *place[own + 1 :]) in found.cells
    return all(shared[1:]) and max(shared[1:]) > 1
