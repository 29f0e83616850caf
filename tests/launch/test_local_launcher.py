"""The launcher of one machine, with an application that is not ours: warm workers, faults, signals."""

import json
import os
import pty
import re
import subprocess
import sys
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


def test_the_jobs_of_all_rounds_of_a_sweep_are_in_one_file(tmp_path: Path) -> None:
    write(tmp_path)
    code, _ = sweep(tmp_path, "x=1,2,3", "hydra.launcher.slots=2", "hydra.sweeper.max_batch_size=2")
    assert code == 0
    assert states(tmp_path) == {"x=1": "done", "x=2": "done", "x=3": "done"}
    assert progress(tmp_path)["ended"]
    assert [path.name for path in (tmp_path / "out").iterdir() if path.name.startswith(".")] == []


@pytest.mark.slow
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
