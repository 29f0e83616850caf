"""Runs whose data changed are kept apart, and a report says why."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from other_data import APART, DIGESTS, RESTART, A, B, members, record, write

from pets_seg.command.tasks import report
from pets_seg.report.data_remarks import data_remarks
from pets_seg.report.limits import remarks
from pets_seg.report.plotting.factors import draw_factors
from pets_seg.report.plotting.looks import short_labels
from pets_seg.report.sentences import answer
from pets_seg.report.study.examples import choose_groups
from pets_seg.report.study.groups import UNKNOWN, find_baselines, group_runs
from pets_seg.report.study.runs import Run
from pets_seg.report.study.study import read_study, spread
from pets_seg.report.tables import comparison_frame, runs_frame

Command = Callable[..., tuple[int, str]]


def test_runs_of_the_same_settings_and_other_data_are_never_averaged(tmp_path: Path) -> None:
    runs = write(tmp_path / "s", {"none": "AAB"})
    study = read_study([tmp_path / "s"])
    assert members(study) == {"model=unet (data 3fa2c1)": [0, 1], "model=unet (data 9b01d4)": [2]}
    figures = [json.loads((run / "summary.json").read_text())["test_dice"] for run in runs]
    assert [spread(group, "test_dice").values for group in study.groups] == [tuple(figures[:2]), tuple(figures[2:])]
    assert study.differences == []
    assert answer(study) == ["No group has a finished baseline of the same data: there is nothing to compare."]
    change = "4 images were added, 2 masks are other"
    assert remarks(study) == [f"{APART}data 3fa2c1 (2 runs), then data 9b01d4 (one run), in which {change}. {RESTART}"]


def test_groups_are_compared_within_their_data_as_if_they_were_alone(tmp_path: Path) -> None:
    none, crop = {"config": {"aug.name": "none"}}, {"config": {"aug.name": "crop"}, "effect": 0.02}
    letters = {"one": "AAA", "two": "AAA", "three": "BBB", "four": "BBB"}
    runs = write(tmp_path / "s", letters, groups=[none, crop, {**none, "effect": 0.1}, {**crop, "effect": 0.2}])
    (tmp_path / "t").mkdir()
    for run in runs[6:]:
        run.rename(tmp_path / "t" / run.name)
    both = read_study([tmp_path / "s", tmp_path / "t"])
    assert list(members(both)) == [
        f"aug={aug} (data {data})" for aug in ("none", "crop") for data in ("3fa2c1", "9b01d4")
    ]
    table = comparison_frame(both).drop(columns="p_holm")
    for folder, data in (("s", "3fa2c1"), ("t", "9b01d4")):
        alone = comparison_frame(read_study([tmp_path / folder])).drop(columns="p_holm")
        alone[["group", "baseline"]] += f" (data {data})"
        ours = table[table["group"].str.contains(data)].reset_index(drop=True)
        pd.testing.assert_frame_equal(ours, alone)
    assert len(table) == 8
    assert both.baseline is None


def test_a_group_that_came_after_the_change_has_no_baseline(tmp_path: Path) -> None:
    write(tmp_path / "s", {"none": "AA", "crop": "AA", "elastic": "BB"})
    study = read_study([tmp_path / "s"])
    assert {*comparison_frame(study)["group"]} == {"aug=crop (data 3fa2c1)"}
    assert [group.short for group in study.groups] == [
        "none (data 3fa2c1)",
        "crop (data 3fa2c1)",
        "elastic (data 9b01d4)",
    ]
    assert remarks(study)[1] == ("elastic (data 9b01d4) is compared with no group: no finished baseline has its data.")
    # Pictures are drawn from the files that are there now.
    assert [group.short for group in choose_groups(study)] == ["elastic (data 9b01d4)"]
    assert [*short_labels(study.groups).values()] == [group.short for group in study.groups]


BY_DESIGN = {
    "size": ("data.size", (32, 64)),
    "seed of the splits": ("data.split_seed", (0, 1)),
    "share of training images": ("data.train_fraction", (0.25, 1.0)),
    "root": ("data.root", ("one", "two")),
    "option": ("data.name", ("sample", "oxford_pet")),
}


@pytest.mark.parametrize("what", BY_DESIGN)
def test_data_that_differ_by_their_settings_are_compared_as_ever(tmp_path: Path, what: str) -> None:
    key, values = BY_DESIGN[what]
    groups = [{"config": {key: value}, "effect": effect} for value, effect in zip(values, (0, 0.02), strict=True)]
    runs = write(tmp_path / "s", {"one": "--", "two": "--"}, groups=groups)
    before = read_study([tmp_path / "s"])
    for run, digest in zip(runs, (A, A, B, B), strict=True):
        record(run, digest)
    after = read_study([tmp_path / "s"])
    pd.testing.assert_frame_equal(comparison_frame(after), comparison_frame(before))
    assert len(comparison_frame(after)) == 4
    assert data_remarks(after) == []


def test_a_setting_that_chooses_no_files_does_not_explain_other_data(tmp_path: Path) -> None:
    groups = [{"config": {"data.boundary": rule}} for rule in ("foreground", "ignore")]
    write(tmp_path / "s", {"one": "AA", "two": "BB"}, groups=groups)
    study = read_study([tmp_path / "s"])
    assert [*members(study)] == ["data.boundary=foreground (data 3fa2c1)", "data.boundary=ignore (data 9b01d4)"]
    assert study.differences == []


def test_a_change_under_several_sizes_is_one_sentence_and_other_sizes_are_not_concerned(tmp_path: Path) -> None:
    groups = [{"config": {"data.size": size}} for size in (32, 64, 128)]
    write(tmp_path / "s", {"one": "AB", "two": "AB", "three": "AA"}, groups=groups)
    study = read_study([tmp_path / "s"])
    assert [group.data for group in study.groups if group.values["data.size"] == 128] == [""]
    [sentence, *_] = data_remarks(study)
    assert sentence.startswith(f"{APART}data 3fa2c1 (2 runs), then data 9b01d4 (2 runs), in which ")
    assert sum(APART in line for line in data_remarks(study)) == 1


def test_several_changes_are_told_in_their_order(tmp_path: Path) -> None:
    runs = write(tmp_path / "s", {"none": "CBA"})
    assert data_remarks(read_study([tmp_path / "s"])) == [
        f"{APART}data 3fa2c1 (one run), then data 9b01d4 (one run), in which 4 images were added, 2 masks are other, "
        f"then data c0ffee (one run), in which 1 image was removed. {RESTART}"
    ]
    (runs[0] / "data.csv").write_text("torn")
    assert (
        "then data c0ffee (one run), of which it is not known what changed."
        in (data_remarks(read_study([tmp_path / "s"]))[0])
    )


def test_a_run_that_is_not_finished_counts_by_its_status(tmp_path: Path) -> None:
    groups = [{"config": {}}, {"config": {}, "state": "failed"}]
    runs = write(tmp_path / "s", {"one": "A", "two": "B"}, groups=groups)
    study = read_study([tmp_path / "s"])
    assert [(group.name, len(group.runs), len(group.finished)) for group in study.groups] == [
        ("model=unet (data 3fa2c1)", 1, 1),
        ("model=unet (data 9b01d4)", 1, 0),
    ]
    assert dict(zip(runs_frame(study)["run"], runs_frame(study)["data_digest"], strict=True)) == {
        runs[0].name: A,
        runs[1].name: B,
    }


def test_the_same_name_with_other_data_is_another_run(tmp_path: Path) -> None:
    runs = write(tmp_path / "a", {"none": "AA"})
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    record(tmp_path / "b" / runs[0].name, B)
    study = read_study([tmp_path / "a", tmp_path / "b"])
    assert members(study) == {"model=unet (data 3fa2c1)": [0, 1], "model=unet (data 9b01d4)": [0]}
    assert [item.why for item in study.left_out] == [f"is the same run as {runs[1]}"]


def test_digits_are_as_many_as_tell_data_apart(tmp_path: Path) -> None:
    runs = write(tmp_path / "s", {"none": "--"})
    record(runs[0], "3fa2c17" + "0" * 25, files=False)
    record(runs[1], "3fa2c18" + "0" * 25, files=False)
    assert [group.data for group in read_study([tmp_path / "s"]).groups] == ["3fa2c17", "3fa2c18"]


def test_interactions_and_the_table_of_two_factors_do_not_mix_data(tmp_path: Path) -> None:
    pairs = [(model, aug) for model in ("unet", "resnet34_unet") for aug in ("none", "crop")]
    groups = [{"config": {"model.name": model, "aug.name": aug}} for model, aug in pairs]
    runs = write(tmp_path / "s", dict.fromkeys(map(str, pairs), "AA"), groups=groups)
    whole = read_study([tmp_path / "s"])
    assert (len(whole.interactions), draw_factors(whole) is None) == (1, False)
    for run in runs[6:]:
        record(run, B)
    study = read_study([tmp_path / "s"])
    assert (study.interactions, draw_factors(study)) == ([], None)


def test_a_report_in_wandb_groups_by_the_data_only_where_they_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved: list[Any] = []
    monkeypatch.setattr(report, "save_report", lambda *asked: saved.append(asked[2]))
    for name, letters in (("s", {"none": "AA", "crop": "AA"}), ("t", {"none": "AB", "crop": "AB"})):
        write(tmp_path / name, letters)
        report.publish(read_study([tmp_path / name]), None)
    assert saved == [["aug"], ["aug", "data_digest"]]


def test_terminal_page_and_tables_say_it(tmp_path: Path, in_process: Command) -> None:
    write(tmp_path / "work" / "s", {"none": "AAB", "crop": "AAB"})
    code, shown = in_process("task=report", "runs=s")
    assert code == 0, shown
    shown = " ".join(shown.split())
    change = "data 3fa2c1 (4 runs), then data 9b01d4 (2 runs), in which 4 images were added, 2 masks are other."
    said = f"{APART}{change} {RESTART}"
    page = (tmp_path / "work" / "s" / "report.html").read_text()
    for text in (shown, page, (tmp_path / "work" / "s" / "report.md").read_text()):
        assert text.count(said) == 1
        assert "aug=crop (data 9b01d4)" in text
    assert A in page
    table = pd.read_csv(tmp_path / "work" / "s" / "comparison.csv")
    pairs = {(f"aug=crop (data {data})", f"aug=none (data {data})") for data in ("3fa2c1", "9b01d4")}
    assert set(zip(table["group"], table["baseline"], strict=True)) == pairs
    assert set(pd.read_csv(tmp_path / "work" / "s" / "runs.csv")["data_digest"]) == {A, B}


LETTERS = st.sampled_from(["A", "B", "C", "-"])
MADE = st.tuples(st.sampled_from(["none", "crop"]), st.sampled_from([32, 64]), st.integers(0, 3), LETTERS)


@given(made=st.lists(MADE, min_size=1, max_size=12))
def test_no_group_and_no_comparison_mixes_data(made: list[tuple[str, int, int, str]]) -> None:
    runs = []
    for number, (aug, size, seed, letter) in enumerate(made):
        options = {"model": "unet", "aug": aug, "data": "folder"}
        options |= dict.fromkeys(("optimizer", "scheduler", "loss"), "x")
        status = {"data": {"digest": DIGESTS.get(letter)}, "started": str(number)}
        runs.append(Run(Path(str(number)), "finished", None, seed, options, {"data.size": size}, {}, status))
    _, groups, _ = group_runs(runs)
    assert sorted(run.name for group in groups for run in group.runs) == sorted(run.name for run in runs)
    assert len({group.name for group in groups}) == len(groups)
    for group in groups:
        digests = {run.data.digest for run in group.runs}
        assert len(digests - {None}) <= 1
        assert len({(run.options["aug"], run.settings["data.size"]) for run in group.runs}) == 1
        [size] = {run.settings["data.size"] for run in group.runs}
        of_size = {run.data.digest for run in runs if run.settings["data.size"] == size} - {None}
        known = {digest[:6] for digest in digests if digest} or {UNKNOWN}
        assert {group.data} == (known if len(of_size) > 1 else {""})
    by_name = {group.name: group for group in groups}
    for name, baseline in find_baselines(groups, None).items():
        ours, theirs = (
            {(run.settings["data.size"], run.data.digest) for run in one.runs if run.data.digest}
            for one in (by_name[name], baseline)
        )
        sizes = {size for size, _ in ours}, {size for size, _ in theirs}
        assert sizes[0] != sizes[1] or ours == theirs or not ours or not theirs
