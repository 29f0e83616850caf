"""The runs of the study, by the group that they are of."""

from collections.abc import Sequence
from pathlib import Path

from pets_seg.errors import InputError
from pets_seg.report.study.runs import Run, read_run, run_folders


def runs_of(sweeps: Sequence[Path]) -> dict[str, list[Run]]:
    """Return the finished runs of some sweeps by group, by seed; InputError if there is none."""
    runs = [read_run(folder) for sweep in sweeps for folder in run_folders(sweep)]
    groups: dict[str, list[Run]] = {}
    for run in sorted((run for run in runs if run.finished), key=lambda run: run.seed):
        groups.setdefault(group_of(run), []).append(run)
    if not groups:
        raise InputError(f"{', '.join(map(str, sweeps))}: no finished run; give folders of sweeps")
    return groups


def group_of(run: Run) -> str:
    """Return the group of a run: its augmentation, and its loss if that is not the usual one."""
    loss = run.config["loss"]
    smoothing = loss.get("smoothing")
    return f"{run.config['aug']['name']}{f', label smoothing {smoothing}' if smoothing is not None else ''}"
