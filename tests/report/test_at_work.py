"""Commands that share a sweep: what they say, what a killed one leaves, and when the page says stopped."""

import os
import re
import signal
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
from conftest import tiny
from processes import SERVER, die, pause, start, wait_for

from pets_seg.report import at_work, live
from pets_seg.report.progress import Job

EPOCH = "pets_seg.training.loop.write_epoch"


def job(run: str) -> Job:
    return Job(run, ("name=s", f"aug={run}"), 0, 3)


def work(folder: Path, jobs: list[Job], then: Callable[[], None]) -> None:
    at_work.enter(folder, jobs)
    then()


def another(folder: Path, jobs: list[Job], then: Callable[[], None]) -> BaseProcess:
    """Start a process that is at work on the sweep in `folder`, and wait until it says so, or has ended."""
    before = {*folder.glob(".live-*/jobs.json")}
    process = SERVER.Process(target=work, args=(folder, jobs, then))
    process.start()
    wait_for(lambda: {*folder.glob(".live-*/jobs.json")} - before)
    return process


def stand() -> None:
    time.sleep(100)


def end(process: BaseProcess) -> None:
    process.kill()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL


def runs(folder: Path) -> set[str]:
    return {job.run for command in at_work.commands(folder) for job in command.jobs}


def test_what_a_killed_command_said_counts_until_another_one_is_at_work(tmp_path: Path) -> None:
    end(another(tmp_path, [job("killed")], die))
    # Its own processes may go on, perhaps on a machine that sees no locks.
    assert runs(tmp_path) == {"killed"}
    alive = another(tmp_path, [job("other")], stand)
    assert runs(tmp_path) == {"other"}
    assert len([*tmp_path.glob(".live-*")]) == 1
    at_work.enter(tmp_path, [job("own"), job("other")])
    assert runs(tmp_path) == {"own", "other"}
    end(alive)
    assert runs(tmp_path) == {"own", "other"}
    end(another(tmp_path, [job("killed")], die))
    assert runs(tmp_path) == {"own", "other"}
    at_work.leave(tmp_path)
    assert [*tmp_path.iterdir()] == []


def test_the_page_has_the_jobs_of_all_commands_and_says_stopped_after_the_last_one(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    at_work.enter(tmp_path, [job("none"), job("crop")])
    first = at_work.commands(tmp_path)[0].began
    other = another(tmp_path, [job("crop"), job("hflip")], stand)
    live.refresh(tmp_path)
    text = page.read_text()
    assert re.findall(r'row" class="short">(\S+)', text) == ["aug=none", "aug=crop", "aug=hflip"]
    assert live._iso(first) in text
    live.end(tmp_path, stopped=True)
    assert page.read_text() == text
    at_work.enter(tmp_path, [job("none")])
    end(other)
    live.end(tmp_path, stopped=True)
    assert "The sweep was stopped before its end" in page.read_text()
    assert re.findall(r'row" class="short">(\S+)', page.read_text()) == ["none"]


@pytest.mark.parametrize("there", ["<title>the full page</title>", None])
def test_a_comparison_or_nothing_is_not_replaced_by_word_that_the_sweep_was_stopped(
    there: str | None, tmp_path: Path
) -> None:
    page = tmp_path / "report.html"
    if there:
        page.write_text(there)
    at_work.enter(tmp_path, [job("none")])
    live.end(tmp_path, stopped=True)
    assert (page.read_text() if page.exists() else None) == there
    # A command that was refused before it began.
    page.write_text(live.render(tmp_path, [job("none")], live._now()))
    before = page.read_text()
    live.end(tmp_path, stopped=True)
    assert page.read_text() == before


def test_a_folder_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    # Nobody, not even root, makes a folder in a file.
    file = tmp_path / "file"
    file.touch()
    folder = file / "sweep"
    at_work.enter(folder, [job("none")])
    live.refresh(folder)
    live.end(folder, stopped=True)
    assert [*tmp_path.iterdir()] == [file]


@pytest.mark.slow
def test_a_command_that_is_stopped_leaves_the_page_to_the_one_that_goes_on(oxford: Path, tmp_path: Path) -> None:
    few = [word for word in tiny(oxford) if not word.startswith("aug=")]
    folder = tmp_path / "runs" / "s"
    page = folder / "report.html"
    first = start(tmp_path, ["-m", "name=s", *few, "aug=none", "seed=0,1"], (EPOCH, 2), pause, ("one", "one"))
    wait_for((tmp_path / "halted").exists)
    second = start(tmp_path, ["-m", "name=s", *few, "aug=hflip,none", "seed=0"], streams=("two", "two"))
    wait_for((tmp_path / "two").exists)
    wait_for(lambda: "waiting for other processes" in (tmp_path / "two").read_text(), seconds=150)
    assert len([*folder.glob(".live-*")]) == 2
    os.kill(second.pid, signal.SIGINT)
    second.join(60)
    assert second.exitcode == 130, (tmp_path / "two").read_text()
    assert len([*folder.glob(".live-*")]) == 1
    assert "Sweep, running" in page.read_text()
    (tmp_path / "go").touch()
    first.join(100)
    assert first.exitcode == 0, (tmp_path / "one").read_text()
    full = page.read_text()
    assert "Comparison of runs" in full
    assert not [*folder.glob(".live-*")]
    # Continued with one more seed, and stopped before its first epoch.
    (tmp_path / "halted").unlink()
    (tmp_path / "go").unlink()
    more = ["-m", "name=s", *few, "aug=none", "seed=0,1,2"]
    third = start(tmp_path, more, ("pets_seg.command.one_run.train", 1), pause)
    wait_for((tmp_path / "halted").exists)
    os.kill(third.pid, signal.SIGINT)
    (tmp_path / "go").touch()
    third.join(60)
    assert third.exitcode == 130
    assert page.read_text() == full
