"""A sweep in the slots of this machine: the figures of the ordinary launcher, whatever dies, stops or fails."""

import csv
import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import SAVED, command, tiny
from local_sweeps import begin, end, nothing_left
from outcome import check_same, outcome
from processes import pause, start, wait_for

# Each starts several processes that import PyTorch, which takes long where other tests run beside them.
pytestmark = pytest.mark.timeout(600)
EPOCH = "pets_seg.training.loop.write_epoch"


@pytest.fixture(autouse=True)
def _nothing_left() -> Iterator[None]:
    """End what a test that failed has left at work."""
    yield from nothing_left()


def sweep(work: Path) -> Path:
    return work / "runs" / "default"


def jobs(work: Path) -> list[dict]:
    try:
        return json.loads((sweep(work) / "progress.json").read_text())["jobs"]
    except OSError:
        return []


def runs(work: Path) -> list[Path]:
    return sorted(sweep(work).glob("unet-*"))


def status(run: Path) -> dict:
    return json.loads((run / "status.json").read_text())


def check_alike(work: Path, other: Path) -> None:
    assert [run.name for run in runs(work)] == [run.name for run in runs(other)]
    for one, two in zip(runs(work), runs(other), strict=True):
        check_same(outcome(one), outcome(two))


def at_work(work: Path, seed: int) -> Callable[[], int | None]:
    """Return what gives the process of the run of a seed once that has written its state and has epochs to go."""

    def process() -> int | None:
        [run, *_] = [*sweep(work).glob(f"unet-*-s{seed}-*"), None]
        if not run or not (run / "checkpoints" / "last.pt").exists():
            return None
        return status(run)["pid"] if status(run)["state"] == "running" else None

    return process


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """Two runs of some seconds by the ordinary launcher: their folder, and the words of their sweep."""
    from conftest import write_oxford

    root = tmp_path_factory.mktemp("long")
    write_oxford(root / "data")
    words = [*tiny(root / "data"), "train.epochs=40", *SAVED, "seed=0,1"]
    done = command("-m", *words, cwd=root, OMP_NUM_THREADS="1")
    assert done.returncode == 0, done.stderr
    return root, words


@pytest.mark.slow
def test_figures_are_those_of_the_ordinary_launcher(oxford: Path, tmp_path: Path) -> None:
    here, work = tmp_path / "here", tmp_path / "work"
    words = [*tiny(oxford), *SAVED, "aug=none,hflip", "seed=0,1"]
    here.mkdir()
    assert command("-m", *words, cwd=here, OMP_NUM_THREADS="1").returncode == 0
    # Another process has one of the runs, which the sweep waits for.
    other = start(work, [*tiny(oxford), *SAVED, "aug=none", "seed=0"], (EPOCH, 1), pause)
    wait_for((work / "halted").exists)
    process = begin(work, words)
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith("waiting for other processes to finish what they are training: unet-none-adamw-s0-"):
            (work / "go").touch()
    other.join(200)
    assert (process.wait(), other.exitcode) == (0, 0), lines
    assert lines[0] == "4 jobs in 2 slots of 1 thread\n"
    assert sum(": done in " in line and "  dice " in line for line in lines) == 3
    assert sum("  finished  " in line for line in lines) == 4
    assert len([*csv.DictReader((sweep(work) / "runs.csv").open())]) == 4
    # The other process may have more threads.
    alike = [run for run in runs(work) if status(run)["pid"] != other.pid]
    assert [status(run)["threads"] for run in alike] == [1] * 3
    for run in alike:
        check_same(outcome(sweep(here) / run.name), outcome(run))
    assert [*sweep(work).glob(".jobs-*")] == []
    assert not any("Traceback" in line for line in lines)


@pytest.mark.slow
def test_a_run_whose_process_dies_is_continued(long: tuple[Path, list[str]], tmp_path: Path) -> None:
    root, words = long
    process = begin(tmp_path, words)
    killed = wait_for(at_work(tmp_path, 0), seconds=200)
    os.kill(killed, signal.SIGKILL)
    code, shown = end(process)
    assert code == 0, shown
    assert (
        "seed=0: its process was ended by SIGKILL, as the system does when memory runs out; it is tried once" in shown
    )
    [run] = [run for run in runs(tmp_path) if "-s0-" in run.name]
    log = (run / "train.log").read_text()
    assert "\nits process was ended by SIGKILL" in log
    assert " continuing after " in log
    assert status(run)["state"] == "finished"
    assert [job["attempts"] for job in jobs(tmp_path)] == [2, 1]
    check_alike(root, tmp_path)


@pytest.mark.slow
def test_a_run_whose_process_dies_twice_has_failed(long: tuple[Path, list[str]], tmp_path: Path) -> None:
    root, words = long
    process = begin(tmp_path, [*words, "existing=restart"])
    first = wait_for(at_work(tmp_path, 0), seconds=200)
    os.kill(first, signal.SIGKILL)
    [run] = [run for run in runs(tmp_path) if "-s0-" in run.name]
    # What the first process had trained is not trained again.
    wait_for(lambda: " continuing after " in (run / "train.log").read_text(), seconds=200)
    second = status(run)["pid"]
    assert second != first
    os.kill(second, signal.SIGKILL)
    code, shown = end(process)
    assert code == 1, shown
    reason = "its process was ended by SIGKILL, as the system does when memory runs out, for the second time"
    assert (status(run)["state"], status(run)["error"]["message"]) == ("failed", reason)
    assert f"\n{run.name} failed: {reason}\n" in shown
    assert shown.count(reason) == 2
    assert shown.count("  finished  ") == 1
    # The same command continues it.
    assert end(begin(tmp_path, words))[0] == 0
    check_alike(root, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_sweep_that_is_stopped_is_continued(
    long: tuple[Path, list[str]], tmp_path: Path, number: signal.Signals
) -> None:
    root, words = long
    process = begin(tmp_path, words)
    pids = [wait_for(at_work(tmp_path, seed), seconds=200) for seed in (0, 1)]
    process.send_signal(number)
    code, shown = end(process)
    if number == signal.SIGKILL:
        # Nobody tells the jobs; they notice it.
        wait_for(lambda: {status(run)["state"] for run in runs(tmp_path)} == {"interrupted"}, seconds=60)
    else:
        assert code == 128 + number
        assert shown.endswith("interrupted; the same command continues the run\n")
        assert shown.count("interrupted") == 2
    for run, pid in zip(runs(tmp_path), pids, strict=True):
        assert (status(run)["state"], status(run)["pid"]) == ("interrupted", pid)
        assert (run / "checkpoints" / "last.pt").exists()
    code, shown = end(begin(tmp_path, words))
    assert code == 0, shown
    assert [(run / "train.log").read_text().count(" continuing after ") for run in runs(tmp_path)] == [1, 1]
    check_alike(root, tmp_path)


@pytest.mark.slow
def test_jobs_that_fail_are_named_with_their_reasons(oxford: Path, tmp_path: Path) -> None:
    words = [*tiny(oxford), "optimizer=sgd", "optimizer.lr=0.1,1e30,2e30", "hydra.launcher.stop_after=1"]
    code, shown = end(begin(tmp_path, [*words, "hydra.launcher.slots=1"]))
    assert code == 1
    line = "the training loss is not finite in epoch 1; try a lower optimizer.lr (now 1e+30)"
    assert f"[2/3] optimizer.lr=1e+30: failed: {line}" in shown
    assert "stopped: 1 job has failed (hydra.launcher.stop_after=1), so that the other job is not started\n" in shown
    assert "optimizer.lr=2e+30 not made: 1 job has failed" in shown
    assert shown.count("  finished  ") == 1
    assert len(runs(tmp_path)) == 2
