"""Comparisons and verdicts computed anew: from the archive of a sweep, or as far as its runs.csv alone tells them."""

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tarfile import TarError
from typing import Any

import numpy as np
import pandas as pd
from archive import unpack
from kept_files import read_table
from scipy import stats

from pets_seg.errors import InputError
from pets_seg.report.sentences import answer
from pets_seg.report.sequential.verdict_files import write_verdicts
from pets_seg.report.study.statistics import holm
from pets_seg.report.study.study import Study, read_study
from pets_seg.report.tables import write_tables
from pets_seg.run_folder.names import DESIGN, VERDICTS

# Of two computations of one figure; what was measured in a run is compared digit for digit.
CLOSE = 1e-11
RUNS, COMPARISON = "runs.csv", "comparison.csv"
COMPUTED = (COMPARISON, "main_effects.csv", f"{VERDICTS}.csv")
# The column of runs.csv with the figure of a metric, where it has another name.
COLUMNS = {"val_dice": "best_val_dice"}


@dataclass(frozen=True)
class Kept:
    """The kept files of a sweep in a folder: its tables, and the archive of its runs if there is one.

    `measured_again` names columns of runs.csv that the archive has otherwise, and `why` says for what reason. On
    `processor`, as /proc/cpuinfo calls it, a replay of a run gives the same bits if its instructions are the same. It
    is given the `settings`, in which HERE stands for the folder of the experiment, where own options may be.
    """

    folder: str = "."
    archive: str = ""
    baseline: Any = None
    measured_again: Sequence[str] = ()
    why: str = ""
    processor: str = ""
    settings: Sequence[str] = ()


def check_study(kept: Kept, experiment: Path) -> Iterator[tuple[Path, str]]:
    """Yield each file of a study that is not what its runs give, and in what."""
    folder = experiment / kept.folder
    if not kept.archive:
        if (folder / COMPARISON).exists():
            yield from ((folder / COMPARISON, text) for text in _from_runs(folder))
        return
    with tempfile.TemporaryDirectory() as work:
        try:
            sweep = unpack(experiment / kept.archive, Path(work))
            study = read_study([sweep], kept.baseline)
        except (InputError, OSError, ValueError, EOFError, TarError) as error:
            yield experiment / kept.archive, str(error).replace(work, "").strip()
            return
        for item in study.left_out:
            yield experiment / kept.archive, f"{Path(item.what).name}: {item.why}"
        yield from _beside(study, sweep, folder, kept)


def _beside(study: Study, sweep: Path, folder: Path, kept: Kept) -> Iterator[tuple[Path, str]]:
    """Yield in what the files of a folder differ from those that its archive gives."""
    if study.design:
        yield from _same_design(sweep, folder)
        write_verdicts(sweep, study.design, study.decisions)
        theirs, mine = (json.loads((place / f"{VERDICTS}.json").read_text()) for place in (folder, sweep))
        if (_rounded(theirs)) != _rounded(mine):
            yield folder / f"{VERDICTS}.json", "is not what the looks at the runs of the archive give"
    write_tables(study, sweep)
    for name in (RUNS, *COMPUTED):
        if (sweep / name).exists() and (folder / name).exists():
            ours, theirs = (read_table(place / name) for place in (sweep, folder))
            left_out = kept.measured_again if name == RUNS else ()
            yield from ((folder / name, text) for text in differences(ours, theirs, name != RUNS, left_out))
    if (folder / "report.md").exists():
        said = (folder / "report.md").read_text(encoding="utf-8")
        yield from (
            (folder / "report.md", f'lacks what the archive gives: "{line}"')
            for line in answer(study)
            if line not in said
        )


def _same_design(sweep: Path, folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield the keys in which design.json differs from that of the archive."""
    theirs, mine = (_flat(json.loads((place / DESIGN).read_text(encoding="utf-8"))) for place in (folder, sweep))
    for key in {**mine, **theirs}:
        # The same design may be declared anew.
        if mine.get(key) != theirs.get(key) and key not in ("when", "commit"):
            yield folder / DESIGN, f"{key} is {theirs.get(key)}, the archive has {mine.get(key)}"


def _flat(value: Any, key: str = "") -> dict[str, Any]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if inner is None:
        return {key: value}
    return {name: leaf for part, item in inner for name, leaf in _flat(item, f"{key}.{part}".lstrip(".")).items()}


def _rounded(value: Any) -> dict[str, Any]:
    return {key: float(f"{leaf:.11g}") if isinstance(leaf, float) else leaf for key, leaf in _flat(value).items()}


def differences(ours: pd.DataFrame, theirs: pd.DataFrame, close: bool, left_out: Sequence[str] = ()) -> Iterator[str]:
    """Yield where a kept table differs from ours; the first columns that hold text name the row."""
    if [*ours.columns] != [*theirs.columns] or len(ours) != len(theirs):
        yield f"has {len(theirs)} rows of {len(theirs.columns)} columns, the archive gives {ours.shape}"
        return
    for number, (mine, its) in enumerate(zip(ours.to_dict("records"), theirs.to_dict("records"), strict=True)):
        for column in ours.columns:
            if column not in left_out and not _same(mine[column], its[column], close):
                row = ", ".join(str(its[name]) for name in ours.columns[: 3 if close else 1])
                yield f"{column} of row {number + 1} ({row}) is {its[column]}, the archive gives {mine[column]}"


def _same(mine: str, its: str, close: bool) -> bool:
    if mine == its or not close:
        return mine == its
    try:
        return bool(np.isclose(float(mine), float(its), rtol=CLOSE, atol=CLOSE))
    except ValueError:
        return False


def _from_runs(folder: Path) -> Iterator[str]:
    """Yield what of comparison.csv contradicts runs.csv: means, differences, and intervals over seeds."""
    runs, comparison = read_table(folder / RUNS), read_table(folder / COMPARISON)
    runs = runs[runs["state"] == "finished"]
    for row in comparison.to_dict("records"):
        name = f"{row['metric']} of {row['group']}"
        sides = [_by_seed(runs, row[key], COLUMNS.get(row["metric"], row["metric"])) for key in ("group", "baseline")]
        seeds = sorted({*sides[0]} & {*sides[1]})
        if len(seeds) != int(row["seeds"]):
            yield f"{name}: has {row['seeds']} seeds, runs.csv has {len(seeds)} of both groups"
            continue
        ours, its = (np.array([side[seed] for seed in seeds]) for side in sides)
        paired = ours - its
        low, high = stats.t.interval(0.95, len(seeds) - 1, paired.mean(), stats.sem(paired))
        found = {"mean": ours.mean(), "baseline_mean": its.mean(), "difference": paired.mean()}
        for column, value in found.items():
            if not _same(str(value), row[column], True):
                yield f"{name}: {column} is {row[column]}, runs.csv gives {value}"
        # The report takes the wider of this interval and the one over seeds and images.
        if float(row["ci_low"]) > low + CLOSE or float(row["ci_high"]) < high - CLOSE:
            yield f"{name}: the interval is narrower than that over seeds alone, {low} to {high}"
        middle = (float(row["ci_low"]) + float(row["ci_high"])) / 2
        if not _same(str(middle), row["difference"], True):
            yield f"{name}: the interval has its middle at {middle}, not at the difference {row['difference']}"
    for metric, rows in comparison.groupby("metric"):
        for row, p in zip(rows.to_dict("records"), holm([*map(float, rows["p"])]), strict=True):
            if not _same(str(p), row["p_holm"], True):
                yield f"{metric} of {row['group']}: p_holm is {row['p_holm']}, Holm's method gives {p}"


def _by_seed(runs: pd.DataFrame, group: str, column: str) -> Mapping[str, float]:
    """Return a figure of the runs of a group, named as `aug=crop model=unet`, by seed."""
    for word in group.split(" "):
        key, _, value = word.partition("=")
        runs = runs[runs[key] == value]
    return dict(zip(runs["seed"], map(float, runs[column]), strict=True))
