"""A run that is killed or interrupted at any moment, and started again, ends as if it had never stopped."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import SAVED, only_run, tiny
from outcome import check_readable, check_same, epoch_rows, outcome
from processes import finish, halt, interrupt, start, wait_for

# Epochs of 4 steps with last.pt written within them, and everything that has a state of its own.
RICH = [
    "train.batch_size=5",
    "train.save_every_steps=3",
    "train.keep_state=true",
    "aug=strong",
    "aug.keep_original=true",
    "train.ema=0.8",
]
CHAINS = {
    "muon": [*RICH, "optimizer=muon", "scheduler=onecycle", "train.accumulate=2", "loss=ce_dice"],
    "sgd": [
        "train.batch_size=5",
        "train.save_every_steps=1",
        "train.keep_state=true",
        "aug=elastic",
        "optimizer=sgd",
        "scheduler=cosine",
    ],
}
# Where it kills itself: the name that is looked up, and at which call of it; before that call does anything.
MOMENTS = [
    ("pets_seg.data.build.decode_pair", 7, "building the cache"),
    ("pets_seg.machine.files.os.replace data.csv", 1, "recording its data"),
    ("pets_seg.training.step.derive_seed", 4, "in the middle of an epoch"),
    ("pets_seg.machine.files.os.replace last.pt", 1, "writing last.pt"),
    ("pets_seg.training.loop.evaluate", 1, "validating"),
    ("pets_seg.training.loop.write_epoch", 1, "last.pt is written, what follows from it is not"),
    ("pets_seg.machine.files.os.replace metrics.csv", 2, "writing metrics.csv"),
    ("pets_seg.machine.files.os.replace best.safetensors", 1, "writing the best weights"),
    ("pets_seg.training.record.Batches", 1, "testing"),
    ("pets_seg.machine.files.os.replace per_image.csv", 1, "writing per_image.csv"),
    ("pets_seg.machine.files.os.replace summary.json", 1, "writing summary.json"),
    ("pets_seg.machine.files.os.replace status.json", 3, "writing that it is finished"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("chain", "moments"), [("muon", MOMENTS), ("sgd", MOMENTS[1:6:2])])
def test_killed_at_any_moment_it_ends_as_if_never_killed(
    chain: str, moments: list[tuple[str, int, str]], oxford: Path, tmp_path: Path
) -> None:
    arguments = [*tiny(oxford), "train.epochs=3", *CHAINS[chain]]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert finish(whole, [*arguments, f"data.cache_dir={tmp_path / 'cache'}"]) == 0, (whole / "shown").read_text()
    for place, nth, moment in moments:
        code = finish(killed, [*arguments, f"data.cache_dir={tmp_path / 'other'}"], (place, nth))
        assert code == -signal.SIGKILL, f"{moment}: {(killed / 'shown').read_text()}"
        check_readable(killed / "runs")
    assert finish(killed, [*arguments, f"data.cache_dir={tmp_path / 'other'}"]) == 0, (killed / "shown").read_text()
    check_same(outcome(only_run(whole)), outcome(only_run(killed)))
    assert outcome(only_run(killed))["left over"] == []
    assert [path.suffix for path in (tmp_path / "other").iterdir() if path.is_dir()] == [""]


LONG = ["train.batch_size=3", "train.epochs=400", "aug=hflip", "scheduler=constant"]


def until_epoch(epoch: int, work: Path, arguments: list[str]) -> Any:
    """Start a run and return its process once it has validated `epoch`."""
    process = start(work, arguments)
    wait_for(lambda: (work / "shown").exists() and f"epoch {epoch:>3}/" in (work / "shown").read_text())
    return process


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_once_interrupted_it_ends_after_the_step_and_goes_on_there(
    number: int, code: int, oxford: Path, tmp_path: Path
) -> None:
    arguments = [*tiny(oxford), *LONG]
    process = until_epoch(2, tmp_path / "work", arguments)
    os.kill(process.pid, number)
    process.join(120)
    assert process.exitcode == code
    shown = (tmp_path / "work" / "shown").read_text()
    assert "interrupted: the run stops after this step; Ctrl-C again stops it at once" in shown
    assert "Traceback" not in shown
    run = only_run(tmp_path / "work")
    status = json.loads((run / "status.json").read_text())
    assert status["state"] == "interrupted"
    assert status["error"] == {"type": "Interrupted", "message": f"interrupted by {signal.Signals(number).name}"}
    state = torch.load(run / "checkpoints" / "last.pt", weights_only=True)
    where = f"step {state['step']} of epoch {state['epoch']}" if state["step"] else f"epoch {state['epoch'] - 1}"

    epochs = state["epoch"] + 1
    found = []
    for name in ("work", "other"):
        process = until_epoch(epochs, tmp_path / name, arguments)
        process.kill()
        process.join(120)
        found.append(epoch_rows(only_run(tmp_path / name))[:epochs])
    assert f"continuing after {where} of 400" in (tmp_path / "work" / "shown").read_text()
    assert "continuing" not in (tmp_path / "other" / "shown").read_text()
    check_same(*found)


def test_twice_interrupted_it_ends_at_once(oxford: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    process = start(work, [*tiny(oxford), *LONG], ("pets_seg.training.step.derive_seed", 9), halt)
    wait_for((work / "halted").exists)
    os.kill(process.pid, signal.SIGTERM)
    wait_for(lambda: "interrupted: the run stops after this step" in (work / "shown").read_text())
    assert process.is_alive()
    os.kill(process.pid, signal.SIGINT)
    process.join(120)
    assert process.exitcode == 130
    assert json.loads((only_run(work) / "status.json").read_text())["state"] == "interrupted"
    check_readable(work / "runs")


def test_interrupted_after_its_last_step_a_sweep_does_not_go_on(oxford: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    arguments = ["-m", *tiny(oxford), "train.epochs=1", "seed=0,1"]
    assert finish(work, arguments, ("pets_seg.training.record.summarise", 1), interrupt) == 130
    # The first job was at its end, the second is not begun.
    assert json.loads((only_run(work) / "status.json").read_text())["state"] == "finished"


def test_a_vanished_data_set_is_said_and_the_run_goes_on_when_it_is_back(oxford: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    arguments = [*tiny(oxford), *SAVED, "data.download=false", "train.epochs=3"]
    assert finish(work, arguments, ("pets_seg.training.loop.write_epoch", 2)) == -signal.SIGKILL
    before = {path: path.read_bytes() for path in (work / "runs").rglob("*") if path.is_file()}
    away = oxford.rename(tmp_path / "away")
    assert finish(work, arguments) == 2
    [line] = (work / "shown").read_text().splitlines()
    assert f"sought in {oxford}/oxford-iiit-pet and not found" in line
    assert before == {path: path.read_bytes() for path in (work / "runs").rglob("*") if path.is_file()}
    away.rename(oxford)
    assert finish(work, arguments) == 0
    assert "continuing after epoch 2 of 3" in (work / "shown").read_text()


@pytest.mark.slow
def test_a_checkpoint_of_another_run_is_refused(oxford: Path, tmp_path: Path) -> None:
    work, other = tmp_path / "work", tmp_path / "other"
    assert finish(other, [*tiny(oxford), *SAVED, "model.width=8", "train.epochs=1"]) == 0
    assert finish(work, [*tiny(oxford), *SAVED], ("pets_seg.training.loop.write_epoch", 1)) == -signal.SIGKILL
    last = only_run(work) / "checkpoints" / "last.pt"
    last.write_bytes((only_run(other) / "checkpoints" / "last.pt").read_bytes())
    assert finish(work, tiny(oxford)) == 2
    line = (work / "shown").read_text().splitlines()[-1]
    assert f"{last}: does not fit this run" in line
    assert "existing=restart trains it from the beginning" in line
    assert finish(work, [*tiny(oxford), "existing=restart"]) == 0


@pytest.mark.slow
def test_figures_without_a_state_are_removed_before_training_starts_anew(oxford: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    assert finish(work, [*tiny(oxford), "train.epochs=3"], ("pets_seg.training.record.Batches", 1)) == -signal.SIGKILL
    run = only_run(work)
    (run / "checkpoints" / "last.pt").write_bytes(b"damaged")
    again = [*tiny(oxford), "train.epochs=3"]
    assert finish(work, again, ("pets_seg.training.step.derive_seed", 1)) == -signal.SIGKILL
    assert "last.pt cannot be read" in (work / "shown").read_text()
    assert not (run / "metrics.csv").exists()
    assert not (run / "checkpoints" / "best.safetensors").exists()
    assert finish(work, again) == 0
