"""The history of a W&B run: each step and epoch is one line, and sent once, whatever happens between."""

import csv
import math
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import only_run, tiny
from processes import wait_for
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from test_wandb import drive, inspect, offline, start, sync, write_folder
from wandb_child import row
from wandb_server import WandbServer

from pets_seg.tracking.wandb_names import PARTLY


@pytest.mark.slow
def test_the_steps_in_which_a_run_diverges_are_in_its_folder_and_its_copies(
    oxford: Path, tmp_path: Path, in_process: Callable[..., tuple[int, str]]
) -> None:
    arguments = [word for word in tiny(oxford) if not word.startswith("tracker")]
    arguments += ["optimizer.lr=1e30", "scheduler=constant", "tracker.every_steps=1"]
    for name, tracker in (("a", "tracker.mode=offline"), ("b", "tracker=tensorboard")):
        code, shown = in_process(*arguments, tracker, f"name={name}")
        assert (code, "not finite in epoch 1" in shown) == (1, True), shown
        folder = only_run(tmp_path / "work", name)
        with (folder / "steps.csv").open(newline="") as file:
            of_steps = list(csv.DictReader(file))
        assert [line["step"] for line in of_steps] == ["1", "2"]
        losses = [float(line["step/loss"] or "nan") for line in of_steps]
        assert [math.isfinite(loss) for loss in losses] == [True, False]
        if name == "a":
            read = inspect(offline(folder))
            assert [line["step"] for line in read["rows"]] == [1, 2]
            assert read["rows"][0]["step/loss"] == losses[0]
            assert read["exit_code"] == 1
        else:
            events = EventAccumulator(str(folder / "tensorboard")).Reload().Scalars("step/loss")
            assert [event.step for event in events] == [1, 2]
            assert [math.isfinite(event.value) for event in events] == [True, False]
    # What was not passed on then is sent from the folder.
    folder = only_run(tmp_path / "work", "a")
    with WandbServer() as server:
        assert sync(folder, **server.environment)[0] == 0
        [stored] = server.runs.values()
    assert [line["step"] for line in stored.lines.values()] == [1, 2]
    assert stored.exit_code == 1


@pytest.mark.slow
def test_steps_are_sent_once_whatever_was_changed_between(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    folder = runs / "a"
    job = {"folder": str(folder), "mode": "online"}
    with WandbServer() as server:
        with start({**job, "rows": 2, "every": 2, "halt": 2}, environment=server.environment) as process:
            wait_for(lambda: server.runs and len(next(iter(server.runs.values())).lines) == 4)
            process.kill()
        [stored] = server.runs.values()
        # The first epoch was kept; the second is trained again, and now every step is asked for.
        drive({**job, "rows": 3, "every": 1, "pictures": True}, environment=server.environment)
        assert [line["step"] for line in stored.lines.values()] == [2, 4, 6, 8, 9, 10, 11, 12]
        assert stored.sent == len(stored.lines)
        assert [line["epoch"] for line in stored.lines.values() if "epoch" in line] == [1, 2, 3]
        # What the server lacks is sent from the folder.
        write_folder(folder, 4, every=1)
        (folder / "wandb" / f"{PARTLY}-{stored.name}").touch()
        assert sync(runs, **server.environment)[0] == 0
        assert [line["step"] for line in stored.lines.values()][-4:] == [13, 14, 15, 16]
        assert stored.sent == len(stored.lines)


@pytest.mark.slow
@pytest.mark.parametrize("deleted", [False, True])
def test_a_run_that_an_older_version_began_goes_on_by_epochs(deleted: bool, tmp_path: Path) -> None:
    job = {"folder": str(tmp_path / "a"), "mode": "online", "every": 1}
    with WandbServer() as server:
        for rows in (2, 4):
            old = not (deleted and rows == 4)
            done = drive({**job, "rows": rows, "old": old}, environment=server.environment)
            assert (done.returncode, done.stderr) == (0, "")
            [stored] = server.runs.values()
            assert stored.rows == [row(epoch) for epoch in range(1, rows + 1)]
            # A user may delete it; the server knows how it counts the run.
            if deleted:
                shutil.rmtree(tmp_path / "a" / "wandb")
        assert stored.sent == len(stored.lines) == 4
        assert [line["_step"] for line in stored.lines.values()] == [0, 1, 2, 3]
        # Pictures of the last epoch are behind its row, where that version had them, and are sent once.
        for _ in range(2):
            done = drive({**job, "rows": 4, "old": True, "pictures": True}, environment=server.environment)
            assert (done.returncode, done.stderr) == (0, "")
    assert stored.rows == [row(epoch) for epoch in range(1, 5)]
    assert stored.sent == len(stored.lines) == 5
    last = stored.lines[4]
    assert (last["_step"], last["epoch"], last["val/pictures"]["count"]) == (4, 4, 2)


def test_a_new_run_whose_wandb_folder_was_deleted_goes_on_by_steps(tmp_path: Path) -> None:
    job = {"folder": str(tmp_path / "a"), "mode": "online", "every": 1}
    with WandbServer() as server:
        for rows in (2, 3):
            drive({**job, "rows": rows}, environment=server.environment)
            shutil.rmtree(tmp_path / "a" / "wandb")
        [stored] = server.runs.values()
    assert [line["step"] for line in stored.lines.values()] == list(range(1, 13))
    assert stored.sent == 12
