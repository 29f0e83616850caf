"""A metric of one's own: finished runs are scored again in it, and compared."""

import json
import re
from pathlib import Path

import pytest
from conftest import only_run, tiny
from extending import Command, rows


@pytest.mark.slow
def test_a_finished_run_gets_a_new_metric_and_is_compared_in_it(oxford: Path, tmp_path: Path, run: Command) -> None:
    whole = ["hydra.searchpath=[file://conf]", *tiny(oxford)]
    code, shown = run("-m", *whole, "aug=none,hflip", "seed=0,1")
    assert code == 0, shown
    sweep = tmp_path / "work" / "runs" / "default"
    names = sorted(path.name for path in sweep.glob("*-s*"))
    assert "test_area" not in rows(sweep / "runs.csv")[0]
    code, shown = run("-m", *whole, "aug=none,hflip", "seed=0,1", "metric=[area,boundary_f1]")
    assert code == 0, shown
    assert shown.count("scoring the best weights again for area, boundary_f1") == 4
    assert sorted(path.name for path in sweep.glob("*-s*")) == names
    for name in names:
        summary = json.loads((sweep / name / "summary.json").read_text())
        epochs = rows(sweep / name / "metrics.csv")
        filled = [row["val/area"] != "" for row in epochs]
        assert filled == [int(row["epoch"]) == summary["best_epoch"] for row in epochs]
        area = [float(row["area"]) for row in rows(sweep / name / "per_image.csv") if row["split"] == "test"]
        assert summary["test_area"] == pytest.approx(sum(area) / len(area), abs=1e-6)
        assert json.loads((sweep / name / "status.json").read_text())["metrics"]["area"]["lower_is_better"]
    compared = {row["metric"] for row in rows(sweep / "comparison.csv")}
    assert {"test_dice", "test_area", "test_boundary_f1"} <= compared
    page = (sweep / "report.html").read_text()
    assert "test boundary_f1" in page
    assert "test area (lower is better)" in page
    # The same again does nothing; a metric trained with gives what scoring again gives.
    code, shown = run("-m", *whole, "aug=none,hflip", "seed=0,1", "metric=[area]")
    assert "scoring" not in shown
    code, shown = run(*whole, "name=other", "metric=area")
    assert code == 0, shown
    again, first = only_run(tmp_path / "work", "other"), next(sweep.glob("*-none-*-s0-*"))
    for key in ("test_area", "val_area_at_best"):
        values = [json.loads((folder / "summary.json").read_text())[key] for folder in (again, first)]
        assert values[0] == pytest.approx(values[1], abs=1e-7)
    code, shown = run("task=evaluate", f"checkpoint={again}", "hydra.searchpath=[file://conf]", "metric=area")
    assert code == 0, shown
    assert re.search(r"^split=test images=4 dice=\S+ iou=\S+ loss=\S+ area=0\.\d{4}$", shown, re.MULTILINE)


@pytest.mark.slow
def test_a_metric_of_other_settings_is_not_compared(oxford: Path, tmp_path: Path, run: Command) -> None:
    for aug, tolerance in (("none", 0.02), ("hflip", 0.02), ("vflip", 0.2)):
        words = [*tiny(oxford), f"aug={aug}", "metric=boundary_f1", f"metric.boundary_f1.tolerance={tolerance}"]
        code, shown = run(*[word for word in words if word != "aug=none" or aug == "none"])
        assert code == 0, shown
    code, shown = run("task=report", "runs=runs/default")
    assert code == 0, shown
    table = rows(tmp_path / "work" / "runs" / "default" / "comparison.csv")
    means = {row["group"]: row["mean"] for row in table if row["metric"] == "test_boundary_f1"}
    assert means["aug=hflip"]
    assert not means["aug=vflip"]
    assert (
        "metric boundary_f1 has other settings" in (tmp_path / "work" / "runs" / "default" / "report.html").read_text()
    )


def test_a_metric_added_to_a_run_that_goes_on_is_that_of_its_best_weights(
    oxford: Path, tmp_path: Path, run: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["hydra.searchpath=[file://conf]", *tiny(oxford)]
    with monkeypatch.context() as broken:
        broken.setattr("pets_seg.training.loop.score_best", lambda *_: 1 / 0)
        assert run(*words)[0] == 1
    code, shown = run(*words, "metric=area")
    assert code == 0, shown
    assert "continuing after epoch 2 of 2" in shown
    folder = only_run(tmp_path / "work")
    assert "val/area" not in rows(folder / "metrics.csv")[0]
    summary = json.loads((folder / "summary.json").read_text())
    valid = [float(row["area"]) for row in rows(folder / "per_image.csv") if row["split"] == "valid"]
    assert summary["val_area_at_best"] == pytest.approx(sum(valid) / len(valid), abs=1e-6)
