"""The launcher of one machine, with an application that is not ours: warm workers, faults, signals."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import application
import pytest
import yaml
from application import LOCAL, began, begin, progress, states, sweep, write
from processes import wait_for

PAGE = (Path(__file__).parents[2] / "docs" / "launcher.md").read_text(encoding="utf-8")


def test_the_application_of_the_page_runs_as_printed(tmp_path: Path) -> None:
    app, config = re.findall(r"```(?:python|yaml)\n# (?:\S+)\n(.*?)```", PAGE, re.S)
    assert 20 <= len(app.splitlines()) <= 25
    (tmp_path / "app.py").write_text(app)
    (tmp_path / "config.yaml").write_text(config)
    [line] = re.findall(r"^python app\.py (.*)$", PAGE, re.M)
    command = [sys.executable, "app.py", *line.split(), "hydra.launcher.slots=2", "hydra.sweep.dir=out"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    first, *lines = done.stdout.splitlines()
    assert first.startswith("3 jobs in 2 slots of ")
    assert sorted(re.sub(r"^\[./3\] (.*) in [\d.]+ s(.*?)(?:; ends.*)?$", r"\1\2", line) for line in lines) == [
        "rate=0.1: done, step 4/4  error 0.0001",
        "rate=0.5: done, step 4/4  error 0.0625",
        "rate=0.9: done, step 4/4  error 0.6561",
    ]
    progress = json.loads((tmp_path / "out" / "progress.json").read_text())
    assert [job["figures"]["done"] for job in progress["jobs"]] == [1, 1, 1]
    assert progress["started"] <= progress["ended"]


def test_workers_stay_and_the_longest_jobs_come_first(tmp_path: Path) -> None:
    write(tmp_path, own=True)
    code, shown = sweep(tmp_path, "x=1,2,3,4,5,6", "hydra.launcher.slots=1")
    assert code == 0
    assert len({pid for _, pid, *_ in began(tmp_path)}) == 1
    assert [x for x, *_ in began(tmp_path)] == ["6", "5", "4", "3", "2", "1"]
    assert shown.count("prepared 6") == 1
    assert re.findall(r"^told (\d) done False$", shown, re.M) == list("543210")
    # What jobs print does not mix with the lines of the sweep.
    assert "printed by" not in shown


def test_jobs_get_what_hydras_own_launcher_gives_them(tmp_path: Path) -> None:
    found = []
    for name, launcher in (("own", ""), ("local", LOCAL)):
        assert sweep(write(tmp_path / name), "x=1,2", "+more=7", launcher=launcher)[0] == 0
        out = tmp_path / name / "out"
        found.append({file.relative_to(out): yaml.safe_load(file.read_text()) for file in out.glob("*/.hydra/*.yaml")})
        for number, file in enumerate(sorted(out.glob("*/.hydra/hydra.yaml"))):
            hydra = found[-1][file.relative_to(out)]["hydra"]
            assert Path(hydra["runtime"].pop("output_dir")) == out / str(number)
            del hydra["launcher"], hydra["overrides"]["hydra"], hydra["runtime"]["cwd"], hydra["runtime"]["choices"]
            del hydra["runtime"]["config_sources"]
    assert len(found[0]) == 6
    assert found[0] == found[1]


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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_the_jobs(tmp_path: Path, number: signal.Signals) -> None:
    write(tmp_path)
    process = begin(tmp_path, "x=slow,slower,1", "hydra.launcher.slots=2")
    wait_for(lambda: (tmp_path / "began").exists() and len(began(tmp_path)) == 2)
    process.send_signal(number)
    shown, _ = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "interrupted: the jobs stop after their current step; Ctrl-C again stops them at once\n" in shown
    assert states(tmp_path) == {"x=slow": "interrupted", "x=slower": "interrupted", "x=1": "queued"}
    assert [pid for _, pid, *_ in began(tmp_path) if is_alive(int(pid))] == []


def test_workers_end_when_the_process_of_the_sweep_is_killed(tmp_path: Path) -> None:
    write(tmp_path)
    process = begin(tmp_path, "x=slow,slower", "hydra.launcher.slots=2")
    wait_for(lambda: (tmp_path / "began").exists() and len(began(tmp_path)) == 2)
    process.kill()
    process.communicate()
    for _, pid, *_ in began(tmp_path):
        wait_for(lambda pid=int(pid): not is_alive(pid), seconds=30)


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
        wait_for(lambda pid=pid: not is_alive(pid), seconds=30)
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
        wait_for(lambda pid=int(pid): not is_alive(pid), seconds=10)


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


def test_the_jobs_of_all_rounds_of_a_sweep_are_in_one_file(tmp_path: Path) -> None:
    write(tmp_path)
    code, _ = sweep(tmp_path, "x=1,2,3", "hydra.launcher.slots=2", "hydra.sweeper.max_batch_size=2")
    assert code == 0
    assert states(tmp_path) == {"x=1": "done", "x=2": "done", "x=3": "done"}
    assert progress(tmp_path)["ended"]
    assert [path.name for path in (tmp_path / "out").iterdir() if path.name.startswith(".")] == []


def is_alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def test_on_a_terminal_the_jobs_that_run_are_below_those_that_ended(tmp_path: Path) -> None:
    write(tmp_path)
    ours, theirs = pty.openpty()
    command = [sys.executable, "app.py", "-m", LOCAL, "hydra.launcher.slots=2", "x=1,2,3", "seconds=4"]
    own = {"PYTHONPATH": str(Path(application.__file__).parents[2]), "COLUMNS": "60", "LINES": "10"}
    process = subprocess.Popen(command, cwd=tmp_path, env={**os.environ, **own}, stdout=theirs, stderr=theirs)
    os.close(theirs)
    written = b""
    while True:
        try:
            part = os.read(ours, 4096)
        except OSError:
            break
        if not part:
            break
        written += part
    assert process.wait() == 0
    text = written.decode().replace("\r\n", "\n")
    assert re.search(r"x=1  starting\nx=2  starting\n0 of 3 done, 1 queued\n", text)
    assert re.search(
        r"x=1  x 1  [\d.]+ s left\nx=2  x 2  [\d.]+ s left\n0 of 3 done, 1 queued; ends about ..:..\n", text
    )
    left = screen(text)
    assert [re.sub(r"[\d.]+ s.*", "T", line) for line in left[1:]] == [
        *sorted(
            f"[{place}/3] x={x}: done in T"
            for place, x in zip((1, 2), re.findall(r"\[[12]/3\] x=(\d)", "\n".join(left)), strict=True)
        ),
        "[3/3] x=3: done in T",
    ]


def screen(text: str) -> list[str]:
    """Return the lines that are left on a terminal of what was written."""
    lines: list[str] = []
    for part in re.split(r"(\033\[\d+A\033\[J)", text):
        if match := re.fullmatch(r"\033\[(\d+)A\033\[J", part):
            del lines[len(lines) - int(match[1]) :]
        else:
            lines += part.splitlines()
    return lines


def test_the_time_that_is_left_is_told(tmp_path: Path) -> None:
    write(tmp_path)
    process = begin(tmp_path, "x=1", "seconds=6")
    path = tmp_path / "out" / "progress.json"
    entry = wait_for(lambda: path.exists() and (read := json.loads(path.read_text()))["expected_end"] and read)
    [job] = entry["jobs"]
    assert (job["state"], job["figures"]) == ("running", {"x": "1", "done": 0.5})
    assert Path(f"/proc/{job['pid']}").exists()
    process.kill()
    process.communicate()
