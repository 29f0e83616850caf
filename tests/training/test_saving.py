"""When last.pt is written, and that a finished run has none."""

import signal
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import SAVED, only_run, tiny
from processes import finish

from pets_seg.machine.world import ALONE, World
from pets_seg.training import saving
from pets_seg.training.saving import Saving


class Clock:
    """Stands for the module `time`: it goes on by a second a step, and by `duration` while the state is written."""

    def __init__(self, duration: float) -> None:
        self.now, self.duration = 0.0, duration
        self.written: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def save(self, path: Path) -> None:
        self.written.append(self.now)
        self.now += self.duration


def moments(monkeypatch: pytest.MonkeyPatch, duration: float, every_steps: int = 0, steps: int = 200) -> list[float]:
    clock = Clock(duration)
    monkeypatch.setattr(saving, "time", clock)
    saver = Saving(Path("last.pt"), every_steps, ALONE)
    for step in range(1, steps + 1):
        clock.now += 1
        saver.write_if_due(SimpleNamespace(save=clock.save), step)
    return clock.written


def test_it_is_written_every_30_seconds_unless_writing_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    assert moments(monkeypatch, 0, steps=100) == [30, 60, 90]
    # Of 3 seconds each, it is written after 60.
    assert moments(monkeypatch, 3) == [30, 93, 156]


def test_it_is_written_every_so_many_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    assert moments(monkeypatch, 0, every_steps=20, steps=100) == [20, 40, 60, 80, 100]
    assert moments(monkeypatch, 0, every_steps=50, steps=100) == [30, 50, 80, 100]


@pytest.mark.parametrize(("rank", "asks", "writes"), [(0, True, True), (1, True, True), (0, False, False)])
def test_all_ranks_write_together_when_rank_0_says_so(
    rank: int, asks: bool, writes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(0)
    monkeypatch.setattr(saving, "time", clock)
    # Rank 0 has waited for 30 seconds, and what it says reaches all.
    monkeypatch.setattr(World, "any", lambda self, value: True)
    saver = Saving(Path("last.pt"), 0, World(rank, 2))
    clock.now = 31 if rank == 0 else 1
    saver.write_if_due(SimpleNamespace(save=clock.save), 5, asks)
    assert bool(clock.written) == writes


def last(work: Path) -> Path:
    return only_run(work) / "checkpoints" / "last.pt"


@pytest.mark.slow
def test_a_finished_run_has_no_state_unless_it_is_to_be_kept(oxford: Path, tmp_path: Path) -> None:
    arguments, work = tiny(oxford), tmp_path / "work"
    # Killed after its first epoch, in less than 30 seconds: it starts anew.
    assert finish(work, arguments, ("pets_seg.training.loop.write_epoch", 1)) == -signal.SIGKILL
    assert not last(work).exists()
    # Killed after its last epoch, it only has to be scored.
    assert finish(work, arguments, ("pets_seg.training.record.Batches", 1)) == -signal.SIGKILL
    assert "continuing" not in (work / "shown").read_text()
    assert last(work).exists()
    assert finish(work, arguments) == 0
    assert "continuing after epoch 2 of 2" in (work / "shown").read_text()
    assert not last(work).exists()
    assert finish(work, [*arguments, "existing=restart", "train.keep_state=true"]) == 0
    assert last(work).exists()
    assert finish(work, [*arguments, *SAVED]) == 0
    assert "finished already" in (work / "shown").read_text()
    assert last(work).exists()
    assert finish(work, arguments) == 0
    assert not last(work).exists()
