"""The tables that the study keeps: runs.csv, a row a run, and exports.csv, a row an exported network."""

from pathlib import Path

import pandas as pd

from pets_seg.machine.files import write_text

CELL = ["network", "width", "training", "seed"]
RUNS = [*CELL, "epochs", "best_epoch", "val_dice", "test_dice", "test_images", "parameters", "macs", "run", "weights"]
FORMS = ("fp32", "int8")
# What was measured together: the time of a photograph, where, and how many cores other processes used meanwhile.
TIMES = ["ms", "processor", "onnxruntime", "others"]
EXPORTS = [*CELL, "form", "refused", "mb", "dice", *TIMES, "run", "weights"]
COLUMNS = {"runs": RUNS, "exports": EXPORTS}
TEXTS = {"network", "training", "run", "weights", "form", "processor", "onnxruntime"}


def read(results: Path, name: str) -> pd.DataFrame:
    """Return the kept table `runs` or `exports`, without rows if there is none."""
    path = results / f"{name}.csv"
    if not path.exists():
        return pd.DataFrame(columns=COLUMNS[name])
    return pd.read_csv(path, dtype=dict.fromkeys(TEXTS, str))[COLUMNS[name]]


def write(results: Path, name: str, table: pd.DataFrame) -> None:
    """Replace a kept table, whole or not at all."""
    write_text(results / f"{name}.csv", table[COLUMNS[name]].to_csv(index=False))


def refused(exports: pd.DataFrame) -> pd.Series:
    """Return for each row whether the file was refused since int8 costs too much Dice."""
    return exports["refused"].astype(bool)
