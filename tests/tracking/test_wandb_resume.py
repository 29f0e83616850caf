"""A run that goes on from a state older than what W&B has of it sends no epoch and no step twice."""

from pathlib import Path

import pytest
from conftest import only_run, tiny
from processes import finish, pause, start, wait_for
from wandb_server import WandbServer


@pytest.mark.slow
def test_epochs_and_steps_that_are_trained_again_are_not_sent_again(
    oxford: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = [*tiny(oxford), "train.epochs=4", "tracker.mode=online", "tracker.every_steps=1", "name=again"]
    work = tmp_path / "work"
    with WandbServer() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        process = start(work, arguments, ("pets_seg.training.progress.Progress.epoch", 3), pause)
        wait_for(lambda: server.runs and len(next(iter(server.runs.values())).rows) == 3, seconds=100)
        process.kill()
        process.join()
        # Of a run of less than 30 seconds it is not there; a slow machine may have written it.
        (only_run(work, "again") / "checkpoints" / "last.pt").unlink(missing_ok=True)
        assert finish(work, arguments) == 0, (work / "shown").read_text()
        [run] = server.runs.values()
    assert [row["epoch"] for row in run.rows] == [1, 2, 3, 4]
    assert [line["step"] for line in run.lines.values()] == list(range(1, 9))
    assert run.sent == len(run.lines) == 8
    assert run.exit_code == 0
