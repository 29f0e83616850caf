"""What the scripts of several questions make of a sweep's runs, and which runs they refuse to put together."""

import importlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import tiny, write_oxford
from scipy import stats

EXPERIMENTS = Path(__file__).parents[2] / "experiments"


def script(name: str, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(EXPERIMENTS / name), *words]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)


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
    dice: dict[tuple[str, str], list[float]] = {}
    for run in sorted(sweep.glob("*/summary.json"), key=lambda path: path.parent.name.split("-")[3]):
        share = "0.75" if "train_fraction: 0.75" in (run.parent / "config.yaml").read_text() else "1"
        dice.setdefault((share, run.parent.name.split("-")[1]), []).append(json.loads(run.read_text())["test_dice"])
    gains = {
        share: [100 * (a - b) for a, b in zip(dice[share, "strong"], dice[share, "none"], strict=True)]
        for share in ("1", "0.75")
    }

    assert max(map(abs, gains["1"])) > 0

    def interval(values: list[float]) -> str:
        mean = sum(values) / len(values)
        low, high = stats.t.interval(0.95, 2, mean, stats.sem(values))
        return f"{mean:+.2f} ({low:+.2f} to {high:+.2f})"

    done = script("data_size/data_size.py", str(sweep))
    assert done.returncode == 0, done.stderr
    all_images, fewer = [line.split(" | ") for line in done.stdout.splitlines()[2:]]
    assert all_images[:3] == ["| 1", "12", "3"]
    assert all_images[5] == interval(gains["1"])
    changes = [a - b for a, b in zip(gains["0.75"], gains["1"], strict=True)]
    assert fewer[5:] == [interval(gains["0.75"]), f"{interval(changes)} |"]

    refused = script("choose_lr.py", str(sweep))
    assert (refused.returncode, "has another " in refused.stderr) == (1, True)
    shutil.rmtree(next(sweep.glob("unet-strong-*-s2-*")))
    refused = script("data_size/data_size.py", str(sweep))
    assert (refused.returncode, "has the seeds [0, 1]" in refused.stderr) == (1, True)


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
