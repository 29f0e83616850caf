"""A sweep that several processes share: a run that another one holds is left to it, and taken over if it is gone."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
from itertools import takewhile
from pathlib import Path

import pytest
from conftest import SAVED, tiny
from filelock import FileLock
from processes import pause, start, wait_for

from pets_seg.command.schedule import Schedule
from pets_seg.run_folder.lock import is_held
from pets_seg.run_folder.pace import Machine, Work

EPOCH = "pets_seg.training.loop.write_epoch"
WAITING = "waiting for other processes to finish what they are training: unet-none-"
ONE_BY_ONE = """
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper


class OneByOne(BasicSweeper):
    pass
"""


def status(work: Path, seed: int) -> dict:
    [file] = work.glob(f"runs/default/*-s{seed}-*/status.json")
    return json.loads(file.read_text())


def begin(work: Path, sweep: list[str], moment: tuple[str, int] = (EPOCH, 1)) -> tuple:
    """Start a sweep whose first process stands still in its first run, and a second one, which has done the rest."""
    first = start(work, sweep, moment, pause, streams=("one", "one"))
    wait_for((work / "halted").exists)
    second = start(work, sweep, streams=("two", "two"))
    wait_for((work / "two").exists)
    wait_for(lambda: WAITING in (work / "two").read_text() or not second.is_alive(), seconds=150)
    assert WAITING in (work / "two").read_text()
    return first, second


def end(process) -> int:
    process.join(100)
    return process.exitcode


@pytest.mark.slow
def test_two_processes_train_each_run_once_and_both_compare_all(oxford: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    first, second = begin(work, ["-m", *tiny(oxford), "seed=0,1"])
    (work / "go").touch()
    assert [end(first), end(second)] == [0, 0], (work / "two").read_text()
    one, two = ((work / name).read_text() for name in ("one", "two"))
    assert [status(work, seed)["pid"] for seed in (0, 1)] == [first.pid, second.pid]
    assert [one.count("epoch 2/2"), two.count("epoch 2/2")] == [1, 1]
    assert [one.count("finished already"), two.count("finished already")] == [1, 1]
    assert two.count("another process is training this run") == 1
    shown = [text[text.index("\n2 runs in") :] for text in (one, two)]
    assert shown[0] == shown[1]
    assert shown[0].count("  finished  ") == 2


@pytest.mark.slow
def test_a_run_whose_process_was_killed_is_taken_over_and_continued(oxford: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    first, second = begin(work, ["-m", *tiny(oxford), *SAVED, "seed=0,1"])
    first.kill()
    assert end(first) == -signal.SIGKILL
    assert end(second) == 0, (work / "two").read_text()
    two = (work / "two").read_text()
    # The first epoch of the killed process is kept.
    assert "\ncontinuing after epoch 1 of 2\n" in two
    assert [two.count(f"epoch {epoch}/2") for epoch in (1, 2)] == [1, 2]
    assert [status(work, seed)["pid"] for seed in (0, 1)] == [second.pid, second.pid]
    [metrics] = work.glob("runs/default/*-s0-*/metrics.csv")
    assert [row["epoch"] for row in csv.DictReader(metrics.open())] == ["1", "2"]
    assert two.count("  finished  ") == 2


@pytest.mark.slow
def test_what_the_other_process_failed_at_is_tried_once(oxford: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    bad = ["-m", *tiny(oxford), "optimizer=sgd", "optimizer.lr=1e30", "seed=0"]
    first, second = begin(work, bad, ("pets_seg.command.one_run.train", 1))
    (work / "go").touch()
    assert [end(first), end(second)] == [1, 1]
    one, two = ((work / name).read_text() for name in ("one", "two"))
    line = "the training loss is not finite in epoch 1"
    assert one.count(f"\n{line}") == two.count(f"\n{line}") == 1
    # The first process may have shown what became of the run while the second one was at it again.
    assert two.count(f" failed: {line}") == 1


@pytest.mark.slow
def test_ctrl_c_ends_the_waiting_at_once(oxford: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    first, second = begin(work, ["-m", *tiny(oxford), "seed=0,1"])
    os.kill(second.pid, signal.SIGINT)
    assert end(second) == 130
    assert (work / "two").read_text().endswith("interrupted\n")
    first.kill()
    first.join()


@pytest.mark.slow
def test_a_sweeper_that_needs_the_figure_of_a_run_waits_for_it_in_its_job(oxford: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    (work / "hydra_plugins").mkdir(parents=True)
    (work / "hydra_plugins" / "one_by_one.py").write_text(ONE_BY_ONE)
    first = start(work, [*tiny(oxford), "seed=0"], (EPOCH, 1), pause)
    wait_for((work / "halted").exists)
    words = ["-m", "hydra.sweeper._target_=hydra_plugins.one_by_one.OneByOne", *tiny(oxford), "seed=0,1"]
    program = [sys.executable, "-m", "pets_seg.run", *words, "existing=restart"]
    second = subprocess.Popen(
        program, cwd=work, env={**os.environ, "PYTHONPATH": str(work)}, stdout=subprocess.PIPE, text=True
    )
    before = [*takewhile(lambda line: not line.endswith("; waiting for it\n"), second.stdout)]
    (work / "go").touch()
    rest = second.stdout.read()
    assert (second.wait(), end(first)) == (0, 0), (before, rest)
    # The run that was waited for is not trained again; the other one is this process's own.
    assert rest.count("finished already") == rest.count("epoch 1/2") == 1
    assert rest.count("  finished  ") == 2


def test_what_others_train_takes_no_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from test_schedule import config, write_run

    write_run(tmp_path / "a" / "1", config(), seconds=2)
    images, here = {"train": 200, "valid": 30, "test": 60}, Machine("cpu", 2)
    folders = [tmp_path / "new" / name for name in ("held", "free")]
    work = [Work(folder, config(), images, here) for folder in folders]

    def announced() -> list[str]:
        Schedule(work, ["", ""], tmp_path).announce()
        return re.findall(r"about (\S+ \S+) (.*) by", capsys.readouterr().out)

    assert announced() == [("94 min", "in all")]
    folders[0].mkdir(parents=True)
    with FileLock(folders[0] / ".lock"):
        assert [is_held(folder) for folder in folders] == [True, False]
        assert announced() == [("47 min", "for 1 of 2 jobs")]
    assert announced() == [("94 min", "in all")]
    assert not folders[1].exists()
