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
# Settings of the data that choose neither files nor splits: with any value of these the digest is the same.
SAME_FILES = ("data.boundary", "data.normalisation")
# Of the digest of the data, so many digits are shown, or more where these are the same for other data.
DIGITS = 6
UNKNOWN = "unknown"


@dataclass(frozen=True, eq=False)
class Group:
    """Runs of one configuration; `values` has the keys in which groups differ.

    `finished` has one run a seed, in the order of seeds; `runs` has all. `data` has the first digits of the digest of
    their data, or UNKNOWN, where runs of the same settings are of different data; elsewhere it is "".
    """

    name: str
    values: dict[str, Any]
    runs: list[Run] = field(default_factory=list)
    finished: list[Run] = field(default_factory=list)
    data: str = ""

    @property
    def short(self) -> str:
        """The option alone where it says enough, `elastic` for `aug=elastic`."""
        [*keys] = self.values
        alone = len(keys) == 1 and keys[0] in COMPARED
        return with_data(written(self.values[keys[0]]), self.data) if alone else self.name

    def may_share_data(self, other: "Group") -> bool:
        """Whether both are of the same data, as far as that is known, or of data that differ by their settings."""
        return self.data == other.data or data_settings(self.runs[0]) != data_settings(other.runs[0])


def with_data(text: str, data: str) -> str:
    """Return the name of a group with the `data` that it is of, if any."""
    return f"{text} (data {data})" if data else text


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

    Groups are in the order of `simplicity`, those of different data in the order in which their runs were started; a
    single group is named by its model.
    """
    keys = differing_keys(runs) or (["model"] if runs else [])
    members: dict[tuple[Any, ...], list[Run]] = {}
    for run in sorted(runs, key=lambda run: (run.seed, run.name)):
        members.setdefault(tuple(comparable(value) for value in _values(run, keys).values()), []).append(run)
    groups: list[Group] = []
    taken: set[str] = set()
    left_out = []
    changed, digits = changed_data(runs), first_digits(runs)
    for digest, alike in [part for same in members.values() for part in _by_data(same)]:
        values = _values(alike[0], keys)
        data = digits.get(digest, UNKNOWN) if data_settings(alike[0]) in changed else ""
        name = with_data(_named(values, written), data)
        # A number and a word may be written alike.
        if name in taken:
            name = with_data(_named(values, repr), data)
        taken.add(name)
        finished: dict[int, Run] = {}
        for run in alike:
            if run.finished and finished.setdefault(run.seed, run) is not run:
                same = finished[run.seed].folder
                left_out.append(LeftOut(escaped(str(run.folder)), f"has the configuration and the seed of {same}"))
        groups.append(Group(name, values, alike, list(finished.values()), data))
    return keys, sorted(groups, key=simplicity), left_out


def data_settings(run: Run) -> tuple[Any, ...]:
    """Return what decides which files a run reads, and in which splits: with the same, the data should be the same."""
    keys = sorted(key for key in run.settings if key.startswith("data.") and key not in SAME_FILES)
    return (run.options["data"], *((key, comparable(run.settings[key])) for key in keys))


def changed_data(runs: Sequence[Run]) -> dict[tuple[Any, ...], list[str]]:
    """Return the digests of the data that changed, by `data_settings`, in the order in which runs were started."""
    found: dict[tuple[Any, ...], dict[str, None]] = {}
    for run in sorted(runs, key=_started):
        if run.data.digest:
            found.setdefault(data_settings(run), {})[run.data.digest] = None
    return {settings: [*digests] for settings, digests in found.items() if len(digests) > 1}


def first_digits(runs: Sequence[Run]) -> dict[str | None, str]:
    """Return so many first digits of the digest of each run's data that no two are alike."""
    digests = {run.data.digest for run in runs if run.data.digest}
    lengths = range(DIGITS, max(map(len, digests), default=DIGITS))
    enough = next((length for length in lengths if len({digest[:length] for digest in digests}) == len(digests)), None)
    return {digest: digest[:enough] for digest in digests}


def _by_data(alike: Sequence[Run]) -> list[tuple[str | None, list[Run]]]:
    """Return runs of the same settings by the digest of their data.

    Those whose data are not known (None) are with the others unless these are of different data.
    """
    parts: dict[str | None, list[Run]] = {}
    for run in alike:
        parts.setdefault(run.data.digest, []).append(run)
    known = [digest for digest in parts if digest]
    if len(known) < 2:
        return [(next(iter(known), None), list(alike))]
    return sorted(parts.items(), key=lambda part: min(map(_started, part[1])))


def _started(run: Run) -> str:
    return str(run.status.get("started"))


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
    the group's own value: `{aug: none}` compares within every model. None takes the simplest group. Nothing is
    compared with a baseline of which it is known that its data were changed.
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
        own = [fit for fit in own if fit.finished and fit.may_share_data(group)]
        if group not in fits and own:
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
