"""The tables of a sweep: seldom while it goes on, and always at its end."""

import csv
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from conftest import tiny
from processes import finish, interrupt

from pets_seg.command import tables_due
from pets_seg.command.tables_due import TIMES_ITS_DURATION, TablesDue


class Clock:
    """Stands for `time` and for the writing of tables, which takes `cost` seconds."""

    def __init__(self, cost: float) -> None:
        self.now, self.cost, self.spent = 0.0, cost, 0.0
        self.writings: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def write(self, *arguments: Any) -> None:
        self.writings.append(self.now)
        self.now += self.cost
        self.spent += self.cost


def clock(monkeypatch: pytest.MonkeyPatch, cost: float) -> Clock:
    made = Clock(cost)
    monkeypatch.setattr(tables_due, "time", made)
    monkeypatch.setattr("pets_seg.command.tasks.report.read_sweep", lambda config: (None, ""))
    monkeypatch.setattr("pets_seg.report.tables.write_tables", made.write)
    monkeypatch.setattr(TablesDue, "current", None)
    return made


def sweep(folder: Path) -> Any:
    return SimpleNamespace(hydra=SimpleNamespace(sweep=SimpleNamespace(dir=str(folder))))


@pytest.mark.parametrize(("cost", "job"), [(0.2, 1.0), (60.0, 3.0), (0.01, 30.0)])
def test_tables_take_a_fiftieth_of_a_sweep_at_most(
    cost: float, job: float, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made = clock(monkeypatch, cost)
    for _ in range(2000):
        made.now += job
        tables_due.after_job(sweep(tmp_path))
    assert len(made.writings) > 1
    # But for the first, of which it was not known how long it takes.
    assert made.spent - cost <= made.now / TIMES_ITS_DURATION
    before = len(made.writings)
    tables_due.at_end()
    assert len(made.writings) == before + 1
    # Once ended it is over.
    tables_due.at_end()
    assert len(made.writings) == before + 1


def test_tables_of_short_writings_are_never_old(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made = clock(monkeypatch, 0.05)
    for _ in range(5):
        made.now += 3.0
        tables_due.after_job(sweep(tmp_path))
    assert len(made.writings) == 5


def test_each_sweep_of_a_process_has_its_own_tables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made = clock(monkeypatch, 10.0)
    tables_due.after_job(sweep(tmp_path / "a"))
    tables_due.after_job(sweep(tmp_path / "a"))
    tables_due.after_job(sweep(tmp_path / "b"))
    assert len(made.writings) == 2


def states(folder: Path) -> dict[str, str]:
    with open(folder / "runs.csv") as file:
        return {row["seed"]: row["state"] for row in csv.DictReader(file)}


def test_an_interrupted_sweep_has_tables_of_all_that_began(oxford: Path, tmp_path: Path) -> None:
    arguments = ["-m", "seed=0,1,2", "name=s", *tiny(oxford)]
    # The second job is interrupted, and its tables would not be due.
    code = finish(tmp_path / "work", arguments, ("pets_seg.command.one_run.show_result", 2), interrupt)
    assert code == 130
    assert states(tmp_path / "work" / "runs" / "s").keys() == {"0", "1"}
    assert states(tmp_path / "work" / "runs" / "s")["0"] == "finished"
