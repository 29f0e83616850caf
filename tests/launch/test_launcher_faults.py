"""The launcher of one machine where jobs fail, processes die and signals come, with an application that is not ours."""

import signal
import time
from pathlib import Path

import pytest
from application import began, begin, progress, states, sweep, write
from processes import wait_for


def test_a_worker_that_dies_is_replaced_and_its_job_tried_once_more(tmp_path: Path) -> None:
    write(tmp_path, own=True)
    words = ["killed_once", "killed", "crash", "exit", "odd", "unpicklable", "1", "2"]
    code, shown = sweep(tmp_path, f"x={','.join(words)}", "hydra.launcher.slots=2", "hydra.launcher.stop_after=50")
    assert states(tmp_path) == {
        "x=killed_once +more=1": "done",
        "x=killed +more=1": "died",
        "x=crash +more=1": "died",
        "x=exit": "failed",
        "x=odd": "failed",
        "x=unpicklable": "failed",
        "x=1": "done",
        "x=2": "done",
    }
    # The application is told of jobs that never returned; of the others Hydra raises the first.
    assert code == 1
    memory = ", as the system does when memory runs out"
    assert f"x=killed_once: its process was ended by SIGKILL{memory}; it is tried once more\n" in shown
    assert f"x=killed: died: its process was ended by SIGKILL{memory}, for the second time" in shown
    assert "x=crash: died: its process was ended by SIGSEGV, for the second time" in shown
    assert "x=exit: failed: SystemExit: 3" in shown
    assert "x=odd: failed: Odd: odd one" in shown
    assert "x=unpicklable: failed: what the job returned cannot be sent to another process" in shown
    assert shown.count("told 1 died True") == shown.count("told 1 died False") == 1
    # The words that the application adds are those of the second time alone.
    assert [more for x, *_, more in began(tmp_path) if x == "killed_once"] == ["None", "1"]


def test_hydra_raises_for_an_application_that_is_not_told(tmp_path: Path) -> None:
    write(tmp_path)
    code, shown = sweep(tmp_path, "x=killed,1", "hydra.launcher.slots=2")
    assert code == 1
    assert states(tmp_path) == {"x=killed": "died", "x=1": "done"}
    assert "RuntimeError: x=killed: its process was ended by SIGKILL" in shown


@pytest.mark.parametrize("given", [[], ["hydra.launcher.stop_after=2"]])
def test_hours_of_the_same_error_are_spared(tmp_path: Path, given: list[str]) -> None:
    write(tmp_path)
    code, shown = sweep(tmp_path, "x=bad,bad2,bad3,bad4,bad5,bad6", "hydra.launcher.slots=1", *given)
    assert code == 1
    failed = 2 if given else 3
    assert [*states(tmp_path).values()].count("not started") == 6 - failed
    [line] = [line for line in shown.splitlines() if line.startswith("stopped: ")]
    assert line == (
        "stopped: 2 jobs have failed (hydra.launcher.stop_after=2), so that the other 4 jobs are not started"
        if given
        else "stopped: 3 jobs in a row failed alike within 10 s of their start, so that the other 3 jobs are not "
        "started; hydra.launcher.stop_after=N stops after N failures instead"
    )


@pytest.mark.parametrize("slots", [1, 4])
def test_one_bad_option_does_not_end_a_sweep(tmp_path: Path, slots: int) -> None:
    write(tmp_path)
    code, shown = sweep(tmp_path, "x=bad,1,2", "y=0,1,2,3", f"hydra.launcher.slots={slots}")
    assert code == 1
    assert "stopped" not in shown
    assert sorted(states(tmp_path).values()) == ["done"] * 8 + ["failed"] * 4


@pytest.mark.parametrize(
    ("number", "own", "line"),
    [
        (signal.SIGINT, False, "the jobs stop after their current step; Ctrl-C again stops them at once"),
        (signal.SIGTERM, False, "the jobs stop after their current step; Ctrl-C again stops them at once"),
        (signal.SIGINT, True, "jobs of y=7 stop soon"),
    ],
)
def test_signals_end_the_jobs(tmp_path: Path, number: signal.Signals, own: bool, line: str) -> None:
    write(tmp_path, own=own)
    process = begin(tmp_path, "x=slow,slower,1", "y=7", "hydra.launcher.slots=2")
    wait_for(lambda: (tmp_path / "began").exists() and len(began(tmp_path)) == 2)
    process.send_signal(number)
    shown, _ = process.communicate(timeout=60)
    assert process.returncode != 0
    assert f"interrupted: {line}\n" in shown
    assert states(tmp_path) == {"x=slow y=7": "interrupted", "x=slower y=7": "interrupted", "x=1 y=7": "queued"}
    assert [pid for _, pid, *_ in began(tmp_path) if is_alive(int(pid))] == []


def test_workers_end_when_the_process_of_the_sweep_is_killed(tmp_path: Path) -> None:
    write(tmp_path)
    process = begin(tmp_path, "x=slow,slower", "hydra.launcher.slots=2")
    wait_for(lambda: (tmp_path / "began").exists() and len(began(tmp_path)) == 2)
    process.kill()
    process.communicate()
    for _, pid, *_ in began(tmp_path):
        wait_for(lambda pid=int(pid): not is_alive(pid), seconds=60)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_no_job_begins_in_workers_that_start_while_the_sweep_is_ended(tmp_path: Path, number: signal.Signals) -> None:
    write(tmp_path)
    process = begin(tmp_path, "x=1,2", "hydra.launcher.slots=2", SLOW_START="5")
    wait_for(lambda: (tmp_path / "out" / "progress.json").exists() and [*states(tmp_path).values()] == ["running"] * 2)
    workers = [job["pid"] for job in progress(tmp_path)["jobs"]]
    process.send_signal(number)
    process.communicate()
    assert process.returncode != 0
    for pid in workers:
        wait_for(lambda pid=pid: not is_alive(pid), seconds=60)
    assert not (tmp_path / "began").exists()


def test_what_a_dead_worker_began_holds_up_nothing_and_ends_with_it(tmp_path: Path) -> None:
    write(tmp_path)
    began_at = time.monotonic()
    code, _ = sweep(tmp_path, "x=forks,1", "hydra.launcher.slots=1")
    assert code == 1
    assert time.monotonic() - began_at < 100
    assert states(tmp_path) == {"x=forks": "died", "x=1": "done"}
    forked = (tmp_path / "forked").read_text().split()
    assert len(forked) == 2
    for pid in forked:
        wait_for(lambda pid=int(pid): not is_alive(pid), seconds=60)


def test_figures_are_written_as_json_has_them_or_refused(tmp_path: Path) -> None:
    write(tmp_path)
    words = ["hydra.launcher.slots=1", "hydra.launcher.stop_after=9"]
    code, _ = sweep(tmp_path, "x=figures,no_figure,too_far,1", *words)
    assert code == 1
    found = {job["overrides"][0]: job for job in progress(tmp_path)["jobs"]}
    assert found["x=figures"]["figures"] == {"x": "figures", "done": 1, "loss": "nan", "rate": 0.25}
    assert found["x=no_figure"]["reason"] == "TypeError: report(loss=...): must be a number or a text, not list"
    assert found["x=too_far"]["reason"] == "ValueError: report(done=1.5): must be a number from 0 to 1"
    assert found["x=1"]["state"] == "done"


def is_alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
