"""What a sequential sweep decides from run folders: verdicts, failed seeds, order of entry."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from designed_sweeps import SEEDS, designed, runs_of
from sweeps import make_constant

from pets_seg.errors import InputError
from pets_seg.report.sentences import answer
from pets_seg.report.sequential.decisions import Decision, decide
from pets_seg.report.sequential.verdict_files import read_record, write_verdicts
from pets_seg.report.study.statistics import estimate
from pets_seg.report.study.study import read_study
from pets_seg.run_folder.design import Design, exit_code


def told(folder: Path, design: Design, **more: Any) -> dict[str, Decision]:
    return {item.group: item for item in decide(design, runs_of(folder), **more)}


def fail(folder: Path, name: str, kind: str = "RunError") -> None:
    path = folder / name / "status.json"
    status = json.loads(path.read_text())
    path.write_text(json.dumps(status | {"state": "failed", "error": {"type": kind, "message": "it broke"}}))


def test_groups_are_told_and_later_seeds_do_not_count(tmp_path: Path) -> None:
    design = designed(tmp_path / "s", {"none": 0.0, "good": 0.08, "bad": -0.08, "same": 0.0})
    found = told(tmp_path / "s", design)
    assert [found[name].verdict for name in ("good", "bad", "same")] == ["better", "worse", "equal"]
    good = found["good"]
    assert good.pairs < SEEDS
    # Without what was run ahead it is the same.
    for name in design.groups["good"].runs[good.pairs :]:
        shutil.rmtree(tmp_path / "s" / name)
    again = told(tmp_path / "s", design)["good"]
    assert (again.verdict, again.pairs, again.estimate) == (good.verdict, good.pairs, good.estimate)
    # The interval is wider than that of a fixed number of seeds, which it holds.
    scores = [
        [pd.read_csv(tmp_path / "s" / name / "per_image.csv").query("split == 'test'")["dice"] for name in runs]
        for runs in (design.groups[side].runs[: good.pairs] for side in ("good", "none"))
    ]
    fixed = estimate(np.array(scores[0]) - np.array(scores[1]))
    assert good.estimate.low < fixed.low < fixed.high < good.estimate.high
    assert good.estimate.difference == pytest.approx(fixed.difference)


def test_a_seed_that_is_not_there_yet_keeps_back_those_after_it(tmp_path: Path) -> None:
    design = designed(tmp_path / "s", {"none": 0.0, "a": 0.001}, margin=0.01, futility=0.0)
    shutil.rmtree(tmp_path / "s" / design.groups["a"].runs[5])
    item = told(tmp_path / "s", design)["a"]
    assert (item.verdict, item.pairs, item.entered) == ("open", 5, [0, 1, 2, 3, 4])
    shutil.rmtree(tmp_path / "s" / design.groups["none"].runs[2])
    assert told(tmp_path / "s", design)["a"].looks == []


def test_a_failed_seed_is_passed_over_and_joins_at_the_end_if_it_is_mended(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    design = designed(folder, {"none": 0.0, "a": 0.001}, margin=0.01, futility=0.0)
    third = design.groups["a"].runs[2]
    kept = (folder / third / "status.json").read_text()
    fail(folder, third)
    # It is to be tried again, and keeps back the others until it is given up.
    assert told(folder, design)["a"].entered == [0, 1]
    item = told(folder, design, given_up=[third])["a"]
    assert (item.entered, item.failed, item.verdict) == ([0, 1, 3, 4, 5, 6, 7], [2], "undecided")
    write_verdicts(folder, design, [item], [third])
    assert "7 of 8 seeds, the others failed" in answer(read_study([folder]))[0]
    (folder / third / "status.json").write_text(kept)
    after = told(folder, design, entered=read_record(folder, design).entered)["a"]
    assert after.entered == [0, 1, 3, 4, 5, 6, 7, 2]
    former = [look.sample.mean for look, _ in after.looks[: len(item.looks)]]
    assert former == [look.sample.mean for look, _ in item.looks]
    # A run that a look was taken with must not go.
    fail(folder, design.groups["a"].runs[3])
    with pytest.raises(InputError, match="a look at a was taken with it"):
        told(folder, design, entered=read_record(folder, design).entered)


def test_a_group_fails_when_more_than_a_quarter_of_its_seeds_do(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    design = designed(folder, {"none": 0.0, "a": 0.08, "b": 0.08})
    for name in design.groups["a"].runs[:2]:
        fail(folder, name, "DivergedError")
    for name in design.groups["a"].runs[4:]:
        shutil.rmtree(folder / name)
    found = told(folder, design)
    assert (found["a"].verdict, found["b"].verdict) == ("fails", "better")
    write_verdicts(folder, design, [*found.values()])
    assert exit_code(folder) == 3
    # Failed runs of the baseline are those of all groups.
    for name in design.groups["none"].runs[:2]:
        fail(folder, name)
    for name in design.groups["none"].runs[4:]:
        shutil.rmtree(folder / name)
    given_up = design.groups["none"].runs[:2]
    assert {item.verdict for item in told(folder, design, given_up=given_up).values()} == {"fails"}


@pytest.mark.parametrize("ahead", [0, 4])
def test_seeds_that_run_ahead_do_not_change_that_a_group_fails(tmp_path: Path, ahead: int) -> None:
    folder = tmp_path / "s"
    design = designed(folder, {"none": 0.0, "a": 0.08})
    for name in design.groups["a"].runs[2:4]:
        fail(folder, name, "DivergedError")
    for name in design.groups["a"].runs[4 + ahead :]:
        shutil.rmtree(folder / name)
    item = told(folder, design)["a"]
    assert (item.verdict, item.entered, item.failed) == ("fails", [0, 1], [2, 3])


def test_what_fails_after_a_verdict_does_not_count(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    design = designed(folder, {"none": 0.0, "good": 0.08})
    fail(folder, design.groups["none"].runs[6], "DivergedError")
    item = told(folder, design)["good"]
    assert (item.verdict, item.failed, item.entered) == ("better", [], [*range(item.pairs)])


def test_looks_that_can_no_longer_be_had_end_it(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    design = designed(folder, {"none": 0.0, "a": 0.001}, margin=0.01, futility=0.0, looks=[4, 8])
    fail(folder, design.groups["a"].runs[1], "DivergedError")
    shutil.rmtree(folder / design.groups["a"].runs[6])
    item = told(folder, design)["a"]
    assert (item.verdict, item.pairs, item.failed) == ("undecided", 4, [1])


def test_runs_of_other_data_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    design = designed(folder, {"none": 0.0, "a": 0.0})
    for name, digest in zip(design.groups["a"].runs[:2], ("a" * 32, "b" * 32), strict=True):
        summary = json.loads((folder / name / "summary.json").read_text())
        (folder / name / "summary.json").write_text(json.dumps(summary | {"data_digest": digest}))
    with pytest.raises(InputError, match="is of other data than"):
        told(folder, design)


def test_networks_that_learned_nothing_are_not_equal(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    design = designed(folder, {"none": 0.0, "a": 0.0})
    for group in design.groups.values():
        for name in group.runs:
            make_constant(folder / name, "background")
    item = told(folder, design)["a"]
    assert (item.verdict, item.constant) == ("undecided", True)
    assert "predict one class for every image" in answer(read_study([folder]))[1]
