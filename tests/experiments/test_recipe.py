"""The parts that experiments/recipe tries, which are options of its own."""

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
import yaml
from conftest import tiny, write_oxford
from scipy import stats
from torch import nn

from pets_seg.errors import InputError
from pets_seg.training.muon import Muon

RECIPE = Path(__file__).parents[2] / "experiments" / "recipe"


@pytest.fixture
def ladder(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(RECIPE))
    return importlib.import_module("ladder")


@pytest.mark.slow
def test_a_record_counts_all_runs_that_differ_in_the_seed_alone(
    tmp_path: Path, in_process: Callable[..., tuple[int, str]]
) -> None:
    write_oxford(tmp_path / "data")
    few = tiny(tmp_path / "data")
    code, shown = in_process("-m", *few, "name=record", "seed=5,6,7", "train.epochs=6", "optimizer.lr=1e-2")
    assert code == 0, shown
    sweep = tmp_path / "work" / "runs" / "record"
    dices = [pd.read_json(path, typ="series")["best_val_dice"] for path in sorted(sweep.glob("*/summary.json"))]

    def record(mark: float) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(RECIPE / "record.py"), str(sweep), "--mark", str(mark)]
        command += ["--results", str(tmp_path / "results")]
        return subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)

    done = record(0.05)
    assert done.returncode == 0, done.stderr
    *rows, _, _, _ = done.stdout.splitlines()
    assert [row.split(" | ")[0] for row in rows[2:]] == ["| 5", "| 6", "| 7"]
    assert [row.split(" | ")[3] for row in rows[2:]] == [f"{dice:.4f}" for dice in dices]
    last = [pd.read_csv(path)["val/dice"].iloc[-1] for path in sorted(sweep.glob("*/metrics.csv"))]
    assert pd.read_csv(tmp_path / "results" / "last_epoch.csv")["last_val_dice"].tolist() == pytest.approx(last)
    assert record(0.99).stdout.endswith("no record.\n")
    metrics = next(iter(sweep.glob("*/metrics.csv")))
    kept = metrics.read_text()
    metrics.unlink()
    damaged = record(0.05)
    assert (damaged.returncode, damaged.stdout, len(damaged.stderr.splitlines())) == (1, "", 1)
    metrics.write_text(kept)
    code, shown = in_process(*few, "name=record", "seed=8")
    assert code == 0, shown
    refused = record(0.05)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "has another optimizer.lr" in refused.stderr


def test_the_test_of_a_record_is_one_sided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(RECIPE))
    verdict = importlib.import_module("record").verdict
    dices = [0.9010, 0.9030, 0.9005, 0.9022]
    p = stats.t.sf((np.mean(dices) - 0.9) / (np.std(dices, ddof=1) / 2), 3)
    assert verdict(dices, 0.9).endswith(f"p = {p:.2g}, no record.")
    assert verdict(dices, 0.89).endswith("a record.")
    assert verdict(dices, 0.92).endswith("p = 1, no record.")
    assert verdict(dices, 0.9, 2).endswith(f"2 attempts counted: p = {2 * p:.2g}, no record.")
    with pytest.raises(InputError, match="a test needs two that differ"):
        verdict([0.9, 0.9], 0.8)
    with pytest.raises(InputError, match="give 1 or more"):
        verdict(dices, 0.9, 0)


@pytest.mark.parametrize("name", ["record", "record_two"])
def test_the_last_epochs_are_those_of_the_kept_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(RECIPE.parent / "verify"))
    sweep = importlib.import_module("archive").unpack(RECIPE / name / "runs.tar.xz", tmp_path)
    last = {
        yaml.safe_load((path.parent / "config.yaml").read_text())["seed"]: pd.read_csv(path)["val/dice"].iloc[-1]
        for path in sweep.glob("*/metrics.csv")
    }
    kept = pd.read_csv(RECIPE / name / "last_epoch.csv")
    assert dict(zip(kept["seed"], kept["last_val_dice"], strict=True)) == last


def test_convolutions_begin_as_identities(ladder: ModuleType) -> None:
    network, image = ladder.IdentityUNet(8), torch.rand(1, 3, 32, 32)
    widening, keeping = network.encoder[0][0], network.encoder[0][3]
    torch.testing.assert_close(widening(image)[:, :3], image)
    assert not torch.equal(widening(image)[:, 3:6], image)
    features = torch.rand(1, 8, 32, 32)
    torch.testing.assert_close(keeping(features), features)
    # A copy of the first inputs of a decoder's block would be one of the skip alone: the levels below would not learn.
    network(image).sum().backward()
    assert all(weight.grad.abs().max() > 0 for weight in network.parameters() if weight.ndim == 4)


def test_a_growing_network_sees_half_the_size_for_its_first_steps(ladder: ModuleType) -> None:
    network, image, sizes = ladder.GrowingUNet(2, small_steps=2), torch.rand(2, 3, 64, 64), []
    network.encoder[0].register_forward_pre_hook(lambda block, inputs: sizes.append(inputs[0].shape[-1]))
    assert network(image).shape == (2, 2, 64, 64)
    with torch.no_grad():
        network.eval()(image)
    again = ladder.GrowingUNet(2, small_steps=2)
    again.load_state_dict(network.state_dict())
    again.encoder[0].register_forward_pre_hook(lambda block, inputs: sizes.append(inputs[0].shape[-1]))
    again(image)
    again(image)
    assert sizes == [32, 64, 32, 64]


def test_images_that_a_growing_network_cannot_halve_are_refused_before_a_run(
    tmp_path: Path, in_process: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(RECIPE))
    write_oxford(tmp_path / "data")
    words = [word for word in tiny(tmp_path / "data") if not word.startswith("data.size")]
    search = f"hydra.searchpath=[file://{RECIPE / 'conf'}]"
    code, shown = in_process(*words, search, "model=growing_unet", "model.small_steps=2", "data.size=48")
    assert code == 2, shown
    assert not (tmp_path / "work" / "runs").exists()


def test_norms_learn_at_their_own_rate(ladder: ModuleType) -> None:
    def moved(optimizer_of: type[Muon], **settings: float) -> list[float]:
        torch.manual_seed(0)
        network = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4))
        before = [weight.detach().clone() for weight in network.parameters()]
        optimizer = optimizer_of(network.parameters(), lr=1e-3, weight_decay=0.0, **settings)
        network(torch.randn(2, 3, 8, 8)).pow(3).sum().backward()
        optimizer.step()
        return [(weight - old).abs().sum().item() for weight, old in zip(network.parameters(), before, strict=True)]

    convolution, *norms = moved(Muon)
    faster_convolution, *faster = moved(ladder.NormMuon, norm_factor=8.0)
    assert faster_convolution == convolution
    assert faster == pytest.approx([8 * norm for norm in norms], rel=1e-3)
