"""Run folders of any kind: whole, old, broken, repeated, or still at work."""

import json
import math
import os
import shutil
import socket
from pathlib import Path

import pytest
from sweeps import SMALL, write_sweep

from pets_seg.errors import InputError
from pets_seg.report.origin import origin
from pets_seg.report.sentences import answer, progress
from pets_seg.report.study.study import Study, read_study
from pets_seg.report.tables import comparison_frame, cost_table, course_table, main_table, write_tables

HOW = ["no status", "half a status", "a state that is none", "no config", "a config of aliases", "a seed that is none"]
HOW += ["an empty folder", "a seed that is true", "a value that contradicts its tag", "a pipe", "a loop"]


def sweep(folder: Path, names: str, **settings: object) -> Study:
    write_sweep(folder, {name: {} for name in names.split()}, **{**SMALL, **settings})
    return read_study([folder])


def rewrite(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def damage(run: Path, how: str) -> None:
    match how:
        case "no status":
            (run / "status.json").unlink()
        case "half a status":
            (run / "status.json").write_text('{"state": "fini')
        case "a state that is none":
            rewrite(run / "status.json", state="done")
        case "no config":
            (run / "config.yaml").unlink()
        case "a config of aliases":
            (run / "config.yaml").write_text("a: &a [1]\nb: *a\n")
        case "a seed that is none":
            (run / "config.yaml").write_text("seed: many\n")
        case "a seed that is true":
            (run / "config.yaml").write_text("seed: true\n")
        case "a value that contradicts its tag":
            (run / "config.yaml").write_text('seed: !!int ""\n')
        case "a pipe":
            (run / "status.json").unlink()
            os.mkfifo(run / "status.json")
        case "a loop":
            shutil.rmtree(run)
            run.symlink_to(run)
        case "an empty folder":
            shutil.rmtree(run)
            run.mkdir()


@pytest.mark.parametrize("how", HOW)
def test_a_broken_folder_is_left_out_and_named(tmp_path: Path, how: str) -> None:
    study = sweep(tmp_path / "s", "none crop", seeds=2)
    damage(study.runs[0].folder, how)
    again = read_study([tmp_path / "s"])
    assert len(again.runs) == 3
    [left_out] = again.left_out
    assert left_out.what == str(study.runs[0].folder)
    assert len(left_out.why) > 10


def test_figures_that_are_none_do_no_harm(tmp_path: Path) -> None:
    study = sweep(tmp_path / "s", "none crop", seeds=2)
    for run, value in zip(study.runs, (10**400, "12", [1], None), strict=True):
        rewrite(run.folder / "summary.json", macs=value, train_seconds=value, test_iou=value)
    (study.runs[0].folder / "metrics.csv").write_text("epoch,train/loss,val/loss,val/dice,seconds\n1,nan,nan,nan,1\n")
    for name in ("metrics.csv", "per_image.csv"):
        (study.runs[1].folder / name).unlink()
    again = read_study([tmp_path / "s"])
    assert [run.finished for run in again.runs] == [True] * 4
    write_tables(again, tmp_path)
    for table in (main_table(again), course_table(again), cost_table(again)):
        assert len(table.rows) == 2
    assert origin(again, [])
    assert answer(again)


def test_a_score_that_is_not_finite_gives_no_interval(tmp_path: Path) -> None:
    study = sweep(tmp_path / "s", "none crop", seeds=2)
    path = study.runs[0].folder / "per_image.csv"
    lines = path.read_text().splitlines()
    for value in ("nan", "inf"):
        path.write_text("\n".join([*lines[:-1], ",".join([*lines[-1].split(",")[:4], value, "9"])]))
        again = read_study([tmp_path / "s"])
        table = comparison_frame(again).set_index("metric")
        assert not math.isnan(table.loc["test_dice", "p"])
        assert math.isnan(table.loc["test_loss", "p"])
        assert math.isnan(table.loc["test_loss", "ci_low"])


def test_images_that_stand_twice_count_once(tmp_path: Path) -> None:
    study = sweep(tmp_path / "s", "none crop", seeds=2)
    path = study.runs[0].folder / "per_image.csv"
    path.write_text(path.read_text() + path.read_text().splitlines()[-1] + "\n")
    again = read_study([tmp_path / "s"])
    assert [left_out.why for left_out in again.left_out] == [
        "per_image.csv: has images twice; the first of each is used"
    ]
    assert set(comparison_frame(again)["images"]) == {10, 40}


def test_without_metrics_no_course_is_claimed(tmp_path: Path) -> None:
    study = sweep(tmp_path / "s", "none crop", seeds=2)
    for run in study.groups[0].finished:
        (run.folder / "metrics.csv").unlink()
    rewrite(study.groups[0].finished[0].folder / "summary.json", epochs_to_080=3, epochs_to_085=None)
    rewrite(study.groups[0].finished[1].folder / "summary.json", epochs_to_080=5, epochs_to_085=None)
    again = read_study([tmp_path / "s"])
    row = dict(zip(course_table(again).header, course_table(again).rows[0], strict=True))
    assert row["epochs to 0.80"] == "4"
    assert row["epochs to 0.85"] == "not reached"
    assert row["val loss turns"] == row["gap at the end"] == ""


def test_of_two_copies_the_finished_one_is_taken(tmp_path: Path) -> None:
    study = sweep(tmp_path / "a", "none crop", seeds=2)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    for run in study.runs[:2]:
        rewrite(run.folder / "status.json", state="failed")
    again = read_study([tmp_path / "a", tmp_path / "b"])
    assert [len(group.finished) for group in again.groups] == [2, 2]
    assert len(again.left_out) == 4


def test_a_finished_run_without_its_result_is_damaged(tmp_path: Path) -> None:
    study = sweep(tmp_path / "s", "none", seeds=2)
    rewrite(study.runs[0].folder / "summary.json", test_dice=None)
    again = read_study([tmp_path / "s"])
    assert [run.state for run in again.runs] == ["damaged", "finished"]
    assert "test_dice=None is not a number" in again.runs[0].error


@pytest.mark.parametrize("name", ["metrics.csv", "per_image.csv", "calibration.csv"])
@pytest.mark.parametrize("content", ["", "\0\xff", "a,b\n1,2\n", None])
def test_a_damaged_table_leaves_the_rest_of_its_run(tmp_path: Path, name: str, content: str | None) -> None:
    study = sweep(tmp_path / "s", "none crop", seeds=2)
    path = study.runs[0].folder / name
    path.unlink()
    if content is not None:
        path.write_bytes(content.encode("latin-1"))
    again = read_study([tmp_path / "s"])
    assert len(again.runs) == 4
    assert all(run.finished for run in again.runs)
    named = [left_out.why for left_out in again.left_out]
    assert len(named) == (0 if name == "calibration.csv" and content is None else 1)
    # Without scores of images the means of the runs are compared.
    images = set(comparison_frame(again)["images"])
    assert images == ({0} if name == "per_image.csv" else {10, 40})
    assert len(main_table(again).rows) == 2


def test_old_runs_without_calibration_are_whole(tmp_path: Path) -> None:
    study = sweep(tmp_path / "s", "none", seeds=2, old=True)
    assert study.left_out == []
    assert course_table(study).rows[0][-1] == ""


def test_the_same_run_in_two_folders_counts_once(tmp_path: Path) -> None:
    study = sweep(tmp_path / "s", "none", seeds=2)
    shutil.copytree(tmp_path / "s", tmp_path / "t")
    renamed = study.runs[0].folder
    renamed.rename(renamed.with_name("renamed"))
    again = read_study([tmp_path / "s", tmp_path / "t"])
    assert [len(group.finished) for group in again.groups] == [2]
    reasons = sorted(left_out.why.partition(" ")[0] for left_out in again.left_out)
    assert reasons == ["has", "is"]


def test_several_folders_and_single_runs_are_read_together(tmp_path: Path) -> None:
    write_sweep(tmp_path / "a", {"none": {}}, **SMALL)
    [run, *_] = write_sweep(tmp_path / "b", {"crop": {}}, **SMALL)
    study = read_study([tmp_path / "a", run])
    assert [len(group.finished) for group in study.groups] == [3, 1]
    with pytest.raises(InputError, match="is not there"):
        read_study([tmp_path / "none"])


def test_a_run_whose_process_died_is_interrupted(tmp_path: Path) -> None:
    write_sweep(tmp_path / "s", {"none": {"state": "running"}}, seeds=3, **SMALL)
    pids = dict(zip(sorted((tmp_path / "s").iterdir()), (os.getpid(), 2**22 + 1, 2**22 + 1), strict=True))
    hosts = iter((socket.gethostname(), socket.gethostname(), "another"))
    for run, pid in pids.items():
        rewrite(run / "status.json", pid=pid, host=next(hosts))
    study = read_study([tmp_path / "s"])
    assert [run.state for run in study.runs] == ["running", "interrupted", "running"]
    assert "its process ended unexpectedly" in study.runs[1].error
    assert progress(study) == "3 runs: 1 interrupted, 2 running."
    assert answer(study) == ["No run has finished yet: there is nothing to compare."]
