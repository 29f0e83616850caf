"""A run that is killed or interrupted at any moment, and started again, ends as if it had never stopped."""

import csv
import json
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import tiny
from safetensors.torch import load_file

# Children of a server that has imported what a run needs: a run then starts in a tenth of a second.
SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["pets_seg.run", "pets_seg.tasks.train", "kornia.augmentation"])
# Epochs of 4 steps with last.pt written within them, and everything that has a state of its own.
RICH = ["train.batch_size=5", "train.save_every_steps=3", "aug=strong", "aug.keep_original=true", "train.ema=0.8"]
CHAINS = {
    "muon": [*RICH, "optimizer=muon", "scheduler=onecycle", "train.accumulate=2", "loss=ce_dice"],
    "sgd": ["train.batch_size=5", "train.save_every_steps=1", "aug=elastic", "optimizer=sgd", "scheduler=cosine"],
}
# Where it kills itself: the name that is looked up, and at which call of it; before that call does anything.
MOMENTS = [
    ("pets_seg.data.cache.decode_pair", 7, "building the cache"),
    ("pets_seg.training.loop.derive_seed", 4, "in the middle of an epoch"),
    ("pets_seg.files.os.replace last.pt", 1, "writing last.pt"),
    ("pets_seg.training.loop.evaluate", 1, "validating"),
    ("pets_seg.training.loop.write_epoch", 1, "last.pt is written, what follows from it is not"),
    ("pets_seg.files.os.replace metrics.csv", 2, "writing metrics.csv"),
    ("pets_seg.files.os.replace best.safetensors", 1, "writing the best weights"),
    ("pets_seg.training.loop.load_network", 1, "testing"),
    ("pets_seg.files.os.replace per_image.csv", 1, "writing per_image.csv"),
    ("pets_seg.files.os.replace summary.json", 1, "writing summary.json"),
    ("pets_seg.files.os.replace status.json", 2, "writing that it is finished"),
]


Moment = tuple[str, int]


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def halt() -> None:
    time.sleep(100)


def child(work: Path, arguments: list[str], moment: Moment | None, act: Callable[[], None]) -> None:
    """Run the command line in `work`, its output into `shown`; at `moment`, `act`."""
    work.mkdir(exist_ok=True)
    os.chdir(work)
    shown = os.open("shown", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(shown, stream)
    if moment:
        act_at(*moment, act)
    from pets_seg.run import main

    sys.argv = ["run.py", *arguments]
    main()


def act_at(place: str, nth: int, act: Callable[[], None]) -> None:
    name, _, file = place.partition(" ")
    module, _, attribute = name.rpartition(".")
    owner = sys.modules.get(module) or getattr(sys.modules[module.rpartition(".")[0]], module.rpartition(".")[2])
    original = getattr(owner, attribute)
    calls = iter(range(1, 1000))

    def watched(*arguments: Any, **named: Any) -> Any:
        if (not file or Path(arguments[1]).name == file) and next(calls) == nth:
            act()
        return original(*arguments, **named)

    setattr(owner, attribute, watched)


def start(work: Path, arguments: list[str], moment: Moment | None = None, act: Callable[[], None] = die) -> Any:
    process = SERVER.Process(target=child, args=(work, arguments, moment, act))
    process.start()
    return process


def finish(work: Path, arguments: list[str], moment: Moment | None = None) -> int:
    process = start(work, arguments, moment)
    process.join(100)
    return process.exitcode


def epoch_rows(run: Path) -> list[dict[str, str]]:
    """Return metrics.csv without time and throughput."""
    with open(run / "metrics.csv") as file:
        rows = list(csv.DictReader(file))
    return [{key: row[key] for key in row if key not in ("seconds", "images_per_second")} for row in rows]


def results(work: Path) -> dict[str, Any]:
    """Return all that a run gives but time, throughput and memory."""
    [run] = (work / "runs" / "default").iterdir()
    summary = json.loads((run / "summary.json").read_text())
    timed = ("train_seconds", "peak_memory_mb")
    state = torch.load(run / "checkpoints" / "last.pt", weights_only=True)
    for row in state["rows"]:
        del row["seconds"], row["images_per_second"]
    return {
        "metrics": epoch_rows(run),
        "summary": {key: value for key, value in summary.items() if key not in timed},
        "per_image": (run / "per_image.csv").read_bytes(),
        "best": (run / "checkpoints" / "best.safetensors").read_bytes(),
        "state": state,
        "left over": sorted(path.name for path in run.rglob("*.part")),
        "status": json.loads((run / "status.json").read_text())["state"],
    }


def same(first: Any, second: Any, where: str = "") -> None:
    """Assert that two results are equal, tensors bit for bit."""
    if isinstance(first, dict):
        assert first.keys() == second.keys(), where
        for key in first:
            same(first[key], second[key], f"{where}/{key}")
    elif isinstance(first, list | tuple):
        assert len(first) == len(second), where
        for index, pair in enumerate(zip(first, second, strict=True)):
            same(*pair, f"{where}/{index}")
    elif isinstance(first, torch.Tensor):
        assert torch.equal(first, second), where
    else:
        assert first == second, where


def readable(work: Path) -> None:
    """Assert that every file that a run has so far is whole."""
    for path in (work / "runs").rglob("*"):
        if path.suffix == ".json":
            json.loads(path.read_text())
        elif path.suffix == ".csv":
            with open(path) as file:
                assert all(None not in row and None not in row.values() for row in csv.DictReader(file))
        elif path.suffix == ".safetensors":
            load_file(path)
        elif path.name == "last.pt":
            torch.load(path, weights_only=True)


@pytest.mark.parametrize("chain", CHAINS)
def test_killed_at_any_moment_it_ends_as_if_never_killed(chain: str, oxford: Path, tmp_path: Path) -> None:
    arguments = [*tiny(oxford), "train.epochs=3", *CHAINS[chain]]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert finish(whole, [*arguments, f"data.cache_dir={tmp_path / 'cache'}"]) == 0, (whole / "shown").read_text()
    for place, nth, moment in MOMENTS:
        code = finish(killed, [*arguments, f"data.cache_dir={tmp_path / 'other'}"], (place, nth))
        assert code == -signal.SIGKILL, f"{moment}: {(killed / 'shown').read_text()}"
        if (killed / "runs").exists():
            readable(killed)
    assert finish(killed, [*arguments, f"data.cache_dir={tmp_path / 'other'}"]) == 0, (killed / "shown").read_text()
    same(results(whole), results(killed))
    assert results(killed)["left over"] == []
    assert [path.suffix for path in (tmp_path / "other").iterdir() if path.is_dir()] == [""]


LONG = ["train.batch_size=3", "train.epochs=400", "aug=hflip", "scheduler=constant"]


def until_epoch(epoch: int, work: Path, arguments: list[str]) -> Any:
    """Start a run and return its process once it has validated `epoch`."""
    process = start(work, arguments)
    wait_for(lambda: (work / "shown").exists() and f"epoch {epoch:>3}/" in (work / "shown").read_text())
    return process


def wait_for(condition: Callable[[], Any]) -> Any:
    last = time.monotonic() + 60
    while not (found := condition()):
        assert time.monotonic() < last
        time.sleep(0.01)
    return found


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_once_interrupted_it_ends_after_the_step_and_goes_on_there(
    number: int, code: int, oxford: Path, tmp_path: Path
) -> None:
    arguments = [*tiny(oxford), *LONG]
    process = until_epoch(2, tmp_path / "work", arguments)
    os.kill(process.pid, number)
    process.join(30)
    assert process.exitcode == code
    shown = (tmp_path / "work" / "shown").read_text()
    assert "interrupted: ends after this step; once more ends it at once" in shown
    assert "Traceback" not in shown
    [run] = (tmp_path / "work" / "runs" / "default").iterdir()
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
        process.join(30)
        found.append(epoch_rows(next((tmp_path / name / "runs" / "default").iterdir()))[:epochs])
    assert f"continuing after {where} of 400" in (tmp_path / "work" / "shown").read_text()
    assert "continuing" not in (tmp_path / "other" / "shown").read_text()
    same(*found)


def test_twice_interrupted_it_ends_at_once(oxford: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    process = start(work, [*tiny(oxford), *LONG], ("pets_seg.training.loop.derive_seed", 9), halt)
    [run] = wait_for(lambda: list(work.glob("runs/default/*/metrics.csv")))
    time.sleep(0.3)
    os.kill(process.pid, signal.SIGTERM)
    process.join(0.5)
    assert process.exitcode is None
    os.kill(process.pid, signal.SIGINT)
    process.join(30)
    assert process.exitcode == 130
    assert json.loads(run.with_name("status.json").read_text())["state"] == "interrupted"
    readable(work)
