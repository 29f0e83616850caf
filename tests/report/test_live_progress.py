"""How far the jobs of a sweep are: what tells them apart, and when the last of them will end."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pets_seg.report.progress import Job, Progress, found_jobs, labels, read_progress, time_left
from pets_seg.run_folder.folder import RunFolder


def running(jobs: int, rows: int, epochs: int = 10, seconds: float = 2.0) -> list[Progress]:
    table = [{"epoch": str(epoch + 1), "seconds": str(seconds), "val/dice": f"0.{5 + epoch}"} for epoch in range(rows)]
    return [
        Progress(Job(f"r{n}", ("a",), n, epochs), "a", "running", began=time.time(), rows=table) for n in range(jobs)
    ]


def test_the_end_is_that_of_the_slots_that_run_now() -> None:
    # Two slots, each with 5 epochs of 24 s to go; then 3 jobs of 240 s: one slot takes two of them.
    known = running(2, 5, seconds=24.0) + [Progress(Job(f"q{n}", ("a",), n, 10)) for n in range(3)]
    assert time_left(known) == pytest.approx(5 * 24 + 2 * 240)
    # Jobs that are finished say how long one takes.
    done = Progress(Job("d", ("a",), 9, 10), "a", "finished", began=1000.0, ended=1000.0 + 600)
    assert time_left([*known, done]) == pytest.approx(5 * 24 + 2 * 600)
    assert time_left(running(2, 0)) is None
    assert time_left([Progress(Job("q", ("a",), 0, 10))]) is None


def test_labels_tell_jobs_apart(tmp_path: Path) -> None:
    def jobs(*of: tuple[str, str, int]) -> list[Job]:
        return [Job(run, tuple(words.split()), seed, 3) for run, words, seed in of]

    assert labels(jobs(("a-s0-1", "name=s aug=none seed=0", 0), ("b-s1-2", "name=s aug=crop seed=1", 1))) == [
        "aug=none",
        "aug=crop",
    ]
    assert labels(jobs(("a-s0-1", "name=s seed=0", 0), ("a-s1-2", "name=s seed=1", 1))) == ["", ""]
    assert labels(jobs(("a-s0-1", "name=s", 0), ("b-s0-2", "name=s aug=crop", 0))) == ["a", "aug=crop"]
    # Of commands whose words do not show in what their runs differ; and of runs whose words nobody knows.
    assert labels(jobs(("a-s0-1", "name=s", 0), ("a-s0-2", "name=s", 0), ("a-s1-3", "name=s", 1))) == ["1", "2", ""]
    assert labels(jobs(("a-b-s0-1", "", 0), ("a-b-s0-2", "", 0), ("a-s1-3", "lr=1", 1), ("odd", "", 0))) == [
        "a-b 1",
        "a-b 2",
        "a",
        "odd",
    ]
    assert labels([]) == []


def test_runs_that_a_search_chose_have_the_words_that_it_gave_them(tmp_path: Path) -> None:
    for digest, words in {"1a": ["optimizer.lr=0.1", "name=s"], "2b": ["optimizer.lr=0.2", "name=s"]}.items():
        run = tmp_path / f"unet-hflip-adamw-s7-{digest}"
        RunFolder(run).write_status("running")
        (run / ".hydra").mkdir()
        (run / ".hydra" / "overrides.yaml").write_text("".join(f"- {word}\n" for word in words))
    shown = [(item.label, item.job.seed) for item in read_progress(tmp_path, found_jobs(tmp_path))]
    assert shown == [("optimizer.lr=0.1", 7), ("optimizer.lr=0.2", 7)]
    # A file of a stranger.
    (run / ".hydra" / "overrides.yaml").write_text("{a: !!python/name:os.system}")
    shown = [item.label for item in read_progress(tmp_path, found_jobs(tmp_path))]
    assert shown == ["unet-hflip-adamw 1a", "unet-hflip-adamw 2b"]


def test_a_run_whose_process_was_killed_is_not_running(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    for name in ("a-s0-1", "a-s1-2"):
        RunFolder(tmp_path / name).write_status("running")
    status = tmp_path / "a-s0-1" / "status.json"
    status.write_text(json.dumps(json.loads(status.read_text()) | {"pid": process.pid}))
    killed, living = read_progress(tmp_path, found_jobs(tmp_path))
    assert (killed.state, killed.error) == (
        "interrupted",
        "its process ended unexpectedly; the same command continues it",
    )
    assert (living.state, living.error) == ("running", "")
