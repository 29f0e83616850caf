"""Groups have one order: baselines first, then as the command gave them."""

import json
from pathlib import Path

import pytest
from sweeps import SMALL, write_sweep

from pets_seg.command.tasks.report import markdown_report
from pets_seg.report.columns import groups_table
from pets_seg.report.study.study import Study, read_study
from pets_seg.report.sweep import verdict_lines
from pets_seg.report.tables import comparison_frame, main_table

EFFECTS = {"elastic": 0.01, "none": 0.0, "crop": 0.05, "a_late_one": -0.05}
HYDRA = (
    "hydra:\n  run:\n    dir: here\n  job:\n    name: run\n    chdir: null\n    num: {}\n    config:\n      num: 99\n"
)


def number(run: Path, job: int, started: str = "2026-11-24T21:49:43+00:00") -> None:
    """Say in the files of a run which job of its command it was, and when it was started."""
    (run / ".hydra").mkdir()
    (run / ".hydra" / "hydra.yaml").write_text(HYDRA.format(job))
    status = json.loads((run / "status.json").read_text()) | {"started": started}
    (run / "status.json").write_text(json.dumps(status))


@pytest.fixture
def given(tmp_path: Path) -> Study:
    """A sweep over aug=elastic,none,crop and two seeds, and a later command with one more."""
    runs = write_sweep(tmp_path, {name: {"effect": effect} for name, effect in EFFECTS.items()}, **SMALL, seeds=2)
    # With seed=0,1 before aug=..., the job of another seed is between those of two groups.
    for run, job in zip(runs, (0, 3, 1, 4, 2, 5), strict=False):
        # Jobs of several slots start in any order.
        number(run, job, f"2026-11-24T21:49:{59 - job}+00:00")
    for job, run in enumerate(runs[6:]):
        number(run, 12 + job, "2026-11-25T21:49:43+00:00")
    return read_study([tmp_path])


def test_groups_are_in_the_order_of_the_command_after_the_baseline(given: Study) -> None:
    names = [group.short for group in given.finished]
    assert names == ["none", "elastic", "crop", "a_late_one"]
    assert [row[0] for row in main_table(given).rows] == [f"aug={name}" for name in names]
    assert [line.split()[0] for line in groups_table(given, 120).splitlines()[1:5]] == [f"aug={name}" for name in names]
    assert [line.partition(":")[0] for line, _ in verdict_lines(given)[1:]] == names[1:]
    frame = comparison_frame(given)
    assert [*frame["group"][frame["metric"] == "test_dice"]] == [f"aug={name}" for name in names[1:]]
    text = markdown_report(given)
    assert sorted(names, key=lambda name: text.index(f"| aug={name} |")) == names


def test_without_the_number_of_a_job_the_simplest_are_first(given: Study) -> None:
    for run in given.runs:
        (run.folder / ".hydra" / "hydra.yaml").write_text("hydra:\n  job:\n    name: run\n    num: ???\n")
    names = [group.short for group in read_study(given.folders).finished]
    assert names == ["none", "a_late_one", "crop", "elastic"]
