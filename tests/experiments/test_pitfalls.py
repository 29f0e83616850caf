"""The faults of experiments/pitfalls are what it says they are."""

import importlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import tiny, write_oxford

FAULTS = {"model.stays_in_evaluation": "true", "model.warps_images_alone": "true", "data.normalisation": "raw"}
PITFALLS = Path(__file__).parents[2] / "experiments" / "pitfalls"


@pytest.fixture
def pitfalls(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(PITFALLS)
    return importlib.import_module("pitfalls")


def statistics(network: torch.nn.Module) -> torch.Tensor:
    return torch.cat([value.flatten() for name, value in network.state_dict().items() if "running_mean" in name])


@pytest.mark.parametrize("stays", [False, True])
def test_batch_norm_keeps_the_statistics_of_the_first_epoch(pitfalls: ModuleType, stays: bool) -> None:
    network = pitfalls.FaultyUNet(2, stays_in_evaluation=stays)
    image = torch.rand(2, 3, 32, 32)
    # What tries the network before the run does not count as its first epoch.
    network.eval()
    with torch.no_grad():
        network(image)
    before = statistics(network)
    network.train()(image)
    first = statistics(network)
    assert not torch.equal(before, first)
    network.eval()
    network.train()(image + 1)
    assert torch.equal(statistics(network), first) is stays
    # A run that is continued goes on with it.
    again = pitfalls.FaultyUNet(2, stays_in_evaluation=stays)
    again.load_state_dict(network.state_dict())
    assert again.train().training is not stays


def test_images_are_deformed_in_training_alone(pitfalls: ModuleType) -> None:
    torch.manual_seed(0)
    network, image = pitfalls.FaultyUNet(2, warps_images_alone=True).eval(), torch.rand(40, 3, 32, 32)
    with torch.no_grad():
        plain = network(image)
        assert torch.equal(network(image), plain)
    changed = (network(image) != plain).flatten(1).any(1).sum().item()
    # A fifth of them.
    assert 2 <= changed <= 16


@pytest.mark.slow
def test_a_run_with_all_faults_is_trained(
    pitfalls: ModuleType, tmp_path: Path, in_process: Callable[..., tuple[int, str]]
) -> None:
    write_oxford(tmp_path / "data")
    few = [word for word in tiny(tmp_path / "data") if not word.startswith("aug=")]
    faults = [f"{name}={value}" for name, value in FAULTS.items()]
    study = ["experiment=pitfalls", f"hydra.searchpath=[file://{PITFALLS / 'conf'}]"]
    code, shown = in_process(*study, *few, *faults, "seed=0", "hydra/launcher=basic")
    assert code == 0, shown
    assert len([*(tmp_path / "work" / "runs" / "pitfalls").glob("faulty_unet-none-adam-s0-*/per_image.csv")]) == 1


def test_means_of_batches_weigh_a_smaller_last_batch_more(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    dice = [1.0, 1.0, 0.5]
    rows = {"split": ["valid"] * 3 + ["test"] * 2, "stem": [*"abcde"], "dice": [*dice, 0.25, 0.75]}
    pd.DataFrame(rows).to_csv(run / "per_image.csv", index=False)
    command = [sys.executable, str(PITFALLS / "batch_means.py"), str(tmp_path), "--batch", "2"]
    command += ["--results", str(tmp_path / "results")]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    *_, valid, test = done.stdout.splitlines()
    points = 100 * (np.mean([1.0, 0.5]) - np.mean(dice))
    assert valid == f"| valid | 3 | 1 | 1 | {points:+.3f} | {points:+.3f} |"
    assert test == "| test | 2 | 2 | 1 | +0.000 | +0.000 |"
    assert pd.read_csv(tmp_path / "results" / "batch_means.csv")["mean"].tolist() == pytest.approx([points, 0])


def test_the_course_of_a_group_is_the_mean_of_its_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(PITFALLS)
    logged_curve = importlib.import_module("logged_curve")
    falls = {
        "epoch": [1, 2, 3],
        "train/loss": [0.5, 0.4, 0.3],
        "val/loss": [0.6, 0.5, 0.4],
        "val/dice": [0.7, 0.6, 0.8],
    }
    rises = {
        "epoch": [1, 2, 3],
        "train/loss": [0.7, 0.6, 0.3],
        "val/loss": [0.6, 0.7, 0.4],
        "val/dice": [0.5, 0.6, 0.7],
    }
    rows = logged_curve.course([pd.DataFrame(falls), pd.DataFrame(rises)])
    assert rows["train/loss"].tolist() == pytest.approx([0.6, 0.5, 0.3])
    assert rows["val/dice sd"].tolist() == pytest.approx([0.02**0.5, 0, 0.005**0.5])
    assert rows["fell"].tolist() == [0, 1, 0]
    monkeypatch.setattr(logged_curve, "EPOCHS", (1, 3))
    assert logged_curve.table({"both": rows}).splitlines()[-1] == (
        "| both | 0.600 | 0.300 | 0.600 | 0.750 | in 1 of 2 |"
    )
