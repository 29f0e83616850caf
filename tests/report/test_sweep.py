"""What a sweep and its report end with on a terminal: what is shown, in which order, and that it fits."""

import json
import math
from pathlib import Path

import pandas as pd
import pytest
from sweeps import SMALL, sweep, write_sweep

from pets_seg.report.columns import Column, fitted, groups_table
from pets_seg.report.sentences import answer
from pets_seg.report.study.study import read_study
from pets_seg.report.sweep import show_comparison, show_sweep
from pets_seg.report.tables import comparison_frame, cost_table, main_table, runs_frame, write_tables


def test_the_tables_of_a_sweep(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "s"
    write_sweep(folder, {"none": {}, "bad": {"state": "failed", "error": "the loss is nan"}}, seeds=1, **SMALL)
    study = read_study([folder])
    good, bad = [run.name for run in study.runs if run.finished], [run.name for run in study.runs if not run.finished]
    assert not show_sweep(study, [*good, *bad], None)
    shown = capsys.readouterr().out
    assert f"{bad[0]} failed: the loss is nan" in shown
    assert "aug=none" in shown
    assert show_sweep(study, good, None)
    assert not show_sweep(study, [*good, "never made"], None)
    write_tables(study, folder)
    runs = pd.read_csv(folder / "runs.csv").set_index("run")
    assert set(runs["state"]) == {"finished", "failed"}
    summary = json.loads((study.runs[0].folder / "summary.json").read_text())
    assert {*summary, "seed", "state", "error", "model", "aug", "optimizer", "scheduler", "loss", "data"} <= set(runs)
    assert runs.loc[good[0], "test_dice"] == summary["test_dice"]
    assert not math.isnan(runs.loc[good[0], "parameters"])
    assert (folder / "comparison.csv").read_text().startswith("group,baseline,metric,mean,")


def test_many_jobs_and_many_failures_alike_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "s"
    write_sweep(folder, {"none": {}, "bad": {"state": "failed", "error": "the loss is nan"}}, seeds=5, **SMALL)
    study = read_study([folder])
    done, failed = [run.name for run in study.runs if run.finished], [r.name for r in study.runs if not r.finished]
    lost = [f"seed={seed}" for seed in range(5, 80)]
    assert not show_sweep(study, [*done, *failed, *lost], None, not_done=dict.fromkeys(lost, "no slot"))
    shown = capsys.readouterr().out
    assert "5 of 85 are finished; these are not:" in shown
    assert f"{failed[0]} and 4 more failed: the loss is nan\n" in shown
    assert "seed=5 and 74 more not made: no slot\n" in shown
    assert not any(f"{name} " in shown.partition("group")[0] for name in done)
    assert max(shown.count(name) for name in failed[1:]) == 1


NAMES = {"none": 0.0, "elastic_or_crop_of_a_long_name": 0.05, "crop": -0.05, "color": 0.0}


@pytest.mark.parametrize("columns", [40, 60, 80, 120, 200])
def test_nothing_is_wider_than_the_terminal(
    tmp_path: Path, columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    # The first line and that of the page hold paths, which are not broken.
    monkeypatch.chdir(tmp_path)
    study = sweep(Path("s"), NAMES, epochs=20)
    assert show_sweep(study, [], None)
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines()[2:])) <= columns
    for run in study.runs:
        assert run.name in shown
    heads = [line.split("  ")[0] for line in shown.splitlines()]
    assert heads.count("run") == heads.count("group") == 1
    known = ["difference (95 % CI)", "test Dice", "val Dice", "time a run", "seeds", "epochs to 0.80", "epochs to 0.85"]
    [head] = [line for line in shown.splitlines() if line.startswith("group")]
    there = {40: 1, 60: 1, 80: 2, 120: 5, 200: 7}[columns]
    assert {name for name in known if name in head} == set(known[:there])
    # Of what is not shown nothing is explained.
    assert ("epochs to a validation Dice" in " ".join(shown.split())) == ("epochs to" in head)


def test_a_column_that_does_not_fit_is_left_out_and_a_long_name_is_broken() -> None:
    columns = [Column("group", ["model=unet aug=none"]), Column("dice", ["0.5"], 1), Column("difference", ["+1"])]
    assert fitted(columns, 80) == "group                dice  difference\nmodel=unet aug=none  0.5   +1"
    assert fitted(columns, 36) == "group                difference\nmodel=unet aug=none  +1"
    assert fitted(columns, 26) == "group           difference\nmodel=unet      +1\naug=none"
    assert fitted([columns[0], Column("p", [""])], 80) == "group\nmodel=unet aug=none"


def test_the_verdicts_are_what_one_sees_last(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = sweep(tmp_path / "s", {"none": 0.0, "crop": -0.2})
    page = tmp_path / "s p" / "report.html"
    show_sweep(study, [], page)
    *_, link, between, head, verdict = capsys.readouterr().out.splitlines()
    assert link == f"page      file://{tmp_path}/s%20p/report.html"
    assert between == ""
    assert head == "test Dice against none, in points (95 % CI):"
    assert verdict.startswith("crop: -")
    assert verdict.endswith(": worse than none")
    assert "\033" not in verdict
    show_comparison(study, None)
    assert "page" not in capsys.readouterr().out


def test_the_interaction_of_two_factors_is_among_the_verdicts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    groups = {
        f"{model} {aug}": {"config": {"model.name": model, "aug.name": aug}, "effect": 0.1 * (model + aug == "ba")}
        for model in "ab"
        for aug in ("none", "a")
    }
    write_sweep(tmp_path / "s", groups, **SMALL)
    study = read_study([tmp_path / "s"], {"model": "a", "aug": "none"})
    show_comparison(study, None)
    said = answer(study)[:3]
    assert [said.partition(" ")[0] for said in said] == ["Averaged", "Averaged", "The"]
    assert said[2].startswith("The effect of aug=a on test Dice differs between ")
    head = "test Dice against model=a aug=none, in points (95 % CI):"
    assert "\n".join([*said, head]) in capsys.readouterr().out.replace("\n  ", " ")


@pytest.mark.parametrize(
    ("seconds", "parameters", "macs", "memory", "expected"),
    [
        (4, 838802, 122224640, 1120, {"time a run, s": "20", "parameters, k": "839", "peak memory, MB": "1120"}),
        (600, 31e6, 55e9, 40e3, {"time a run, min": "50", "parameters, M": "31", "peak memory, GB": "40"}),
        (3600, 900, 2e5, 900, {"time a run, h": "5", "parameters, k": "0.90", "multiply-accumulates, M": "0.20"}),
        (0.1, 1e6, 5e9, 0.01, {"time a run, s": "0.50", "peak memory, MB": "0.010", "multiply-accumulates, G": "5"}),
    ],
)
def test_costs_are_in_the_unit_of_the_largest(
    tmp_path: Path, seconds: float, parameters: float, macs: float, memory: float, expected: dict[str, str]
) -> None:
    write_sweep(tmp_path / "s", {"none": {"memory": 1.0}, "crop": {"memory": 1.0}}, seeds=1, **SMALL)
    crop, none = sorted((tmp_path / "s").iterdir())
    for run, part in ((none, 1.0), (crop, 0.001)):
        costs = {"train_seconds": 5 * seconds, "parameters": parameters, "macs": macs, "peak_memory_mb": memory}
        summary = json.loads((run / "summary.json").read_text()) | {key: part * cost for key, cost in costs.items()}
        (run / "summary.json").write_text(json.dumps(summary))
    table = cost_table(read_study([tmp_path / "s"]))
    [row] = [dict(zip(table.header, row, strict=True)) for row in table.rows if float(row[1]) > 0.1]
    assert row.items() >= expected.items()
    # What is a thousandth of it is small in that unit, but not zero.
    assert all(float(cell) > 0 for row in table.rows for cell in row[1:])


def test_the_memory_of_a_process_on_the_cpu_is_no_cost_of_a_group(tmp_path: Path) -> None:
    write_sweep(tmp_path / "s", {"none": {}, "crop": {"memory": 2000.0}}, seeds=2, **SMALL)
    study = read_study([tmp_path / "s"])
    table = cost_table(study)
    column = table.header.index("peak memory, MB")
    assert [row[column] for row in table.rows] == ["", "2000"]
    for run in study.runs:
        status = json.loads((run.folder / "status.json").read_text()) | {"device": "cpu"}
        (run.folder / "status.json").write_text(json.dumps(status))
    study = read_study(study.folders)
    assert not any("memory" in name for name in cost_table(study).header)
    # What was measured is still in the file of runs.
    assert set(runs_frame(study)["peak_memory_mb"]) == {1120.0, 2000.0}


@pytest.mark.parametrize("seeds", [1, 2])
def test_one_seed_has_no_p_and_no_interval_over_seeds(tmp_path: Path, seeds: int) -> None:
    study = sweep(tmp_path / "s", {"none": 0.0, "crop": 0.1}, seeds=seeds)
    table = main_table(study)
    assert ({"p", "p (Holm)", "95 % CI"} <= set(table.header)) == (seeds > 1)
    cell = table.rows[1][table.header.index("difference, points (95 % CI)")]
    shown = groups_table(study, 200)
    assert cell in shown
    assert cell.endswith(" over images)") == (seeds == 1)
    assert ("±" in shown) == any("±" in cell for row in table.rows for cell in row) == (seeds > 1)
    assert ("over images alone" in table.note) == (seeds == 1)
    assert comparison_frame(study)[["p", "p_holm"]].isna().all(axis=None) == (seeds == 1)


def test_a_time_is_written_as_long_as_it_is(tmp_path: Path) -> None:
    study = sweep(tmp_path / "s", {"none": 0.0, "crop": 0.0}, seeds=1)
    for run, seconds in zip(study.runs, (12.4, 660), strict=True):
        summary = json.loads((run.folder / "summary.json").read_text()) | {"train_seconds": seconds}
        (run.folder / "summary.json").write_text(json.dumps(summary))
    table = groups_table(read_study(study.folders), 200)
    assert sorted(line.split("  ")[-1].strip() for line in table.splitlines()[1:3]) == ["11 min", "12 s"]


def test_the_note_says_what_the_difference_is_paired_over(tmp_path: Path) -> None:
    for seeds, words in (
        (1, "paired over test images alone, with one seed, in"),
        (2, "paired over seeds and test images, in"),
    ):
        table = groups_table(sweep(tmp_path / str(seeds), {"none": 0.0, "crop": 0.1}, seeds=seeds), 200)
        assert f"difference: {words} points" in table
