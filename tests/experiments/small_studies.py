"""For the tests of the study of small networks: its modules, and rows that it might have kept."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

SMALL = Path(__file__).parents[2] / "experiments" / "small_models"
Load = Callable[[str], ModuleType]
COSTS = {"unet": (4, 53_000, 8e6, 0.7), "mobilenetv3_small_100": (8, 1_962_000, 51.6e6, 2.6)}


@contextmanager
def modules(monkeypatch: pytest.MonkeyPatch) -> Iterator[Load]:
    """Let files of the study be imported as its script does, and forget them afterwards."""
    monkeypatch.syspath_prepend(str(SMALL))
    names = {path.stem for path in SMALL.glob("*.py")}
    for name in names:
        monkeypatch.delitem(sys.modules, name, raising=False)
    yield __import__
    for name in names:
        sys.modules.pop(name, None)


def kept_rows(refused: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows of two networks with three seeds; of one group in int8 so many files were `refused`."""
    random = np.random.default_rng(5)
    runs, exports = [], []
    for (network, (width, parameters, macs, ms)), training, seed in product(
        COSTS.items(), ("plain", "distilled"), range(3)
    ):
        run = f"{network}-{training}-{seed}"
        cell = {"network": network, "width": width, "training": training, "seed": seed, "run": run, "weights": run}
        cost = {"parameters": parameters, "macs": int(macs), "test_images": 367}
        runs.append({**cell, **cost, "epochs": 10, "best_epoch": 9, "val_dice": 0.8, "test_dice": random.normal(0.8)})
        for form in ("fp32", "int8"):
            not_written = form == "int8" and (network, training) == ("unet", "plain") and seed < refused
            took = {"ms": np.nan if not_written else ms * random.uniform(0.9, 1.1), "others": 0.02}
            where = {"processor": "AMD EPYC, AVX512", "onnxruntime": "1.32.0"}
            found = {"form": form, "refused": not_written, "mb": 0.2, "dice": random.normal(0.85, 0.01)}
            exports.append({**cell, **found, **took, **where})
    teacher = {**runs[0], "training": "teacher", "width": 32, "epochs": 20, "test_dice": 0.9, "weights": "t"}
    return pd.DataFrame([*runs, teacher]), pd.DataFrame(exports)


def keep_rows(load: Load, folder: Path, refused: int = 0) -> Path:
    """Keep these rows in a folder as the script does, and return it."""
    for name, rows in zip(("runs", "exports"), kept_rows(refused), strict=True):
        load("kept").write(folder, name, rows)
    return folder
