"""What files and report of a sequential sweep say: its verdicts, no other interval, and no run of another design."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from designed_sweeps import designed, runs_of
from sweeps import write_sweep

from pets_seg.command.tasks.report import make_report
from pets_seg.errors import InputError
from pets_seg.report.sentences import answer
from pets_seg.report.sequential.decisions import decide
from pets_seg.report.sequential.verdict_files import read_record, write_verdicts
from pets_seg.report.sequential.words import design_table
from pets_seg.report.study.study import read_study
from pets_seg.report.sweep import verdict_lines
from pets_seg.report.tables import comparison_frame, main_table, runs_frame
from pets_seg.run_folder.design import exit_code, read_design


def test_verdicts_are_written_for_programs(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    design = designed(folder, {"none": 0.0, "good": 0.08, "same": 0.0})
    found = decide(design, runs_of(folder))
    write_verdicts(folder, design, found)
    table = pd.read_csv(folder / "verdicts.csv").set_index("group")
    content = json.loads((folder / "verdicts.json").read_text())
    assert content["design"] == design.hash
    for item, row in zip(found, content["groups"], strict=True):
        assert row["verdict"] == table["verdict"][item.group] == item.verdict
        assert row["low"] == pytest.approx(100 * item.estimate.low) == pytest.approx(table["low"][item.group])
        assert (row["seeds"], row["look"]) == (item.pairs, len(item.looks))
    assert exit_code(folder) == 0
    assert exit_code(tmp_path) == 1


def test_the_report_shows_no_interval_of_a_fixed_sample(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    designed(folder, {"none": 0.0, "good": 0.08, "same": 0.0})
    study = read_study([folder])
    [good, same] = study.decisions
    frame = comparison_frame(study).set_index(["group", "metric"])
    assert frame["ci_low"]["good", "test_dice"] == good.estimate.low
    assert frame["p"]["good", "test_dice"] == frame["p_holm"]["good", "test_dice"] == good.estimate.p
    assert frame["seeds"]["good", "test_iou"] == good.pairs
    assert "95 % CI" not in main_table(study).header
    lines = [line for line, _ in verdict_lines(study)]
    assert lines[0].startswith("good:")
    assert "better than none, with" in lines[0]
    assert re.search(r"equal to none within 1 point \(90 % CI -?0\.\d to 0\.\d\), with \d seeds$", lines[1])
    assert same.verdict == "equal"
    with pytest.raises(InputError, match="give the folder of that sweep alone"):
        read_study([folder, folder])


def test_every_heading_that_sorts_has_a_name(tmp_path: Path) -> None:
    designed(tmp_path / "s", {"none": 0.0, "good": 0.08})
    study = read_study([tmp_path / "s"])
    assert all(design_table(study).header)
    assert all(main_table(study).header)


def test_with_a_design_on_validation_nothing_of_the_test_set_is_shown(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    design = designed(folder, {"none": 0.0, "good": 0.08, "same": 0.0}, metric="val_dice")
    study = read_study([folder])
    [good, _] = study.decisions
    assert good.verdict == "better"
    assert good.estimate.images == 10
    frame = comparison_frame(study)
    assert {*frame["metric"]} == {"val_dice"}
    assert not any(column.startswith("test") for column in runs_frame(study))
    assert not any("test" in column for column in main_table(study).header)
    path = make_report(study)
    page = path.read_text()
    assert "difference in validation Dice, points" in page
    assert "test Dice" not in page
    assert {path.stem.removesuffix("_7in") for path in (folder / "figures").glob("*_7in.pdf")} == {
        "differences",
        "curves",
        "cost",
        "calibration",
    }
    assert "The test set did not enter these verdicts" in answer(study)[-1]
    write_verdicts(folder, design, study.decisions)
    assert exit_code(folder) == 0


def test_a_damaged_record_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    design = designed(folder, {"none": 0.0, "good": 0.08})
    for text in ("", "{}", json.dumps({"design": design.hash, "groups": [{"group": "good", "entered": [0, 0]}]})):
        (folder / "verdicts.json").write_text(text)
        with pytest.raises(InputError, match=r"verdicts\.json: cannot be read"):
            read_record(folder, design)


def test_runs_that_are_not_of_the_design_are_left_out(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    designed(folder, {"none": 0.0, "good": 0.08})
    [stranger] = write_sweep(tmp_path / "other", {"good": {"effect": 0.5}}, seeds=1, epochs=5, images=40, valid=10)
    shutil.copytree(stranger, folder / "unet-good-adamw-s99-00000000")
    study = read_study([folder])
    assert [(Path(item.what).name, item.why) for item in study.left_out] == [
        ("unet-good-adamw-s99-00000000", "is not of the design, or older")
    ]


def test_a_design_that_was_changed_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    design = designed(folder, {"none": 0.0, "good": 0.08})
    assert read_design(folder) == design
    path = folder / "design.json"
    path.write_text(path.read_text().replace('"margin": 1.0', '"margin": 2.0'))
    with pytest.raises(InputError, match="does not have the hash"):
        read_design(folder)
    for text in ("", "[]", "{}", '{"hash": 1, "groups": []}'):
        path.write_text(text)
        with pytest.raises(InputError, match="cannot be read as the design"):
            read_design(folder)
    later = replace(design, when="later", commit="other")
    assert later.hash == design.hash
    assert design.differences(replace(design, margin=2.0)) == ["margin: was 1.0, is now 2.0"]
