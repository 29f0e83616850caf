"""Runs in processes of their own that can be killed, held or starved at a chosen moment, and what they give."""

import csv
import errno
import json
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

# Children of a server that has imported what a run needs: a run then starts in a tenth of a second.
SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["pets_seg.run", "pets_seg.tasks.train", "kornia.augmentation"])
Moment = tuple[str, int]


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def halt() -> None:
    time.sleep(100)


def fill_disk() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


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


def finish(work: Path, arguments: list[str], moment: Moment | None = None, act: Callable[[], None] = die) -> int:
    process = start(work, arguments, moment, act)
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


def wait_for(condition: Callable[[], Any]) -> Any:
    last = time.monotonic() + 60
    while not (found := condition()):
        assert time.monotonic() < last
        time.sleep(0.01)
    return found
