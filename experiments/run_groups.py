"""The runs of a sweep in groups that are alike but for the seed, for the scripts of several questions."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pets_seg.config.groups import IDENTITY
from pets_seg.errors import InputError
from pets_seg.report.study.runs import Run, read_runs

DIGEST = "data (its digest)"
Groups = dict[tuple[Any, ...], list[Run]]


def sweep_parser(script: str, description: str) -> argparse.ArgumentParser:
    """Return the parser of a script's arguments: the folders of a sweep and of the results."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sweep", type=Path, help="folder of the sweep")
    parser.add_argument("--results", type=Path, default=Path(script).parent / "results", help="folder of the results")
    return parser


def grouped(sweep: Path, keys: Sequence[str]) -> Groups:
    """Return the runs of a sweep by the values of `keys`, each group in the order of its seeds.

    A key is a setting, `optimizer.lr`, or a config group, `aug`, whose options are told apart by name. InputError if a
    run is not finished or cannot be read, if runs of a group differ in more than the seed, or those of two groups in
    more than the keys, if they record other data, if a group has a seed twice, or if not all have the same seeds.
    """
    runs, left_out = read_runs([sweep])
    if left_out:
        raise InputError(f"{left_out[0].what}: {left_out[0].why}")
    if unfinished := [run for run in runs if not run.finished]:
        raise InputError(f"{unfinished[0].folder}: is {unfinished[0].state}; continue its sweep first")
    if not runs:
        raise InputError(f"{sweep}: holds no run; give the folder of a sweep")
    groups: Groups = {}
    for run in sorted(runs, key=lambda run: run.seed):
        group = groups.setdefault(tuple(_value(run, key) for key in keys), [])
        if group and (other := _differences(run, group[0])):
            raise InputError(f"{run.folder}: has another {other[0]} than {group[0].name}")
        if group and group[-1].seed == run.seed:
            raise InputError(f"{run.folder}: has the seed of {group[-1].name}")
        if other := [key for key in _differences(run, runs[0]) if not _belongs(key, keys)]:
            raise InputError(f"{run.folder}: has another {other[0]} than {runs[0].name}")
        group.append(run)
    seeds = {values: [run.seed for run in group] for values, group in groups.items()}
    for values, found in seeds.items():
        if found != seeds[first := next(iter(seeds))]:
            raise InputError(f"{sweep}: {values} has the seeds {found}, {first} has {seeds[first]}; continue the sweep")
    return groups


def _value(run: Run, key: str) -> Any:
    return run.options.get(key) if key in IDENTITY else run.settings.get(key)


def _differences(run: Run, other: Run) -> list[str]:
    keys = sorted({*run.settings, *other.settings})
    found = [key for key in keys if run.settings.get(key) != other.settings.get(key)]
    return found + [DIGEST] * (run.data.digest != other.data.digest)


def _belongs(key: str, keys: Sequence[str]) -> bool:
    # A setting of the data changes the digest too.
    if key == DIGEST:
        return any(known.split(".")[0] == "data" for known in keys)
    return any(key == known or (known in IDENTITY and key.startswith(f"{known}.")) for known in keys)
