"""The study of confidence: its loss, and its two scripts on runs of a small data set."""

import importlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from conftest import tiny, write_oxford
from scipy import stats
from torchmetrics.functional.classification import binary_calibration_error

from pets_seg.data import Batches, Normalise, open_dataset
from pets_seg.evaluation.prediction import recorded_data
from pets_seg.models.checkpoint import load_network

CONFIDENCE = Path(__file__).parents[2] / "experiments" / "confidence"


def test_smoothed_cross_entropy_is_that_of_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(CONFIDENCE))
    smoothing = importlib.import_module("smoothing")
    torch.manual_seed(0)
    logits, mask = torch.randn(2, 2, 5, 7), torch.randint(0, 2, (2, 5, 7), dtype=torch.uint8)
    expected = F.cross_entropy(logits, mask.long(), reduction="none", label_smoothing=0.3)
    torch.testing.assert_close(smoothing.smoothed_cross_entropy(logits, mask, 0.3), expected)


def script(name: str, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(CONFIDENCE / name), *words]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)


def rows_of(done: subprocess.CompletedProcess[str]) -> list[list[list[str]]]:
    """Return the cells of the rows of each table that a script printed."""
    assert done.returncode == 0, done.stderr
    tables = done.stdout.strip().split("\n\n")
    return [
        [[cell.strip() for cell in line.strip("|").split("|")] for line in each.splitlines()[2:]] for each in tables
    ]


@pytest.fixture
def sweep(tmp_path: Path, in_process: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two seeds, without and with label smoothing."""
    monkeypatch.syspath_prepend(str(CONFIDENCE))
    write_oxford(tmp_path / "data")
    search = f"hydra.searchpath=[file://{CONFIDENCE / 'conf'}]"
    for words in ([], ["loss=smoothed", search]):
        code, shown = in_process("-m", *tiny(tmp_path / "data"), *words, "name=long", "seed=0,1", "train.epochs=20")
        assert code == 0, shown
    return tmp_path / "work" / "runs" / "long"


@pytest.mark.slow
def test_stopping_says_what_the_runs_say(sweep: Path, tmp_path: Path) -> None:
    done = script("stopping.py", str(sweep), "--results", str(tmp_path))
    means, differences = rows_of(done)
    rules = ["lowest loss", "best Dice", "last epoch"]
    assert [row[:3] for row in means] == [[group, rule, "2"] for group in ("none", "none, smoothed") for rule in rules]
    kept = pd.read_csv(tmp_path / "epochs.csv")
    for run, part in kept.groupby("run"):
        metrics, found = pd.read_csv(sweep / str(run) / "metrics.csv"), part.set_index("rule")
        assert found["loss"]["lowest loss"] == pytest.approx(metrics["val/loss"].min())
        assert found["dice"]["best Dice"] == pytest.approx(metrics["val/dice"].max())
        assert found["ece"]["last epoch"] == pytest.approx(metrics["val/ece"].iloc[-1])
    last = kept[kept["rule"] == "last epoch"].set_index("seed")
    plain, smoothed = (last[last["group"] == group] for group in ("none", "none, smoothed"))
    assert means[2][4:6] == [f"{plain[name].mean():.4f}" for name in ("loss", "dice")]
    paired = smoothed["loss"] - plain["loss"]
    low, high = stats.t.interval(0.95, 1, paired.mean(), stats.sem(paired))
    expected = ["none, smoothed", "last epoch", "2", f"{paired.mean():+.4f} ({low:+.4f} to {high:+.4f})"]
    assert differences[-1][:4] == expected
    assert (tmp_path / "figure.png").stat().st_size > 10_000
    shutil.copytree(next(sweep.glob("*-s1-*")), sweep / "unfinished")
    (sweep / "unfinished" / "summary.json").unlink()
    refused = script("stopping.py", str(sweep), "--results", str(tmp_path))
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "unfinished" in refused.stderr


@pytest.mark.slow
def test_a_temperature_is_chosen_on_validation_and_scored_on_the_test_set(sweep: Path, tmp_path: Path) -> None:
    [rows] = rows_of(script("temperature.py", str(sweep), "--results", str(tmp_path)))
    assert [row[:2] for row in rows] == [["none", "2"], ["none, smoothed", "2"]]
    for run, rows in pd.read_csv(tmp_path / "temperature.csv", index_col="logits").groupby("run"):
        summary = json.loads((sweep / str(run) / "summary.json").read_text())
        plain, scaled = rows.loc["as they are"], rows.loc["scaled"]
        assert plain["temperature"] == 1
        assert (plain["loss"], plain["ece"]) == pytest.approx((summary["test_loss"], summary["test_ece"]), rel=1e-5)
        valid, test = (logits_of(sweep / str(run), split) for split in ("valid", "test"))
        chosen = loss(*valid, scaled["temperature"])
        assert all(chosen < loss(*valid, scaled["temperature"] * factor) for factor in (0.8, 1.25))
        assert scaled["loss"] == pytest.approx(loss(*test, scaled["temperature"]), rel=1e-5)
        margins, masks = test
        ece = binary_calibration_error(torch.sigmoid(margins / scaled["temperature"]), masks.int(), n_bins=15)
        assert scaled["ece"] == pytest.approx(ece.item(), abs=1e-3)


def logits_of(run: Path, split: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the margins (N,H,W) of a run's kept weights on a split, and where the masks are pet."""
    dataset = open_dataset(recorded_data(run), warn=False)
    images, masks = Batches(getattr(dataset, split), torch.device("cpu"), "foreground").take(
        torch.arange(len(getattr(dataset, split)))
    )
    network = load_network(run / "checkpoints" / "best.safetensors", torch.device("cpu")).eval()
    with torch.no_grad():
        logits = network(Normalise("imagenet", torch.device("cpu"))(images))
    return logits[:, 1] - logits[:, 0], (masks == 1).float()


def loss(margins: torch.Tensor, masks: torch.Tensor, temperature: float) -> float:
    return F.binary_cross_entropy_with_logits(margins / temperature, masks).item()


def test_a_folder_without_runs_is_refused(tmp_path: Path) -> None:
    refused = script("stopping.py", str(tmp_path))
    assert refused.returncode == 1
    assert "holds no run" in refused.stderr
