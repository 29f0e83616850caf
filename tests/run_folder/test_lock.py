"""Two processes and one run folder: the second leaves it alone, and a dead one holds nothing."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import only_run, tiny
from filelock import FileLock
from processes import start, wait_for

from pets_seg.errors import InputError
from pets_seg.run_folder import lock

HOLD = """
import sys, time
from filelock import FileLock
lock = FileLock(sys.argv[1])
lock.acquire()
print("held", flush=True)
time.sleep(100)
"""


@pytest.fixture
def holder(tmp_path: Path) -> Callable[[Path], subprocess.Popen]:
    """Hold a folder's lock in a process of its own."""
    started = []

    def hold(folder: Path) -> subprocess.Popen:
        folder.mkdir(parents=True, exist_ok=True)
        program = [sys.executable, "-c", HOLD, str(folder / ".lock")]
        process = subprocess.Popen(program, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield hold
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.slow
def test_the_second_process_says_who_is_at_work_and_changes_nothing(
    oxford: Path, tmp_path: Path, in_process: Callable[..., tuple[int, str]], holder: Callable
) -> None:
    arguments = [*tiny(oxford), "train.epochs=1"]
    assert in_process(*arguments)[0] == 0
    run = only_run(tmp_path / "work")
    status = {"state": "running", "host": "there", "pid": 77, "since": "2026-01-02T03:04:05+00:00"}
    (run / "status.json").write_text(json.dumps(status))
    process = holder(run)
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in run.rglob("*") if path.is_file()}
    for more in ([], ["existing=restart"]):
        code, shown = in_process(*arguments, *more)
        assert code == 2
        assert shown.strip().endswith(
            "another process is training this run (host there, pid 77, since 2026-01-02T03:04:05+00:00); wait for it, "
            "or end it"
        )
        assert len(shown.strip().splitlines()) == 1
    assert before == {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in run.rglob("*") if path.is_file()}

    # A process that was killed holds nothing any more.
    process.kill()
    process.wait()
    code, shown = in_process(*arguments)
    assert code == 0, shown
    assert json.loads((run / "status.json").read_text())["state"] == "finished"


@pytest.mark.slow
def test_a_real_run_in_progress_is_named(
    oxford: Path, tmp_path: Path, in_process: Callable[..., tuple[int, str]]
) -> None:
    work = tmp_path / "work"
    arguments = [*tiny(oxford), "train.epochs=5000"]
    first = start(work, arguments)
    wait_for(lambda: list(work.glob("runs/default/*/metrics.csv")))
    code, shown = in_process(*arguments)
    assert code == 2
    assert f"(host {os.uname().nodename}, pid {first.pid}, since 20" in shown
    first.kill()
    first.join(120)
    # What a kill leaves half-written is removed by the next process.
    left = only_run(work) / "checkpoints" / ".last.pt.1.part"
    left.write_bytes(b"half")
    second = start(work, arguments)
    wait_for(lambda: not left.exists())
    second.kill()
    second.join(120)


def test_nothing_is_made_by_asking(tmp_path: Path, holder: Callable) -> None:
    lock.check_free(tmp_path / "none")
    assert list(tmp_path.iterdir()) == []
    holder(tmp_path / "run")
    with pytest.raises(InputError, match=r"another process is training this run; wait for it"):
        lock.check_free(tmp_path / "run")


def test_a_file_system_without_locks_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog) -> None:
    def refuse(self: FileLock, **settings: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(FileLock, "acquire", refuse)
    with lock.locked(tmp_path):
        pass
    assert "has no locks" in caplog.text


def test_a_folder_that_cannot_be_written_is_an_input_error(tmp_path: Path) -> None:
    (tmp_path / ".lock").mkdir()
    with pytest.raises(InputError, match="cannot be written"), lock.locked(tmp_path):
        pass
