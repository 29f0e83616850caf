"""Whole runs on CUDA: they repeat, resume, fit into memory, take every setting, and are scored as they said."""

import gc
import json
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import SAVED, only_run, tiny
from on_gpu import DEVICE, NETWORKS, distance, prepared, take_steps, trained
from outcome import check_same, outcome
from processes import start

from pets_seg.config.options import OWN

pytestmark = pytest.mark.gpu
Command = Callable[..., tuple[int, str]]
ON_DEVICE = f"train.device={DEVICE}"
# Beside the options of every group of which a run has one.
SETTINGS = [
    "train.precision=fp32",
    "train.precision=bf16",
    "train.precision=fp16",
    "train.precision=fp16 optimizer=muon",
    "train.accumulate=3",
    "train.checkpoint_activations=true",
    "train.ema=0.9",
    "train.deterministic=true",
    "train.deterministic=true aug=strong model.upsampling=transposed",
    "aug=strong aug.keep_original=true",
    "data.boundary=ignore",
    "data.normalisation=raw",
    "metric=boundary_f1",
    "model=unet model.width=8 model.upsampling=transposed",
    "model=resnet34_unet model.decoder_width=8",
    *(f"{group}={option}" for group in ("aug", "optimizer", "scheduler", "loss") for option in OWN.options(group)),
]


@pytest.mark.parametrize(
    "settings",
    [
        ["model.width=4", "aug=strong", "train.ema=0.8", "optimizer=muon", "loss=ce_dice"],
        ["model=resnet34_unet", "model.decoder_width=4", "aug=elastic_or_crop", "aug.keep_original=true"],
    ],
    ids=["unet", "resnet34_unet"],
)
def test_deterministic_runs_repeat_bit_for_bit_killed_or_not(settings: list[str], oxford: Path, tmp_path: Path) -> None:
    of_any_network = [word for word in tiny(oxford) if "width" not in word]
    arguments = [*of_any_network, *settings, *SAVED, ON_DEVICE, "train.deterministic=true", "train.epochs=3"]
    arguments += ["train.batch_size=5", f"data.cache_dir={tmp_path / 'cache'}"]
    works = [tmp_path / name for name in ("first", "second", "killed")]
    moments = [None, None, ("pets_seg.training.step.train_step", 7)]
    processes = [start(work, arguments, moment) for work, moment in zip(works, moments, strict=True)]
    for process in processes:
        process.join(120)
    shown = "\n".join((work / "shown").read_text() for work in works)
    assert [process.exitcode for process in processes] == [0, 0, -signal.SIGKILL], shown
    again = start(works[2], arguments)
    again.join(120)
    shown = (works[2] / "shown").read_text()
    assert again.exitcode == 0, shown
    assert "continuing after step" in shown
    first, second, resumed = (outcome(only_run(work)) for work in works)
    check_same(first, second)
    check_same(first, resumed)


@pytest.mark.parametrize("settings", SETTINGS)
def test_every_setting_trains(settings: str, tmp_path: Path) -> None:
    words = settings.split()
    network = [] if any(word.startswith("model=") for word in words) else NETWORKS["unet"]
    losses = []
    summary = trained(tmp_path, *network, *words, "data.size=32", "train.epochs=2", images=40)
    assert summary["updates"] == 10
    for line in (tmp_path / "metrics.csv").read_text().splitlines()[1:]:
        losses.append(float(line.split(",")[1]))
    assert len(losses) == 2
    assert all(loss < 2 for loss in losses), losses
    assert 0 <= summary["test_dice"] <= 1


def test_a_compiled_network_computes_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its loss and its weights after three steps are those of the plain one."""
    pytest.importorskip("triton", reason="torch.compile needs triton on CUDA")
    settings = [*NETWORKS["unet"], "train.precision=fp32", "optimizer=sgd", "optimizer.lr=1e-3", "scheduler=constant"]
    found: list[tuple[Any, torch.Tensor]] = []
    for compiled in ("false", "true"):
        run = prepared(tmp_path / compiled, *settings, f"train.compile={compiled}")
        monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
        take_steps(run, 3)
        weights = torch.cat([parameter.flatten() for parameter in run.state.network.parameters()])
        found.append((run.state.losses.means(), weights))
    assert found[1][0] == pytest.approx(found[0][0], rel=1e-3)
    assert distance(found[1][1], found[0][1]) < 1e-3


def test_compiling_is_not_given_up_over_ten_networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graphs: list[str] = []

    def counting(graph: torch.fx.GraphModule, inputs: Any) -> Any:
        # Dynamo's part, which gives up after some networks; generating code for each would take minutes.
        graphs.append(str(width))
        return graph.forward

    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=counting))
    for width in range(2, 12):
        settings = ["model=unet", f"model.width={width}", "data.size=32", "train.compile=true"]
        trained(tmp_path / str(width), *settings, images=16)
    assert set(graphs) == {str(width) for width in range(2, 12)}


def test_memory_stays_flat_over_six_jobs(tmp_path: Path) -> None:
    peaks, kept = [], []
    for job in range(6):
        peaks.append(trained(tmp_path / str(job), "model=unet", "model.width=32", "data.size=128")["peak_memory_mb"])
        gc.collect()
        kept.append(torch.cuda.memory_allocated() / 1e6)
    # The first job also tries kernels and makes the libraries' work spaces.
    assert max(peaks[1:]) <= 1.02 * min(peaks[1:]), peaks
    assert max(peaks) <= 1.1 * peaks[0], peaks
    assert max(kept[1:]) - min(kept[1:]) < 1, kept


def test_out_of_memory_names_the_batch_size_and_the_sweep_goes_on(
    oxford: Path, tmp_path: Path, in_process: Command
) -> None:
    torch.cuda.empty_cache()
    # 1.8 GB: a batch of 2 images of 256 px takes less, one of 18 more.
    share = 1.8e9 / torch.cuda.get_device_properties(DEVICE).total_memory
    torch.cuda.set_per_process_memory_fraction(share)
    large = ["model.width=64", "data.size=256", "train.epochs=1", ON_DEVICE, "name=memory"]
    try:
        code, shown = in_process("-m", *tiny(oxford), *large, "train.batch_size=18,2")
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert code == 1, shown
    assert "out of memory with train.batch_size=18 at data.size=256; try train.batch_size=9" in shown
    states = [json.loads(path.read_text())["state"] for path in (tmp_path / "work/runs/memory").glob("*/status.json")]
    assert sorted(states) == ["failed", "finished"]


def test_evaluating_a_run_gives_the_figures_of_its_summary(oxford: Path, tmp_path: Path, in_process: Command) -> None:
    code, shown = in_process(*tiny(oxford), "train.epochs=5", "aug=elastic", ON_DEVICE)
    assert code == 0, shown
    run = only_run(tmp_path / "work")
    summary = json.loads((run / "summary.json").read_text())
    code, shown = in_process("task=evaluate", f"checkpoint={run}", "split=test", ON_DEVICE)
    assert code == 0, shown
    [file] = run.glob("evaluations/*/evaluation.json")
    found = json.loads(file.read_text())
    # Another choice of kernels rounds otherwise, and a pixel counts for more than a thousandth here.
    assert found["dice"] == pytest.approx(summary["test_dice"], abs=5e-3)
    assert found["loss"] == pytest.approx(summary["test_loss"], rel=2e-2)
