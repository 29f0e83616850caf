"""Read run folders: their configuration, state, metrics by epoch and results."""

import math
import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from pets_seg.config.groups import COMPARED, IDENTITY
from pets_seg.config.identity import ADDED_LATER, identity
from pets_seg.config.weights import DIGESTS
from pets_seg.errors import InputError, escaped
from pets_seg.report.study.constant import constant_class
from pets_seg.report.study.copies import drop_copies, write_places_as_given
from pets_seg.report.study.facts import facts_of, number_of
from pets_seg.report.study.results import Results, no_rows, read_results
from pets_seg.run_folder.config_file import load_plain, with_absolute_root
from pets_seg.run_folder.data_record import DataRecord, data_record
from pets_seg.run_folder.names import CONFIG, STATUS, SUMMARY
from pets_seg.run_folder.process import ENDED, has_ended
from pets_seg.run_folder.reading import flat, read_json, tabular

STATES = ("running", "finished", "failed", "interrupted")
# What a sweep folder has beside its runs.
NO_RUNS = {"figures", "preview"}
# A finished run without these is damaged.
NEEDED = ("test_dice", "best_val_dice")


@dataclass(frozen=True, eq=False)
class Run:
    """One run folder; `settings` are its configuration's values by dotted key, as far as they can change a result.

    Only a finished run has a `summary` and `results`.
    """

    folder: Path
    state: str
    error: str | None
    seed: int
    options: dict[str, str | None]
    settings: dict[str, Any]
    config: dict[str, Any]
    status: dict[str, Any]
    summary: dict[str, Any] = field(default_factory=dict)
    results: Results = field(default_factory=Results)

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def finished(self) -> bool:
        return self.state == "finished"

    @cached_property
    def data(self) -> DataRecord:
        """What it records of its data."""
        return data_record(self.status, self.summary)

    @property
    def metrics(self) -> pd.DataFrame:
        """Its metrics.csv, without rows if missing or damaged."""
        return self.results.metrics

    @property
    def images(self) -> dict[str, pd.DataFrame]:
        """The scores of each split's images, by stem; those without a counted pixel have none and are left out."""
        return self.results.scores.images

    @property
    def calibration(self) -> pd.DataFrame:
        """Its calibration.csv, without rows if missing or damaged."""
        return self.results.calibration

    @property
    def damage(self) -> tuple[str, ...]:
        """What of a finished run could not be read."""
        return self.results.damage

    @cached_property
    def facts(self) -> dict[str, float]:
        """The figures of a finished run (`facts.facts_of`)."""
        return facts_of(self.summary, self.metrics, self.status.get("device"))

    @cached_property
    def constant(self) -> str | None:
        """The class that its best weights predict for every test image, if they do (`constant.constant_class`)."""
        images = self.images.get("test", no_rows("per_image"))
        return constant_class(images, self.calibration[self.calibration["split"] == "test"])

    @property
    def extra_metrics(self) -> list[str]:
        """The names of the metrics that it has beside those of every run."""
        names = re.findall(r"^val_(.+)_at_best$", "\n".join(self.summary), re.MULTILINE)
        return [name for name in names if name != "loss" and f"test_{name}" in self.summary]

    def metric_record(self, name: str) -> dict[str, Any]:
        """Return what status.json says of a metric, nothing if it does not."""
        records = self.status.get("metrics")
        record = records.get(name) if isinstance(records, dict) else None
        return record if isinstance(record, dict) else {}

    def number(self, key: str) -> float:
        """Return a number of the summary, NaN if it has none of this name."""
        return number_of(self.summary, key)


@dataclass(frozen=True)
class LeftOut:
    """A folder, or a part of one, that was not used, and why."""

    what: str
    why: str


def read_runs(folders: Sequence[Path]) -> tuple[list[Run], list[LeftOut]]:
    """Return the runs in `folders`, each the folder of a sweep or of a run, and what was left out of them.

    Of copies of a run the first finished one is taken; runs of one name that record other data are no copies. Raises
    InputError if a folder is not there.
    """
    found, left_out = [], []
    for path in dict.fromkeys(path for folder in folders for path in run_folders(folder)):
        try:
            run = read_run(path)
        # Whatever is wrong with a run, the others are to be compared.
        except Exception as error:
            why = str(error) if isinstance(error, ValueError) else f"cannot be read ({type(error).__name__}: {error})"
            left_out.append(_left_out(path, why))
            continue
        found.append(run)
    runs, copies = drop_copies(found)
    left_out += [_left_out(copy.folder, f"is the same run as {kept.folder}") for copy, kept in copies]
    write_places_as_given(runs)
    left_out += _leave_out_other_metrics(runs)
    damaged = [_left_out(run.folder, damage) for run in runs for damage in run.damage]
    return runs, left_out + damaged


def _leave_out_other_metrics(runs: Sequence[Run]) -> list[LeftOut]:
    """Remove from runs the values of an extra metric whose settings or code differ from most runs'; return which."""
    left_out = []
    for name in dict.fromkeys(name for run in runs for name in run.extra_metrics):
        digests = {run.folder: str(run.metric_record(name).get("digest")) for run in runs if name in run.extra_metrics}
        [(usual, _)] = Counter(digests.values()).most_common(1)
        for run in runs:
            if digests.get(run.folder, usual) != usual:
                del run.summary[f"val_{name}_at_best"], run.summary[f"test_{name}"]
                why = f"metric {name} has other settings or other code here than in most of the runs"
                left_out.append(_left_out(run.folder, why))
    return left_out


def _left_out(folder: Path, why: str) -> LeftOut:
    return LeftOut(escaped(str(folder)), escaped(why)[:1000])


def run_folders(folder: Path) -> list[Path]:
    """Return `folder` itself if it is a run, else the folders in it that may be; InputError if it is not there."""
    if not os.path.isdir(folder):
        raise InputError(f"runs={folder}: is not there; give the folder of a sweep, e.g. runs=runs/default")
    if (folder / CONFIG).exists():
        return [folder]
    names = sorted(name for name in os.listdir(folder) if not name.startswith(".") and name not in NO_RUNS)
    # A link to itself, which does not exist to `os.path`, is left out with the reason when it is read.
    return [folder / name for name in names if os.path.isdir(folder / name) or not os.path.exists(folder / name)]


def read_run(folder: Path) -> Run:
    """Return the run in `folder`; raise ValueError with a short reason if it holds none that can be read."""
    status = read_json(folder / STATUS)
    state = status.get("state")
    if state not in STATES:
        raise ValueError(f"status.json: {str(state)[:50]!r} is not a state of a run")
    try:
        config = with_absolute_root(load_plain(folder / CONFIG), folder)
    except ValueError as error:
        raise ValueError(f"config.yaml cannot be read ({error})") from None
    seed = config.get("seed")
    if not isinstance(seed, int) or isinstance(seed, bool):
        raise ValueError(f"config.yaml: seed={str(seed)[:50]!r} is not a whole number")
    failure = status.get("error")
    message = escaped(str(failure.get("message")))[:1000] if isinstance(failure, dict) else None
    if state == "running" and has_ended(status):
        state, message = "interrupted", ENDED
    groups = {group: config[group] for group in IDENTITY if group != "seed" and isinstance(config.get(group), dict)}
    names = {group: groups.get(group, {}).get("name") for group in COMPARED}
    groups |= {key: config[key] for key in DIGESTS.values() if isinstance(config.get(key), str)}
    settings = ADDED_LATER | flat(identity(groups))
    options = {group: None if name is None else escaped(str(name))[:100] for group, name in names.items()}
    run = Run(folder, state, message, seed, options, settings, config, status)
    return _with_results(run) if state == "finished" else run


def _with_results(run: Run) -> Run:
    try:
        summary = {str(key): tabular(value) for key, value in read_json(run.folder / SUMMARY).items()}
        whole = replace(run, summary=summary)
        for key in NEEDED:
            if math.isnan(whole.number(key)):
                raise ValueError(f"summary.json: {key}={summary.get(key)} is not a number")
    except ValueError as error:
        return replace(run, state="damaged", error=escaped(f"it finished, but {error}"))
    return replace(whole, results=read_results(run.folder))


def without_test(run: Run) -> Run:
    """Return a run as it is to who must not see what it gives on the test set."""
    summary = {key: value for key, value in run.summary.items() if not key.startswith(("test_", "epochs_to_test"))}
    images = {split: table for split, table in run.images.items() if split != "test"}
    scores = replace(run.results.scores, images=images)
    calibration = run.calibration[run.calibration["split"] != "test"]
    return replace(run, summary=summary, results=replace(run.results, scores=scores, calibration=calibration))
