"""The study of confidence: its loss, and its two scripts on runs of a small data set."""

import importlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from conftest import tiny, write_oxford

CONFIDENCE = Path(__file__).parents[2] / "experiments" / "confidence"


def test_smoothed_cross_entropy_is_that_of_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(CONFIDENCE))
    smoothing = importlib.import_module("smoothing")
    torch.manual_seed(0)
    logits, mask = torch.randn(2, 2, 5, 7), torch.randint(0, 2, (2, 5, 7), dtype=torch.uint8)
    expected = F.cross_entropy(logits, mask.long(), reduction="none", label_smoothing=0.3)
    torch.testing.assert_close(smoothing.smoothed_cross_entropy(logits, mask, 0.3), expected)


def script(name: str, *words: str) -> list[list[str]]:
    """Run a script, and return the cells of the rows that it prints."""
    command = [sys.executable, str(CONFIDENCE / name), *words]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in done.stdout.splitlines()[2:]]


def refused(*words: str) -> str:
    """Return the line with which the first script refuses these folders."""
    command = [sys.executable, str(CONFIDENCE / "stopping.py"), *words]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    return done.stderr


@pytest.mark.slow
def test_both_scripts_say_what_the_runs_say(
    tmp_path: Path, in_process: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(CONFIDENCE))
    write_oxford(tmp_path / "data")
    search = f"hydra.searchpath=[file://{CONFIDENCE / 'conf'}]"
    for words in (["aug=none", "name=plain"], ["aug=none", "name=smoothed", "loss=smoothed", search]):
        code, shown = in_process("-m", *tiny(tmp_path / "data"), *words, "seed=0,1")
        assert code == 0, shown
    sweeps = [str(tmp_path / "work" / "runs" / name) for name in ("plain", "smoothed")]
    results = tmp_path / "results"

    rows = script("stopping.py", *sweeps, "--results", str(results))
    assert [row[0] for row in rows] == ["none"] * 3 + ["none, label smoothing 0.1"] * 3
    kept = pd.read_csv(results / "epochs.csv")
    for run, part in kept.groupby("run"):
        [metrics] = [pd.read_csv(path) for path in (tmp_path / "work" / "runs").glob(f"*/{run}/metrics.csv")]
        found = part.set_index("rule")
        assert found["loss"]["lowest loss"] == pytest.approx(metrics["val/loss"].min())
        assert found["dice"]["best Dice"] == pytest.approx(metrics["val/dice"].max())
        assert found["ece"]["last epoch"] == pytest.approx(metrics["val/ece"].iloc[-1])
    last = kept[(kept["group"] == "none") & (kept["rule"] == "last epoch")]
    assert rows[2][3:5] == [f"{last[name].mean():.4f}" for name in ("loss", "dice")]
    assert (results / "figure.png").stat().st_size > 10_000

    rows = script("temperature.py", *sweeps, "--results", str(results))
    assert len(rows) == 2
    kept = pd.read_csv(results / "temperature.csv")
    summaries = [pd.read_json(path, typ="series") for path in sorted(Path(sweeps[0]).glob("*/summary.json"))]
    plain = kept[kept["group"] == "none"]
    np.testing.assert_allclose(sorted(plain["loss"]), sorted(each["test_loss"] for each in summaries), rtol=1e-5)
    np.testing.assert_allclose(sorted(plain["ece"]), sorted(each["test_ece"] for each in summaries), rtol=1e-5)
    assert kept["temperature"].between(0.2, 10).all()
    assert "both are of group none and seed 0" in refused(sweeps[0], sweeps[0])


def test_a_folder_without_runs_is_refused(tmp_path: Path) -> None:
    assert "no finished run" in refused(str(tmp_path))
