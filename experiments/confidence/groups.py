"""The runs of the study, by the group that they are of."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from pets_seg.errors import InputError
from pets_seg.report.study.runs import Run, read_run, run_folders


def runs_of(sweeps: Sequence[Path]) -> dict[str, list[Run]]:
    """Return the finished runs of some sweeps by group, in the order of their seeds.

    InputError if there is none, or if a group has a seed twice: such runs differ in something else.
    """
    runs = [read_run(folder) for sweep in sweeps for folder in run_folders(sweep)]
    groups: dict[str, list[Run]] = {}
    for run in sorted((run for run in runs if run.finished), key=lambda run: run.seed):
        groups.setdefault(group_of(run), []).append(run)
    for group, of_group in groups.items():
        for run, following in pairwise(of_group):
            if run.seed == following.seed:
                raise InputError(f"{run.folder} and {following.folder}: both are of group {group} and seed {run.seed}")
    if not groups:
        raise InputError(f"{', '.join(map(str, sweeps))}: no finished run; give folders of sweeps")
    return groups


def group_of(run: Run) -> str:
    """Return the group of a run: its augmentation, and its loss if that is not the usual one."""
    loss = run.config["loss"]
    smoothing = loss.get("smoothing")
    return f"{run.config['aug']['name']}{f', label smoothing {smoothing}' if smoothing is not None else ''}"
