"""What W&B keeps of a run offline is the run, and `make sync` uploads it once."""

import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import only_run, python_elsewhere, tiny
from processes import finish
from wandb_child import config_of, pictures, row, steps
from wandb_server import KEY, WandbServer

from pets_seg.run_folder.pictures import add_pictures
from pets_seg.tracking.wandb_names import PARTLY
from pets_seg.tracking.wandb_sync import waiting_runs

CHILD = Path(__file__).with_name("wandb_child.py")


def start(*jobs: dict[str, Any], environment: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
    """Begin to pass rows to the sink in a process of its own."""
    return subprocess.Popen(
        [sys.executable, CHILD, json.dumps({"jobs": jobs, "patience": 8})],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **(environment or {})},
    )


def drive(*jobs: dict[str, Any], environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Pass rows to the sink in a process of its own, to its end."""
    with start(*jobs, environment=environment) as process:
        try:
            out, err = process.communicate(timeout=120)
        finally:
            process.kill()
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def inspect(run: Path) -> dict[str, Any]:
    """Return what the wandb command reads of an offline run: its rows, without W&B's own columns, and the rest."""
    command = [sys.executable, "-m", "wandb", "leet", "inspect", run, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    records = [json.loads(line) for line in done.stdout.splitlines()]
    found: dict[str, Any] = {"rows": [], "summary": {}, "exit_code": None}
    for record in records:
        if record["type"] == "run":
            found |= record["run"]
        elif record["type"] == "history":
            found["rows"].append({k: v for k, v in record["history"]["item"].items() if not k.startswith("_")})
        elif record["type"] == "summary":
            found["summary"] |= record["summary"].get("update", {})
        elif record["type"] == "exit":
            found["exit_code"] = record["exit"].get("exit_code", 0)
    return found


def offline(folder: Path) -> Path:
    """Return the one W&B run of a run folder, which is an offline run."""
    [run] = (folder / "wandb").glob("*run-*-*")
    assert run.name.startswith("offline-run-")
    return run


def sync(folder: Path, *words: str, **environment: str) -> tuple[int, str]:
    """Do what `make sync` does; return exit code and what was shown."""
    command = [sys.executable, "-m", "pets_seg.tracking.wandb_sync", folder, *words]
    done = subprocess.run(
        command, cwd=folder.parent, capture_output=True, text=True, timeout=60, env={**os.environ, **environment}
    )
    return done.returncode, done.stdout + done.stderr


def write_folder(folder: Path, epochs: int, every: int = 0) -> None:
    """Write what `make sync` reads of a run folder, with figures of every so many steps."""
    (folder / "config.yaml").write_text(yaml.safe_dump(config_of("auto")))
    (folder / "summary.json").write_text(json.dumps({"test_dice": 0.75}))
    tables = {"metrics.csv": [row(epoch) for epoch in range(1, epochs + 1)]}
    if every:
        tables["steps.csv"] = [step for epoch in range(1, epochs + 1) for step in steps(epoch, every)]
    for name, rows in tables.items():
        with (folder / name).open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)


def table(path: Path) -> list[dict[str, float]]:
    with path.open(newline="") as file:
        return [{key: float(value) for key, value in line.items()} for line in csv.DictReader(file)]


def without_pictures(line: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in line.items() if not key.startswith("val/pictures")}


@pytest.mark.slow
def test_an_offline_run_that_was_killed_and_continued_is_one_whole_run(oxford: Path, tmp_path: Path) -> None:
    # Two steps an epoch. It is killed between them, after last.pt was written, and behind the first two epochs.
    arguments = [*tiny(oxford), "tracker.mode=auto", "tracker.every_steps=1", "name=study", "train.epochs=3"]
    arguments.append("train.save_every_steps=1")
    work = tmp_path / "work"
    assert finish(work, arguments, ("pets_seg.training.step.derive_seed", 4)) != 0
    assert finish(work, arguments, ("pets_seg.training.loop.write_epoch", 2)) != 0
    folder = only_run(work, "study")
    first = offline(folder)
    assert finish(work, arguments) == 0
    run = offline(folder)
    assert run != first
    assert run.name.rsplit("-")[-1] == first.name.rsplit("-")[-1]
    read = inspect(run)
    epochs, of_steps = table(folder / "metrics.csv"), table(folder / "steps.csv")
    assert [line["epoch"] for line in epochs] == [1, 2, 3]
    assert [line["step"] for line in of_steps] == [1, 2, 3, 4, 5, 6]
    # What is of the same step is one line.
    expected = [step | (epochs[place // 2] if place % 2 else {}) for place, step in enumerate(of_steps)]
    assert list(map(without_pictures, read["rows"])) == expected
    assert [line["step"] for line in read["rows"] if "val/pictures._type" in line] == [2, 4, 6]
    assert (read["run_group"], read["job_type"], read["display_name"]) == ("study", "train", folder.name)
    assert read["tags"] == ["unet", "none", "adamw", "seed 0"]
    settings = {"model", "aug", "optimizer", "scheduler", "loss", "data", "train", "seed"}
    assert read["config"]["update"].keys() - {"_wandb"} == settings
    assert read["config"]["update"]["optimizer"]["lr"] > 0
    summary = json.loads((folder / "summary.json").read_text())
    summary = {key.replace("test_", "test/"): value for key, value in summary.items()}
    assert {"test/dice", "test/loss", "best_val_dice"} < summary.keys()
    assert {key: read["summary"].get(key) for key in summary} == summary
    assert read["exit_code"] == 0
    # W&B itself says nothing; where its files are is said by us.
    told = [line.split() for line in (work / "shown").read_text().splitlines() if "wandb" in line or "W&B" in line]
    assert [line[:3] for line in told] == [["W&B", "offline", "files"], ["upload", "with", python_elsewhere()]]


def test_jobs_of_one_process_are_runs_of_their_own_and_a_restart_is_another(tmp_path: Path) -> None:
    jobs = [{"folder": str(tmp_path / name), "rows": rows, "mode": "offline"} for name, rows in (("a", 1), ("b", 2))]
    again = {**jobs[0], "folder": str(tmp_path / "later" / "a"), "started": "now"}
    done = drive(*jobs, again)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    runs = [offline(Path(job["folder"])) for job in (*jobs, again)]
    assert len({run.name.rsplit("-")[-1] for run in runs}) == 3
    assert inspect(runs[0])["rows"] == [row(1)]
    assert inspect(runs[1])["rows"] == [row(1), row(2)]


@pytest.mark.slow
def test_a_finished_run_that_gets_a_new_metric_is_copied_again(
    oxford: Path, tmp_path: Path, in_process: Callable[..., tuple[int, str]]
) -> None:
    arguments = [word for word in tiny(oxford) if word != "tracker.mode=disabled"]
    assert in_process(*arguments, "tracker.mode=offline")[0] == 0
    folder = only_run(tmp_path / "work")
    before = inspect(offline(folder))
    code, shown = in_process(*arguments, "tracker.mode=offline", "metric=boundary_f1")
    assert code == 0, shown
    assert "scoring the best weights again for boundary_f1" in shown
    after = inspect(offline(folder))
    score = json.loads((folder / "summary.json").read_text())["test_boundary_f1"]
    assert float(after["summary"]["test/boundary_f1"]) == score
    assert (after["run_id"], len(after["rows"])) == (before["run_id"], len(before["rows"]))


@pytest.mark.slow
def test_sync_uploads_once_and_then_only_what_is_new(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    folder = runs / "sweep" / "a"
    job = {"folder": str(folder), "mode": "offline"}
    with WandbServer() as server:
        drive({**job, "rows": 2})
        code, shown = sync(runs, **server.environment)
        assert code == 0, shown
        [stored] = server.runs.values()
        assert (stored.rows, stored.sent) == ([row(1), row(2)], 2)
        assert waiting_runs(runs) == []
        # It goes on, and the server knows its beginning.
        drive({**job, "rows": 4, "pictures": True})
        write_folder(folder, 4)
        add_pictures(folder, 4, pictures())
        # Nothing that this one wrote can be read, but its folder says it.
        drive({"folder": str(runs / "sweep" / "b"), "mode": "offline", "rows": 3, "killed": True})
        write_folder(runs / "sweep" / "b", 2)
        code, shown = sync(runs, **server.environment)
        assert code == 0, shown
        first, killed = server.runs.values()
        assert first is stored
        assert first.rows == [row(epoch) for epoch in range(1, 5)]
        assert (first.sent, first.exit_code, first.summary["test/dice"]) == (4, 0, 0.75)
        assert any(name.startswith("media/images/val/pictures") for name in first.files)
        assert killed.rows == [row(1), row(2)]
    assert waiting_runs(runs) == []
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]
    assert [path.name for path in runs.iterdir()] == ["sweep"]


def test_an_upload_that_was_broken_off_goes_on_and_a_damaged_folder_keeps_no_other_waiting(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    damaged, broken_off = runs / "sweep" / "a", runs / "sweep" / "b"
    with WandbServer() as server:
        drive(*({"folder": str(folder), "mode": "offline", "rows": 2} for folder in (damaged, broken_off)))
        write_folder(broken_off, 2)
        shutil.rmtree(offline(broken_off))
        for folder in (damaged, broken_off):
            (folder / "wandb" / PARTLY).touch()
        code, shown = sync(runs, **server.environment)
        assert code == 1
        assert f"{damaged}: " in shown
        assert f"1 offline run was not taken; to try it again: {python_elsewhere()} -m " in shown
        assert "Traceback" not in shown
        [stored] = server.runs.values()
        assert stored.rows == [row(1), row(2)]
    assert {run for run, _, _ in waiting_runs(runs)} == {damaged}


def test_sync_says_what_is_in_the_way(tmp_path: Path) -> None:
    folder = tmp_path / "runs"
    again = f"{python_elsewhere()} -m pets_seg.tracking.wandb_sync runs\n"
    assert sync(folder) == (2, f"{folder}: is not a folder; give one that holds runs, e.g. {again}")
    bare = [sys.executable, "-m", "pets_seg.tracking.wandb_sync"]
    done = subprocess.run(bare, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (2, f"give one folder that holds runs, e.g. {again}")
    waiting = folder / "sweep" / "a" / "wandb" / "offline-run-1-x"
    waiting.mkdir(parents=True)
    (waiting / "run-x.wandb").touch()
    code, shown = sync(folder, NETRC=str(tmp_path / "none"))
    assert (code, shown.count("\n"), "no W&B key is configured" in shown) == (2, 1, True)
    with WandbServer() as server:
        server.die()
        code, shown = sync(folder, **server.environment)
    assert (code, shown.count("\n"), f"the W&B server {server.url} does not answer" in shown) == (1, 1, True)
    assert KEY not in shown
