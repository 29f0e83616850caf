"""Groups of runs that differ in nothing but the seed, and which of them is the baseline."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pets_seg.config.groups import COMPARED
from pets_seg.errors import InputError, escaped
from pets_seg.report.study.runs import LeftOut, Run

# Options that do the least, in that order; all others come after them.
SIMPLE = {
    "aug": ("none",),
    "optimizer": ("sgd", "adam", "adamw"),
    "scheduler": ("constant",),
    "loss": ("cross_entropy",),
}


@dataclass(frozen=True, eq=False)
class Group:
    """Runs of one configuration; `values` has the keys in which groups differ.

    `finished` has one run a seed, in the order of seeds; `runs` has all.
    """

    name: str
    values: dict[str, Any]
    runs: list[Run] = field(default_factory=list)
    finished: list[Run] = field(default_factory=list)

    @property
    def short(self) -> str:
        """The option alone where it says enough, `elastic` for `aug=elastic`."""
        [*keys] = self.values
        return written(self.values[keys[0]]) if len(keys) == 1 and keys[0] in COMPARED else self.name


def written(value: Any) -> str:
    """Return a value of a configuration as it is given on the command line."""
    if value is None:
        return "null"
    return escaped(str(value).lower() if isinstance(value, bool) else str(value))[:100]


def differing_settings(runs: Sequence[Run]) -> list[str]:
    """Return the keys, beside the names of options, in which the settings of `runs` differ."""
    keys = dict.fromkeys(key for run in runs for key in run.settings if not key.endswith(".name"))
    return [key for key in keys if len({comparable(run.settings.get(key)) for run in runs}) > 1]


def differing_keys(runs: Sequence[Run]) -> list[str]:
    """Return the keys that distinguish groups of runs: options that differ, and settings that these do not decide."""
    options = [group for group in COMPARED if len({run.options[group] for run in runs}) > 1]
    undecided = []
    for key in differing_settings(runs):
        group = key.partition(".")[0]
        # With optimizer=adam,sgd the weight decay differs too, but the optimizer's name says so.
        pairs = {(run.options.get(group), comparable(run.settings.get(key))) for run in runs}
        if group not in options or len(pairs) > len({run.options[group] for run in runs}):
            undecided.append(key)
    return options + undecided


def group_runs(runs: Sequence[Run]) -> tuple[list[str], list[Group], list[LeftOut]]:
    """Return the keys in which `runs` differ, their groups, and the runs that repeat another of their group.

    Groups are in the order of `simplicity`; a single group is named by its model.
    """
    keys = differing_keys(runs) or (["model"] if runs else [])
    members: dict[tuple[Any, ...], list[Run]] = {}
    for run in sorted(runs, key=lambda run: (run.seed, run.name)):
        members.setdefault(tuple(comparable(value) for value in _values(run, keys).values()), []).append(run)
    groups: list[Group] = []
    taken: set[str] = set()
    left_out = []
    for alike in members.values():
        values = _values(alike[0], keys)
        name = _named(values, written)
        # A number and a word may be written alike.
        if name in taken:
            name = _named(values, repr)
        taken.add(name)
        finished: dict[int, Run] = {}
        for run in alike:
            if run.finished and finished.setdefault(run.seed, run) is not run:
                same = finished[run.seed].folder
                left_out.append(LeftOut(escaped(str(run.folder)), f"has the configuration and the seed of {same}"))
        groups.append(Group(name, values, alike, list(finished.values())))
    return keys, sorted(groups, key=simplicity), left_out


def _values(run: Run, keys: Sequence[str]) -> dict[str, Any]:
    return {key: run.options[key] if key in run.options else run.settings.get(key) for key in keys}


def _named(values: Mapping[str, Any], write: Callable[[Any], str]) -> str:
    return " ".join(f"{key}={write(value)}" for key, value in values.items())


def simplicity(group: Group) -> tuple[Any, ...]:
    """Return the sort key that puts the simplest group first: options that do the least, parameters, then values."""
    ranks = []
    for key, value in group.values.items():
        simple = SIMPLE.get(key, ())
        ranks.append(simple.index(value) if value in simple else len(simple))
    sizes = [size for run in group.finished if not math.isnan(size := run.number("parameters"))]
    return (*ranks, max(sizes, default=math.inf), *(_sortable(value) for value in group.values.values()))


def find_baselines(groups: Sequence[Group], given: Any) -> dict[str, Group]:
    """Return the baseline of every other group, by the group's name.

    `given` is an option or value (`none`), or values by key. For a key that it leaves out, the baseline of a group has
    the group's own value: `{aug: none}` compares within every model. None takes the simplest group.
    Raises InputError if no finished group has what is given.
    """
    finished = [group for group in groups if group.finished]
    if len(groups) < 2 or not finished:
        return {}
    wanted = finished[0].values if given is None else _read_baseline(groups, given)
    fits = [group for group in groups if all(group.values[key] == value for key, value in wanted.items())]
    fits = fits or [group for group in groups if all(_same(group.values[key], value) for key, value in wanted.items())]
    if not fits:
        raise InputError(f"report.baseline={given!s:.100}: fits none of the groups {_names(groups)}")
    if not any(group.finished for group in fits):
        raise InputError(f"report.baseline={given!s:.100}: no run of {_names(fits)} has finished")
    baselines = {}
    for group in finished:
        open_keys = group.values.keys() - wanted
        own = [fit for fit in fits if all(fit.values[key] == group.values[key] for key in open_keys)]
        if group not in fits and own and own[0].finished:
            baselines[group.name] = own[0]
    return baselines


def _read_baseline(groups: Sequence[Group], given: Any) -> dict[str, Any]:
    keys = list(groups[0].values)
    if isinstance(given, Mapping):
        for key in given:
            if key not in keys:
                raise InputError(f"report.baseline={given!s:.100}: the groups do not differ in {key}; {_keys(keys)}")
        return dict(given)
    fits = [key for key in keys if any(_same(group.values[key], given) for group in groups)]
    if len(fits) != 1:
        problem = f"{' and '.join(fits)} have it" if fits else f"fits none of the groups {_names(groups)}"
        raise InputError(f"report.baseline={given!s:.100}: {problem}; {_keys(keys)}")
    return {fits[0]: given}


def _keys(keys: Sequence[str]) -> str:
    return f"give 'report.baseline={{{','.join(f'{key}:VALUE' for key in keys)}}}', or some of them"


def _names(groups: Sequence[Group]) -> str:
    names = [group.name for group in groups]
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")


def _same(value: Any, given: Any) -> bool:
    return value == given or written(value) == written(given)


def comparable(value: Any) -> tuple[str, Any]:
    """Return a value so that it is equal to another just when a configuration takes both for the same."""
    # To Python 1 and True are equal, to a configuration they are not.
    return ("bool", value) if isinstance(value, bool) else ("", value)


def _sortable(value: Any) -> tuple[int, Any]:
    if value is None:
        return (0, 0)
    return (1, value) if isinstance(value, int | float) else (2, str(value))
