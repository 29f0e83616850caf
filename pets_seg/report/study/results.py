"""The tables of a finished run: its metrics by epoch, the scores of its images, and its calibration."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pets_seg.run_folder.reading import TEXTS, read_columns, read_csv

# Of the tables that training writes.
COLUMNS = {
    "metrics": ("epoch", "train/loss", "val/loss", "val/dice", "seconds"),
    "per_image": ("split", "stem", "dice", "iou", "loss", "pixels"),
    "calibration": ("split", "bin", "pixels", "probability", "pet_share"),
}


@lru_cache
def no_rows(name: str) -> pd.DataFrame:
    """Return the table of this name without rows."""
    return pd.DataFrame(columns=list(COLUMNS[name]))


@dataclass(frozen=True, eq=False)
class Scores:
    """The scores of the images that have a counted pixel, a table by stem for each split; all values are float64.

    `left_out` counts the images of a split that have none, and `counts_them` says whether these have a Dice all the
    same, as in older versions.
    """

    images: dict[str, pd.DataFrame] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)
    counts_them: bool = False


@dataclass(frozen=True, eq=False)
class Results:
    """The tables of a run, without rows if missing or damaged; `damage` says what could not be read."""

    metrics: pd.DataFrame = field(default_factory=lambda: no_rows("metrics"))
    scores: Scores = field(default_factory=Scores)
    calibration: pd.DataFrame = field(default_factory=lambda: no_rows("calibration"))
    damage: tuple[str, ...] = ()


def read_results(folder: Path) -> Results:
    """Return the tables of the finished run in `folder`."""
    tables: dict[str, Any] = {}
    damage = []
    for name, columns in COLUMNS.items():
        path = folder / f"{name}.csv"
        try:
            if name == "per_image":
                tables["scores"], twice = _scores(read_columns(path, columns))
                if twice:
                    damage.append("per_image.csv: has images twice; the first of each is used")
            else:
                tables[name] = read_csv(path, columns)
        except ValueError as error:
            # Runs of older versions have no calibration.csv.
            if name != "calibration" or path.exists():
                damage.append(f"{path.name}: {error}; its other files are used")
    return Results(**tables, damage=tuple(damage))


def _scores(table: dict[str, Any]) -> tuple[Scores, bool]:
    """Return the scores in the columns of per_image.csv, and whether images are in it twice."""
    names = tuple(name for name in table if name not in TEXTS)
    # A metric may have no value for some images.
    numbers = [
        table[name] if name in COLUMNS["per_image"] else pd.to_numeric(pd.Series(table[name]), errors="coerce")
        for name in names
    ]
    values = np.stack([np.asarray(column, dtype=float) for column in numbers], axis=1)
    counted, dice = values[:, names.index("pixels")] != 0, values[:, names.index("dice")]
    images, left_out, number = {}, {}, 0
    counts_them = False
    for split, rows, stems in _places(tuple(table["split"]), tuple(table["stem"])):
        number += len(rows)
        if uncounted := len(rows) - int(counted[rows].sum()):
            left_out[split] = uncounted
            counts_them |= not np.isnan(dice[rows[~counted[rows]]]).all()
            rows, stems = rows[counted[rows]], stems[counted[rows]]
        if len(rows):
            images[split] = pd.DataFrame(values[rows], stems, _columns(names), copy=False)
    return Scores(images, left_out, counts_them), number < len(values)


@lru_cache(maxsize=64)
def _places(splits: Sequence[str], stems: Sequence[str]) -> list[tuple[str, np.ndarray, pd.Index]]:
    """Return split, rows and stems of the images of each split, in the order of their stems, each image once.

    Runs of the same data have the same, and share what is returned.
    """
    first: dict[str, dict[str, int]] = {}
    for row, (split, stem) in enumerate(zip(splits, stems, strict=True)):
        first.setdefault(split, {}).setdefault(stem, row)
    return [
        (split, np.array([rows[stem] for stem in sorted(rows)]), pd.Index(sorted(rows), name="stem"))
        for split, rows in sorted(first.items())
    ]


@lru_cache(maxsize=64)
def _columns(names: Sequence[str]) -> pd.Index:
    return pd.Index(names)
