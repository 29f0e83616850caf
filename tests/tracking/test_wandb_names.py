"""What W&B's variables call a run, in its files, uploads and report, and the lines that say where it is."""

import os
import shlex
import subprocess
from pathlib import Path

import pytest
from sweeps import write_sweep
from test_wandb import drive, inspect, offline, sync, write_folder
from wandb_server import ENTITY, WandbServer

from pets_seg.command.tasks import report
from pets_seg.errors import InputError
from pets_seg.report.study.study import read_study
from pets_seg.tracking.wandb_names import record, sweep_place

GIVEN = {
    "WANDB_PROJECT": "mine",
    "WANDB_ENTITY": "team",
    "WANDB_RUN_GROUP": "g",
    "WANDB_NAME": "trial",
    "WANDB_JOB_TYPE": "debug",
    "WANDB_TAGS": "x,crop,y z",
    "WANDB_NOTES": "of no use",
}
KEPT = {"project": "mine", "entity": "team", "run_group": "g", "display_name": "trial", "job_type": "debug"}
KEPT |= {"notes": "of no use", "tags": ["unet", "crop", "adam", "seed 3", "x", "y z"]}


@pytest.mark.slow
def test_what_a_run_is_called_is_what_the_variables_say(tmp_path: Path) -> None:
    jobs = [{"folder": str(tmp_path / name), "rows": 1, "project": p} for name, p in (("a", None), ("b", "given"))]
    done = drive(*jobs, environment=GIVEN)
    assert (done.returncode, done.stderr) == (0, "")
    for name, project in (("a", "mine"), ("b", "given")):
        read = inspect(offline(tmp_path / name))
        assert {key: read[key] for key in KEPT} == KEPT | {"project": project}
    # Set but empty they say nothing.
    drive({**jobs[0], "folder": str(tmp_path / "c")}, environment=dict.fromkeys(GIVEN, ""))
    read = inspect(offline(tmp_path / "c"))
    assert (read["project"], read["run_group"], read["display_name"]) == ("pets_seg", "sweep", "c")
    assert read["tags"] == ["unet", "crop", "adam", "seed 3"]


@pytest.mark.slow
def test_an_upload_says_what_the_variables_said_when_the_run_was_made(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    whole, killed = runs / "sweep" / "a", runs / "sweep" / "b"
    drive(
        {"folder": str(whole), "mode": "offline", "rows": 1, "project": None},
        {"folder": str(killed), "mode": "offline", "rows": 2, "project": None, "killed": True},
        environment=GIVEN | {"WANDB_ENTITY": ENTITY},
    )
    write_folder(killed, 2)
    with WandbServer() as server:
        now = dict.fromkeys(("WANDB_PROJECT", "WANDB_ENTITY", "WANDB_NAME", "WANDB_SWEEP_ID", "WANDB_RUN_ID"), "other")
        code, shown = sync(runs, **server.environment, **now)
        assert code == 0, shown
        assert len(server.runs) == 2
        for run in server.runs.values():
            told = [run.about.get(key) for key in ("project", "displayName", "groupName", "entity", "sweep")]
            assert told == ["mine", "trial", "g", ENTITY, None]


@pytest.mark.slow
def test_the_line_at_the_end_of_a_sweep_names_a_command_that_uploads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "runs" / "it's odd"
    drive(*({"folder": str(folder / name), "rows": 1} for name in ("a", "b")))
    said = sweep_place(folder)
    assert said.startswith("offline files of 2 runs\nupload with ")
    with WandbServer() as server:
        # As a user would paste it.
        upload = said.partition("with ")[2]
        environment = {**os.environ, **server.environment}
        subprocess.run(["sh", "-c", upload], env=environment, capture_output=True, check=True)
        assert len(server.runs) == 2
    assert sweep_place(folder) is None


def test_the_line_of_a_run_is_of_its_own_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "runs" / "it's"
    drive({"folder": str(folder), "rows": 1})
    write_folder(folder, 1)
    done = drive({"folder": str(folder), "copy": True, "rows": 1})
    files = shlex.quote("runs/it's/wandb")
    assert done.stdout.startswith(f"offline files in {files}\nupload with ")
    assert done.stdout.endswith(f" -m pets_seg.tracking.wandb_sync {shlex.quote(str(Path('runs') / folder.name))}\n")
    assert drive({"folder": str(folder), "copy": True, "rows": 1, "mode": "disabled"}).stdout == "None\n"


def test_a_report_is_in_the_project_of_its_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved = []
    monkeypatch.setattr(report, "save_report", lambda *asked: saved.append(asked))
    runs = write_sweep(tmp_path / "study", {"none": {}, "crop": {}}, seeds=1, epochs=2, images=4, valid=2)
    study = read_study([tmp_path / "study"])
    report.publish(study, None)
    for run in runs:
        (run / "wandb").mkdir()
        record(run, {"id": "i", "project": "mine", "entity": "team", "group": "g"})
    report.publish(study, None)
    report.publish(study, "given")
    assert [(sweeps, project, entity) for _, sweeps, _, _, project, entity in saved] == [
        (["study"], "pets_seg", None),
        (["g"], "mine", "team"),
        (["g"], "given", "team"),
    ]
    record(runs[0], {"id": "i", "project": "other", "entity": None, "group": "g"})
    with pytest.raises(InputError, match=r"several W&B projects \(other, team/mine\); give tracker\.project"):
        report.publish(study, None)
