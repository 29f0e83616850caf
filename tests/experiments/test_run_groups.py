"""What the scripts of several questions make of a sweep's runs, and which runs they refuse to put together."""

import importlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import tiny, write_oxford
from scipy import stats

EXPERIMENTS = Path(__file__).parents[2] / "experiments"


def script(name: str, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(EXPERIMENTS / name), *words]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)


def interval(values: np.ndarray) -> str:
    """Return the mean of (seeds, images) and the wider of its intervals over seeds, and over seeds and images."""
    seeds, images = values.shape
    of_seeds = stats.sem(values.mean(axis=1)) ** 2
    residuals = values - values.mean(axis=1, keepdims=True) - values.mean(axis=0, keepdims=True) + values.mean()
    error = (residuals**2).sum() / (seeds - 1) / (images - 1)
    of_images = max(0.0, stats.sem(values.mean(axis=0)) ** 2 - error / seeds / images)
    total = of_seeds + of_images
    # Satterthwaite's degrees of freedom.
    freedom = total**2 / (of_seeds**2 / (seeds - 1) + of_images**2 / (images - 1))
    half = max(stats.t.ppf(0.975, seeds - 1) * of_seeds**0.5, stats.t.ppf(0.975, freedom) * total**0.5)
    return f"{values.mean():+.2f} ({values.mean() - half:+.2f} to {values.mean() + half:+.2f})"


@pytest.mark.slow
def test_what_augmentation_adds_is_compared_share_by_share(
    tmp_path: Path, in_process: Callable[..., tuple[int, str]]
) -> None:
    write_oxford(tmp_path / "data")
    few = [word for word in tiny(tmp_path / "data") if not word.startswith("aug=")]
    shares = "data.train_fraction=0.75,1"
    code, shown = in_process(
        "-m", *few, shares, "aug=none,strong", "seed=0,1,2", "name=shares", "train.epochs=12", "optimizer.lr=1e-2"
    )
    assert code == 0, shown
    sweep = tmp_path / "work" / "runs" / "shares"
    dice: dict[tuple[str, str], list[np.ndarray]] = {}
    for run in sorted((path.parent for path in sweep.glob("*/summary.json")), key=lambda run: run.name.split("-")[3]):
        share = "0.75" if "train_fraction: 0.75" in (run / "config.yaml").read_text() else "1"
        table = pd.read_csv(run / "per_image.csv")
        table = table[table["split"] == "test"].sort_values("stem")
        dice.setdefault((share, run.name.split("-")[1]), []).append(table["dice"].to_numpy())
    gains = {share: 100 * (np.array(dice[share, "strong"]) - np.array(dice[share, "none"])) for share in ("1", "0.75")}

    assert np.abs(gains["1"]).max() > 0

    done = script("data_size/data_size.py", str(sweep), "--results", str(tmp_path / "results"))
    assert done.returncode == 0, done.stderr
    written = pd.read_csv(tmp_path / "results" / "shares.csv")
    np.testing.assert_allclose(written["difference"], [gains["1"].mean(), gains["0.75"].mean()])
    all_images, fewer = [line.split(" | ") for line in done.stdout.splitlines()[2:]]
    assert all_images[:3] == ["| 1", "12", "3"]
    assert all_images[5] == interval(gains["1"])
    assert fewer[5:] == [interval(gains["0.75"]), f"{interval(gains['0.75'] - gains['1'])} |"]

    refused = script("choose_lr.py", str(sweep))
    assert (refused.returncode, "has another " in refused.stderr) == (1, True)
    shutil.rmtree(next(sweep.glob("unet-strong-*-s2-*")))
    refused = script("data_size/data_size.py", str(sweep), "--results", str(tmp_path / "refused"))
    assert not (tmp_path / "refused").exists()
    assert (refused.returncode, "has the seeds [0, 1]" in refused.stderr) == (1, True)
    for run in sweep.glob("unet-*-s[12]-*"):
        shutil.rmtree(run)
    alone = script("data_size/data_size.py", str(sweep), "--results", str(tmp_path / "refused"))
    assert (alone.returncode, "have one seed" in alone.stderr) == (1, True)
    for run in sweep.glob("unet-*"):
        if "train_fraction: 0.75" not in (run / "config.yaml").read_text():
            shutil.rmtree(run)
    alone = script("data_size/data_size.py", str(sweep), "--results", str(tmp_path / "refused"))
    assert (alone.returncode, "no runs of all images" in alone.stderr) == (1, True)


@pytest.mark.slow
def test_a_rate_is_chosen_by_validation_dice(tmp_path: Path, in_process: Callable[..., tuple[int, str]]) -> None:
    write_oxford(tmp_path / "data")
    rates = "optimizer.lr=1e-4,1e-2,3e-2"
    code, shown = in_process("-m", *tiny(tmp_path / "data"), rates, "seed=0,1", "name=rates", "train.epochs=4")
    assert code == 0, shown
    sweep = tmp_path / "work" / "runs" / "rates"
    dice: dict[float, list[float]] = {}
    for path in sweep.glob("*/summary.json"):
        [rate] = [rate for rate in (1e-4, 1e-2, 3e-2) if f"lr: {rate}\n" in (path.parent / "config.yaml").read_text()]
        dice.setdefault(rate, []).append(json.loads(path.read_text())["best_val_dice"])
    done = script("choose_lr.py", str(sweep))
    assert done.returncode == 0, done.stderr
    means = {rate: sum(values) / 2 for rate, values in dice.items()}
    for rate, mean in means.items():
        assert f"| adamw | {rate:g} | 2 | {mean:.4f} |" in done.stdout
    assert done.stdout.splitlines()[-1].startswith(f"adamw: {max(means, key=means.get):g}")
    run = next(sweep.glob("*-s1-*"))
    status = json.loads((run / "status.json").read_text())
    status["state"] = "failed"
    (run / "status.json").write_text(json.dumps(status))
    refused = script("choose_lr.py", str(sweep))
    assert (refused.returncode, f"{run.name}: is failed" in refused.stderr) == (1, True)


def test_a_rate_at_the_end_is_no_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(EXPERIMENTS))
    choice = importlib.import_module("choose_lr").choice
    assert choice({1e-3: 0.8, 2e-3: 0.9, 4e-3: 0.85}) == "0.002"
    assert choice({1e-3: 0.8, 2e-3: 0.9}) == "0.002 is best and at the end; try higher ones too"
    assert choice({1e-3: 0.9, 2e-3: 0.8}) == "0.001 is best and at the end; try lower ones too"
