"""W&B's own variables: each counts, is refused or is said to have no effect; trials of a W&B sweep get figures."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import only_run, tiny
from test_wandb import drive, inspect, write_folder
from wandb_child import row
from wandb_server import ENTITY, KEY, WandbServer

from pets_seg.errors import InputError
from pets_seg.tracking import wandb_account
from pets_seg.tracking.wandb_account import check_variables, wanted_mode
from pets_seg.tracking.wandb_names import sweep_place

TRIAL = {"WANDB_SWEEP_ID": "s", "WANDB_RUN_ID": "t1", "WANDB_PROJECT": "agents", "WANDB_ENTITY": ENTITY}


@pytest.fixture(autouse=True)
def _as_at_first() -> None:
    wandb_account._warn_once.cache_clear()


@pytest.mark.slow
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
