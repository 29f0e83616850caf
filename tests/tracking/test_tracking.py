"""The run folder is the truth; W&B gets a copy and can end nothing."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import command, only_run, tiny
from wandb_server import WandbServer

from pets_seg.run_folder.folder import RunFolder, git_commit
from pets_seg.tracking.tracker import Tracker, finished_already
from pets_seg.tracking.wandb_account import without_secrets
from pets_seg.tracking.wandb_names import recorded
from pets_seg.tracking.wandb_sink import WandbSink

CONFIG = {"name": "sweep", "seed": 0, "task": {"name": "train"}, "tracker": {"mode": "offline", "project": "p"}}
CONFIG |= {group: {"name": group} for group in ("model", "aug", "optimizer")}


def test_wandb_that_fails_is_a_warning(tmp_path: Path, caplog, monkeypatch: pytest.MonkeyPatch) -> None:
    import wandb

    def refuse(**settings: object) -> None:
        raise wandb.errors.CommError("no server\nat all")

    monkeypatch.setattr(wandb, "init", refuse)
    sink = WandbSink(CONFIG, tmp_path, "offline", "p")
    sink.log({"epoch": 1})
    sink.finish({})
    warnings = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert warnings == ["W&B: no server at all; the run goes on without it"]


@pytest.mark.parametrize("mode", [None, "online"])
def test_wandb_without_a_key_is_offline_and_asks_nothing(
    mode: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WANDB_MODE", raising=False)
    if mode:
        monkeypatch.setenv("WANDB_MODE", mode)
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    sink = WandbSink(CONFIG, tmp_path, "auto", "p")
    assert sink.run.settings._offline
    assert sink.run.group == "sweep"
    sink.log({"epoch": 1, "val/dice": 0.5})
    sink.finish({"test_dice": 0.5})
    assert list(tmp_path.glob("wandb/offline-run-*"))


@pytest.mark.parametrize(("mode", "environment"), [("disabled", "online"), ("auto", "disabled")])
def test_disabled_makes_nothing(mode: str, environment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", environment)
    sink = WandbSink(CONFIG, tmp_path, mode, "p")
    sink.log({"epoch": 1})
    sink.finish({})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_no_key_password_or_token_reaches_the_run_folder_or_the_terminal(oxford: Path, tmp_path: Path) -> None:
    secrets = {"key": "0123456789abcdef" * 2 + "01234567", "password": "s3kr1t", "token": "t0k3n"}
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "init", "--quiet"], cwd=tmp_path, check=True)
    subprocess.run([*git, "commit", "--quiet", "--allow-empty", "-m", "x"], cwd=tmp_path, check=True)
    remote = f"https://{secrets['token']}@example.org/x.git"
    subprocess.run([*git, "remote", "add", "origin", remote], cwd=tmp_path, check=True)
    shown = ""
    with WandbServer() as server:
        # It turns away at once, and the warning names its address.
        server.status = 403
        address = server.url.replace("://", f"://me:{secrets['password']}@")
        for mode in ("offline", "online"):
            environment = {"WANDB_API_KEY": secrets["key"], "WANDB_BASE_URL": address}
            arguments = [*tiny(oxford), "train.epochs=1", f"tracker.mode={mode}", f"name={mode}"]
            done = command(*arguments, cwd=tmp_path, **environment)
            assert done.returncode == 0, done.stderr
            shown += done.stdout + done.stderr
    # One warning, and the run is whole all the same.
    assert "EOF" not in shown
    assert shown.count("W&B: ") == shown.count("the run goes on with offline files") == 1
    run = only_run(tmp_path, "online")
    assert json.loads((run / "status.json").read_text())["state"] == "finished"
    assert list(run.glob("wandb/offline-run-*/*.wandb"))
    files = [path for path in (tmp_path / "runs").rglob("*") if path.is_file()]
    assert any(path.suffix == ".wandb" for path in files)
    for name, secret in secrets.items():
        assert secret not in shown, name
        assert [path for path in files if secret.encode() in path.read_bytes()] == [], name


def test_what_wandb_says_is_shown_without_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "k" * 40)
    shown = without_secrets(f"https://me:word@host/x and http://tok@host refuse {'k' * 40}; mail a@b")
    assert shown == "https://***@host/x and http://***@host refuse ***; mail a@b"


def test_status_keeps_when_it_began_and_what_ended_it(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.write_status("running", device="cpu")
    started = folder.read_status()["started"]
    folder.write_status("failed", ValueError("x"), "one line")
    status = folder.read_status()
    assert (status["state"], status["started"], status["device"]) == ("failed", started, "cpu")
    assert status["error"] == {"type": "ValueError", "message": "one line"}
    folder.write_status("running")
    assert folder.read_status()["error"] is None
    assert [path.name for path in tmp_path.iterdir()] == ["status.json"]


@pytest.mark.slow
def test_another_commit_is_pointed_out(
    oxford: Path, tmp_path: Path, in_process: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    commits = iter("ab")
    now = {"commit": "a" * 40, "dirty": False}
    monkeypatch.setattr("pets_seg.run_folder.folder.git_commit", lambda: now)
    monkeypatch.setattr("pets_seg.command.one_run.git_commit", lambda: {"commit": next(commits) * 40, "dirty": False})
    assert in_process(*tiny(oxford), "train.epochs=1")[0] == 0
    [run] = (tmp_path / "work" / "runs" / "default").iterdir()
    assert json.loads((run / "status.json").read_text())["git"] == now
    assert "begun with commit" not in in_process(*tiny(oxford), "train.epochs=1")[1]
    shown = in_process(*tiny(oxford), "train.epochs=1")[1]
    assert f"begun with commit {'a' * 10}, the code is now at {'b' * 10}" in shown


def test_the_commit_is_that_of_the_code() -> None:
    found = git_commit()
    assert found is None or len(found["commit"]) == 40


def test_names_in_a_strangers_run_folder_lead_nowhere(tmp_path: Path) -> None:
    (tmp_path / "wandb").mkdir()
    for file, run_id in (("about-a.json", "../../victim"), ("about-b.json", "b")):
        (tmp_path / "wandb" / file).write_text(json.dumps({"id": run_id, "project": "p", "group": "g"}))
    assert list(recorded(tmp_path)) == ["b"]


class Decision:
    """A tracker that is told of runs that are finished."""

    @classmethod
    def finished_already(cls, folder: Path) -> str | None:
        return "of a trial" if (folder / "trial").exists() else None

    @classmethod
    def copy_again(cls, folder: Path) -> str:
        (folder / "copied").touch()
        return "of before"


def test_a_tracker_hears_of_a_finished_run_and_of_its_new_metrics(tmp_path: Path) -> None:
    settings = {"name": "told", "_target_": f"{__name__}.Decision"}
    assert finished_already(settings, tmp_path, rescored=False) == {}
    assert not (tmp_path / "copied").exists()
    assert finished_already(settings, tmp_path, rescored=True) == {"Decision": "of before"}
    assert (tmp_path / "copied").exists()
    (tmp_path / "trial").touch()
    assert finished_already(settings, tmp_path, rescored=True) == {"Decision": "of a trial"}


class Broken:
    """A tracker one of whose attributes cannot be used."""

    def __init__(self, name: str, value: object) -> None:
        self.name, self.value = name, value

    def __getattr__(self, name: str) -> object:
        if name == self.__dict__.get("name"):
            if isinstance(self.value, Exception):
                raise self.value
            return self.value
        if name in ("log", "log_steps", "log_pictures", "finish", "where"):
            return lambda *arguments: None
        raise AttributeError(name)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("every_steps", None, "every_steps is None; must be a whole number, 0 for none"),
        ("every_steps", -1, "every_steps is -1; must be a whole number, 0 for none"),
        ("every_steps", "10", "every_steps is '10'; must be a whole number, 0 for none"),
        ("every_steps", OSError("away"), "away"),
        ("wants_pictures", OSError("away"), "away"),
        ("log_steps", OSError("away"), "away"),
        ("log_pictures", OSError("away"), "away"),
        ("where", OSError("away"), "away"),
    ],
)
def test_whatever_a_tracker_has_costs_one_warning(name: str, value: object, said: str, caplog) -> None:
    tracker = Tracker(Broken(name, value))
    found = tracker.every_steps, tracker.wants_pictures
    tracker.log_steps([{"step": 1}])
    tracker.log_pictures(1, [])
    tracker.log({"epoch": 1})
    tracker.finish({})
    assert tracker.where() == {}
    assert caplog.messages == [f"tracker Broken: {said}; the run goes on without it"]
    if name == "every_steps":
        assert found == (0, False)
