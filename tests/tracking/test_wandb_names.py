"""W&B's own variables: each counts, is refused or is said to have no effect; trials of a W&B sweep get figures."""

import json
import os
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import only_run, tiny
from sweeps import write_sweep
from test_wandb import drive, inspect, offline, sync, write_folder
from wandb_child import row
from wandb_server import ENTITY, KEY, WandbServer

from pets_seg.command.tasks import report
from pets_seg.errors import InputError
from pets_seg.report.study.study import read_study
from pets_seg.tracking import wandb_account
from pets_seg.tracking.wandb_account import check_variables, wanted_mode
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
TRIAL = {"WANDB_SWEEP_ID": "s", "WANDB_RUN_ID": "t1", "WANDB_PROJECT": "agents", "WANDB_ENTITY": ENTITY}


@pytest.fixture(autouse=True)
def _as_at_first() -> None:
    wandb_account._warn_once.cache_clear()


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


def test_a_trial_of_a_run_that_is_there_gets_its_figures(
    oxford: Path, tmp_path: Path, in_process: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = [*tiny(oxford), "tracker.mode=auto", "train.epochs=1"]
    for name, value in TRIAL.items():
        monkeypatch.setenv(name, value)
    for trial in ("t1", "t2"):
        monkeypatch.setenv("WANDB_RUN_ID", trial)
        code, shown = in_process(*arguments)
        assert code == 0, shown
        assert ("finished already" in shown) == (trial == "t2")
    run = only_run(tmp_path / "work")
    summary = json.loads((run / "summary.json").read_text())
    files = {path.name.rpartition("-")[2]: path for path in run.glob("wandb/offline-run-*")}
    assert files.keys() == {"t1", "t2"}
    for path in files.values():
        read = inspect(path)
        assert (read["project"], read["sweep_id"], read["run_group"]) == ("agents", "s", "default")
        assert [line["epoch"] for line in read["rows"]] == [1]
        assert read["summary"]["best_val_dice"] == summary["best_val_dice"]
        assert read["exit_code"] == 0
    code, shown = in_process("-m", *arguments)
    assert (code, shown.count("\n")) == (2, 1)
    assert "-m: a trial of a W&B sweep is one run" in shown


def test_a_server_hears_of_both_trials_of_a_run(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    with WandbServer() as server:
        environment = server.environment | TRIAL
        drive({"folder": str(folder), "rows": 2}, environment=environment)
        write_folder(folder, 2)
        done = drive({"folder": str(folder), "copy": True, "rows": 2}, environment=environment | {"WANDB_RUN_ID": "t2"})
        assert done.stderr == ""
        assert done.stdout == f"{server.url}/{ENTITY}/agents/runs/t2\n"
        assert server.runs.keys() == {"t1", "t2"}
        for run in server.runs.values():
            assert (run.about["sweep"], run.about["project"], run.about["entity"]) == ("s", "agents", ENTITY)
            assert run.rows == [row(1), row(2)]
            assert run.summary["test/dice"] == 0.75
    assert sweep_place(tmp_path) == f"2 runs in {server.url}/{ENTITY}/agents"


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


@pytest.mark.parametrize(
    ("given", "variables", "expected"),
    [
        ("auto", {}, "online"),
        ("auto", {"WANDB_MODE": ""}, "online"),
        ("auto", {"WANDB_MODE": "run"}, "online"),
        ("auto", {"WANDB_MODE": "shared"}, "online"),
        ("auto", {"WANDB_MODE": "dryrun"}, "offline"),
        ("auto", {"WANDB_MODE": "disabled"}, "disabled"),
        ("auto", {"WANDB_MODE": "offline", "WANDB_DISABLED": "true"}, "disabled"),
        ("auto", {"WANDB_MODE": "offline", "WANDB_DISABLED": "false"}, "offline"),
        ("offline", {"WANDB_MODE": "disabled", "WANDB_DISABLED": "1"}, "offline"),
        ("disabled", {"WANDB_MODE": "online"}, "disabled"),
    ],
)
def test_the_mode_that_is_wanted(
    given: str, variables: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WANDB_MODE")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert wanted_mode(given) == expected


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("WANDB_MODE", "off", "WANDB_MODE=off: Input should be 'online', 'offline'"),
        ("WANDB_MODE", "Offline", "WANDB_MODE=Offline: Input should be 'online', 'offline'"),
        ("WANDB_DISABLED", "maybe", "WANDB_DISABLED=maybe: must be true or false"),
        ("WANDB_PROJECT", "a/b", "WANDB_PROJECT=a/b: Invalid project name"),
        ("WANDB_PROJECT", "a" * 200, "exceeded 128 characters"),
        ("WANDB_BASE_URL", "nowhere", "WANDB_BASE_URL=nowhere: Input should be a valid URL"),
        ("WANDB_BASE_URL", "http://me:s3kr1t@wandb.ai", "WANDB_BASE_URL=http://wandb.ai: "),
        ("WANDB_API_KEY", f"{KEY} ", "WANDB_API_KEY: API key cannot start or end with whitespace"),
        ("WANDB_TAGS", "a,,b", "WANDB_TAGS=a,,b: Tag at index 1 is empty"),
        ("WANDB_HTTP_TIMEOUT", "soon", "WANDB_HTTP_TIMEOUT=soon: Input should be a valid"),
    ],
)
def test_a_variable_that_wandb_refuses_is_one_line_before_anything_starts(
    name: str,
    value: str,
    reason: str,
    tmp_path: Path,
    in_process: Callable[..., tuple[int, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(name, value)
    code, shown = in_process("train.epochs=1", "data.size=32")
    assert (code, shown.count("\n")) == (2, 1)
    assert reason in shown
    assert f"unset {name}" in shown
    assert KEY not in shown
    assert "s3kr1t" not in shown
    assert list((tmp_path / "work").iterdir()) == []
    # Who wants no W&B need not hear of it.
    check_variables("disabled", "a/b")


def test_a_project_that_wandb_refuses_is_one_line() -> None:
    with pytest.raises(InputError, match=r"^tracker\.project=a:b: Invalid project name"):
        check_variables("auto", "a:b")


def test_what_has_no_effect_is_said_once(monkeypatch: pytest.MonkeyPatch, caplog) -> None:
    values = {
        "WANDB_RUN_ID": "a",
        "WANDB_SWEEP_ID": "",
        "WANDB_RESUME": "must",
        "WANDB_DIR": "/tmp",
        "WANDB_MODE": "shared",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    for _ in range(2):
        check_variables("auto", None)
    assert [message.split(" ")[0] for message in caplog.messages] == [
        "WANDB_DIR",
        "WANDB_RESUME",
        "WANDB_RUN_ID",
        "WANDB_MODE=shared",
    ]
    assert all(": " in message for message in caplog.messages)
    caplog.clear()
    for name, value in TRIAL.items():
        monkeypatch.setenv(name, value)
    check_variables("offline", "given")
    assert caplog.messages == [
        "tracker.project=given has no effect in a trial of a W&B sweep, whose agent names the project"
    ]


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
