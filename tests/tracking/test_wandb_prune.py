"""`make sync PRUNE=1` removes W&B's files of finished runs that its server has, and of no other."""

import json
import re
from pathlib import Path

import pytest
import yaml
from test_wandb import drive, sync, write_folder
from wandb_child import config_of, pictures, row
from wandb_server import StoredRun, WandbServer

from pets_seg.run_folder.lock import locked
from pets_seg.run_folder.pictures import add_pictures
from pets_seg.tracking import wandb_prune
from pets_seg.tracking.wandb_names import recorded, whole_mark
from pets_seg.tracking.wandb_prune import prune
from pets_seg.tracking.wandb_sync import waiting_runs

FREED = re.compile(r"freed (\S+) MB: files for W&B of (\d) runs?, which its server has")


def made(folder: Path, state: str, pictures: bool = False) -> Path:
    """Make a run folder with an offline run of two epochs in the given state, and return it."""
    drive({"folder": str(folder), "mode": "offline", "rows": 2, "pictures": pictures})
    write_folder(folder, 2)
    (folder / "status.json").write_text(json.dumps({"state": state}))
    return folder


def files(run: Path) -> set[str]:
    return {path.name for path in (run / "wandb").iterdir()}


def names(run: Path) -> set[str]:
    return {name for key in recorded(run) for name in (f"about-{key}.json", f"uploaded-{key}")}


def shown_pictures(stored: StoredRun) -> list[set[str]]:
    """Return what the lines of a stored run that have pictures call their files."""
    shown = [line["val/pictures"] for line in stored.lines.values() if "val/pictures" in line]
    assert all(len(taken["filenames"]) == 2 for taken in shown)
    return [set(taken["filenames"]) for taken in shown]


@pytest.mark.slow
def test_only_finished_runs_that_the_server_has_are_pruned(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    done, held, ended = (
        made(runs / "sweep" / name, state, pictures=name == "done")
        for name, state in (("done", "finished"), ("held", "finished"), ("ended", "interrupted"))
    )
    before = files(held)
    size = sum(path.lstat().st_size for path in (done / "wandb").rglob("*") if path.is_file() or path.is_symlink())
    with WandbServer() as server:
        with locked(held):
            code, shown = sync(runs, "--prune", **server.environment)
        assert code == 0, shown
        assert len(server.runs) == 2
        [(freed, number)] = FREED.findall(shown)
        assert 0.99 * size <= 1e6 * float(freed) < 3 * size
        assert number == "1"
        assert files(done) == names(done) != set()
        # Another process is at work on it, and the server has nothing of it.
        assert files(held) == before
        assert [run for run, _, _ in waiting_runs(runs)] == [held]
        # It may go on.
        assert any(name.startswith("run-") for name in files(ended))
        # Nothing is sent twice of what was pruned; what is free now is uploaded, and goes.
        code, shown = sync(runs, "--prune", **server.environment)
        assert code == 0, shown
        assert len(server.runs) == 3
        assert [stored.sent for stored in server.runs.values()][1:] == [2, 2]
        assert all(stored.rows == [row(1), row(2)] for stored in server.runs.values())
        assert FREED.findall(shown)[0][1] == "1"
        assert files(held) == names(held)


def test_what_the_server_does_not_take_stays(tmp_path: Path) -> None:
    run = made(tmp_path / "runs" / "sweep" / "a", "finished")
    before = files(run)
    with WandbServer() as server:
        environment = server.environment
    code, shown = sync(tmp_path / "runs", "--prune", **environment)
    assert code != 0
    assert "Traceback" not in shown
    assert files(run) >= {name for name in before if name.startswith("offline-run-")}
    assert [path for path, _, _ in waiting_runs(tmp_path / "runs")] == [run]


@pytest.mark.slow
@pytest.mark.parametrize("path", ["file_stream", "/put/"])
def test_what_the_server_refuses_stays_although_wandb_calls_it_uploaded(tmp_path: Path, path: str) -> None:
    run = made(tmp_path / "runs" / "sweep" / "a", "finished", pictures=True)
    add_pictures(run, 2, pictures())
    with WandbServer() as server:
        server.refuses = path
        _, shown = sync(tmp_path / "runs", "--prune", **server.environment)
        assert FREED.findall(shown)[0][1] == "0"
        assert [found for found, _, _ in waiting_runs(tmp_path / "runs")] == [run]
        # Once it takes everything, everything is sent.
        server.refuses = ""
        code, shown = sync(tmp_path / "runs", "--prune", **server.environment)
        assert code == 0, shown
        [stored] = server.runs.values()
        assert stored.rows == [row(1), row(2)]
        assert files(run) == names(run)
        assert shown_pictures(stored)[-1] <= stored.files.keys()


@pytest.mark.slow
def test_pictures_that_the_server_refused_during_a_run_are_sent_again(tmp_path: Path) -> None:
    run = tmp_path / "runs" / "a"
    with WandbServer() as server:
        server.refuses = "/put/"
        done = drive({"folder": str(run), "rows": 2, "pictures": True}, environment=server.environment)
        assert "W&B: the server refused figures or pictures" in done.stderr
        [stored] = server.runs.values()
        assert not stored.files
        write_folder(run, 2)
        add_pictures(run, 2, pictures())
        # It still refuses them.
        code, _ = sync(tmp_path / "runs", **server.environment)
        assert code == 1
        server.refuses = ""
        code, shown = sync(tmp_path / "runs", "--prune", **server.environment)
        assert code == 0, shown
        sent, arrived = stored.sent, shown_pictures(stored)
        assert arrived[-1] <= stored.files.keys()
        assert stored.rows == [row(1), row(2)]
        assert [line["epoch"] for line in stored.lines.values()][-1] == 2
        assert stored.exit_code == 0
        assert files(run) == names(run)
        # That was all.
        assert sync(tmp_path / "runs", **server.environment)[0] == 0
        assert stored.sent == sent == len(stored.lines)


@pytest.mark.slow
@pytest.mark.parametrize("begun", [{"killed": True}, {"failed": True}, {"failed": True, "mode": "offline"}])
def test_what_another_tracker_saw_of_a_run_is_sent_before_files_go(tmp_path: Path, begun: dict[str, object]) -> None:
    run = tmp_path / "runs" / "a"
    with WandbServer() as server:
        drive({"folder": str(run), "rows": 2, **begun}, environment=server.environment)
        # As `tracker=none` continues it.
        write_folder(run, 4)
        (run / "config.yaml").write_text(yaml.safe_dump(config_of("auto") | {"tracker": {"name": "none"}}))
        (run / "status.json").write_text(json.dumps({"state": "finished", "started": "then"}))
        prune(tmp_path)
        assert any("run-" in name for name in files(run))
        code, shown = sync(tmp_path / "runs", "--prune", **server.environment)
        assert code == 0, shown
        [stored] = server.runs.values()
    assert stored.rows == [row(epoch) for epoch in range(1, 5)]
    assert stored.sent == len(stored.lines) == 4
    assert (stored.about["project"], stored.exit_code, stored.summary["test/dice"]) == ("p", 0, 0.75)
    assert files(run) == names(run)
    assert waiting_runs(tmp_path) == []


def test_a_removal_that_was_broken_off_leaves_nothing_to_upload(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = made(tmp_path / "a", "finished")
    [offline] = (run / "wandb").glob("offline-run-*")
    [data] = offline.glob("*.wandb")
    data.with_name(f"{data.name}.synced").touch()
    # As an older version left it, which did not look whether the server took all.
    prune(tmp_path)
    assert offline.exists()
    whole_mark(run, offline.name.split("-", 3)[3]).touch()

    def broken_off(path: Path) -> None:
        next(path.glob("*.synced")).unlink()
        raise KeyboardInterrupt

    monkeypatch.setattr(wandb_prune.shutil, "rmtree", broken_off)
    with pytest.raises(KeyboardInterrupt):
        prune(tmp_path)
    monkeypatch.undo()
    assert waiting_runs(tmp_path) == []
    prune(tmp_path)
    assert FREED.findall(capsys.readouterr().out)[-1][1] == "1"
    assert files(run) == names(run)
