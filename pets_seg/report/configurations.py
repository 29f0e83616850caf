"""What the runs of a study are: the settings in which groups differ, those that all share, and what does not count."""

from collections.abc import Iterable, Sequence
from typing import Any

from pets_seg.report.study.groups import comparable, written
from pets_seg.report.study.runs import Run
from pets_seg.report.study.study import Study
from pets_seg.report.study.words import listed
from pets_seg.report.tables import Table

# Shown first, by the key of the setting; all others that are shared are folded away under their keys.
TERMS = {
    "model": "network",
    "model.width": "width",
    "loss": "loss",
    "optimizer": "optimizer",
    "optimizer.lr": "learning rate",
    "scheduler": "schedule",
    "train.epochs": "epochs",
    "train.batch_size": "batch size",
    "data.size": "image size, pixels",
    "train.precision": "precision",
    "aug": "augmentation",
    "data": "data",
}
Terms = list[tuple[str, str]]


def configurations_table(study: Study) -> Table:
    """Return the settings in which the groups differ, and how many runs each has."""
    header = ["group", *study.keys, "finished", "runs"]
    rows = []
    for group in study.groups:
        values = [written(group.values[key]) for key in study.keys]
        name = f"{group.name} (baseline)" if study.baseline is group else group.name
        rows.append([name, *values, str(len(group.finished)), str(len(group.runs))])
    return Table("Configurations", header, rows)


def unfinished_table(study: Study) -> Table:
    """Return the runs that are not finished, and why."""
    unfinished = [run for run in study.runs if not run.finished]
    rows = [[run.name, run.state, run.error or "no reason recorded"] for run in unfinished]
    return Table("Runs not finished", ["run", "state", "why"], rows)


def left_out_table(study: Study) -> Table:
    """Return what was found and not used, and why."""
    return Table("Left out", ["what", "why"], [[item.what, item.why] for item in study.left_out])


def shared_settings(study: Study) -> tuple[Terms, Terms]:
    """Return the settings that all groups share: the most important ones with what they are called, and the rest.

    Among the first are counts of the runs, and settings that differ because an option does, by that option.
    """
    runs = [run for group in study.groups for run in group.runs]
    first = []
    for key, term in TERMS.items():
        if text := _shared(runs, key) or ("" if key in study.keys else _by_option(runs, key)):
            first.append((term, text))
        if key == "model.width" and (sizes := _numbers(run.summary.get("parameters") for run in runs)):
            first.append(("parameters", _range(sizes)))
    if images := _numbers(_training_images(run) for run in runs):
        first.append(("training images", _range(images)))
    if runs:
        first.append(("seeds", _seeds(study)))
    keys = dict.fromkeys(key for run in runs for key in run.settings if not key.endswith(".name"))
    rest = [(key, text) for key in keys if key not in TERMS and (text := _shared(runs, key))]
    return first, rest


def _value(run: Run, key: str) -> Any:
    return run.options[key] if key in run.options else run.settings.get(key)


def _shared(runs: Sequence[Run], key: str) -> str:
    """Return the value that all runs have, "" if there is none."""
    values = {comparable(value): value for run in runs if (value := _value(run, key)) is not None}
    known = all(_value(run, key) is not None for run in runs)
    return written(*values.values()) if len(values) == 1 and known else ""


def _by_option(runs: Sequence[Run], key: str) -> str:
    """Return the values of a setting that an option decides, with that option, "" if runs differ in it otherwise."""
    group = key.partition(".")[0]
    by_option: dict[str, set[str]] = {}
    for run in runs:
        if (value := _value(run, key)) is not None:
            by_option.setdefault(str(run.options.get(group)), set()).add(written(value))
    if any(len(values) > 1 for values in by_option.values()):
        return ""
    return ", ".join(f"{value} with {option}" for option, [value] in by_option.items())


def _training_images(run: Run) -> Any:
    data = run.status.get("data")
    return data.get("train") if isinstance(data, dict) else None


def _numbers(values: Iterable[Any]) -> list[int]:
    return [int(value) for value in values if isinstance(value, int | float) and not isinstance(value, bool)]


def _range(numbers: Sequence[int]) -> str:
    low, high = min(numbers), max(numbers)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _seeds(study: Study) -> str:
    """Return the seeds of the groups, and whether every group has each."""
    by_group = [{run.seed for run in group.runs} for group in study.groups]
    seeds = sorted(set.union(*by_group))
    row = len(seeds) > 2 and seeds == [*range(seeds[0], seeds[-1] + 1)]
    text = f"{seeds[0]} to {seeds[-1]}" if row else listed([*map(str, seeds)], "and")
    return text if all(len(own) == len(seeds) for own in by_group) else f"{text}; not every group has each"
