"""The report of real sweeps: refreshed after every job, made at the end, and made again from what is there."""

import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from conftest import tiny
from processes import finish
from sweeps import make_constant, write_sweep

from pets_seg.machine.terminal import python

Command = Callable[..., tuple[int, str]]
HEAD = "test Dice against none, in points (95 % CI):"
MADE = {"multirun.yaml", "report.html", "report.md", "runs.csv", "comparison.csv", "figures"}


@pytest.mark.slow
def test_a_sweep_that_dies_has_its_tables_and_ends_with_its_report_when_it_is_continued(
    oxford: Path, tmp_path: Path, in_process: Command
) -> None:
    work = tmp_path / "work"
    sweep = work / "runs" / "default"
    arguments = ["-m", *tiny(oxford), "train.epochs=1", "aug=none,hflip", "seed=0,1"]
    # The fourth job dies when it is done but for its summary.
    assert finish(work, arguments, ("pets_seg.machine.files.os.replace summary.json", 4)) == -signal.SIGKILL
    # How many of the three depends on how long the tables of the first took.
    assert set(pd.read_csv(sweep / "runs.csv")["state"]) == {"finished"}
    assert (sweep / "comparison.csv").exists()
    # The page is that of a running sweep, as its process could not write another one.
    assert "with one seed" not in (sweep / "report.html").read_text()

    code, shown = in_process("task=report", "runs=runs/default")
    assert code == 0, shown
    assert "4 runs: 3 finished, 1 interrupted." in shown
    lines = shown.strip().splitlines()
    assert f"page      {(sweep / 'report.html').as_uri()}" in lines
    assert lines[lines.index(HEAD) + 1].startswith("hflip: ")
    page = (sweep / "report.html").read_text()
    assert "with one seed" in page
    assert "its process ended unexpectedly" in page
    # The pictures of images are drawn from the data set and the weights that the runs name.
    assert (sweep / "figures" / "masks_7in.pdf").exists()

    code, shown = in_process(*arguments)
    assert code == 0, shown
    table = pd.read_csv(sweep / "comparison.csv")
    assert set(table["group"]) == {"aug=hflip"}
    assert list(table["seeds"]) == [2] * 4
    assert "difference (95 % CI)" in shown
    lines = shown.strip().splitlines()
    assert f"page      {(sweep / 'report.html').as_uri()}" in lines
    assert lines[lines.index(HEAD) + 1].startswith("hflip: ")
    assert {path.name for path in sweep.iterdir() if not path.name.startswith("unet-")} == MADE
    assert "its process ended unexpectedly" not in (sweep / "report.html").read_text()

    # Without the data set the images are all that is missing.
    before = {name: (sweep / name).read_bytes() for name in ("runs.csv", "comparison.csv")}
    shutil.move(oxford, tmp_path / "elsewhere")
    for name in before:
        (sweep / name).unlink()
    assert in_process("task=report", "runs=runs/default")[0] == 0
    assert {name: (sweep / name).read_bytes() for name in before} == before
    assert "No test images are shown" in (sweep / "report.html").read_text()


@pytest.mark.slow
def test_several_folders_make_one_report_in_the_first(tmp_path: Path, in_process: Command) -> None:
    small = {"seeds": 2, "epochs": 4, "images": 20, "valid": 5}
    write_sweep(tmp_path / "work" / "a", {"none": {}}, **small)
    write_sweep(tmp_path / "work" / "b", {"elastic": {"effect": 0.3}, "crop": {}}, **small)
    (tmp_path / "work" / "b" / "unet-group0-broken").mkdir()
    code, shown = in_process("task=report", "runs=[a,b]", "report.baseline=crop")
    assert code == 0, shown
    assert set(pd.read_csv(tmp_path / "work" / "a" / "comparison.csv")["baseline"]) == {"aug=crop"}
    assert not (tmp_path / "work" / "b" / "report.html").exists()
    assert "left out: b/unet-group0-broken: status.json cannot be read" in shown
    assert sorted(path.name for path in (tmp_path / "work").iterdir()) == ["a", "b"]


@pytest.mark.slow
def test_a_report_on_two_factors_answers_factor_by_factor(tmp_path: Path, in_process: Command) -> None:
    sweep = tmp_path / "work" / "a"
    groups = {
        f"{model} {aug}": {"config": {"model.name": model, "aug.name": aug}, "effect": -0.1 - 0.1 * (aug == "crop")}
        for model in ("unet", "resnet34_unet")
        for aug in ("none", "crop", "elastic")
    }
    write_sweep(sweep, groups, seeds=3, epochs=2, images=20, valid=5)
    code, shown = in_process("task=report", "runs=a", "report.baseline={model:unet,aug:none}")
    assert code == 0, shown
    said = "Averaged over the 2 networks, crop lowers test Dice by "
    page, text = (sweep / "report.html").read_text(), (sweep / "report.md").read_text()
    for place in (page, text, shown):
        places = [place.index(words) for words in (said, "model=unet aug=elastic: ")]
        assert places == sorted(places)
    assert page.index(said) < page.index('id="interaction"') < page.index('id="factors"')
    assert text.index("## Factor by factor") < text.index("## Scores")
    [crop] = [row for _, row in pd.read_csv(sweep / "main_effects.csv").iterrows() if row["level"] == "crop"][:1]
    assert (crop["metric"], crop["combinations"], crop["seeds"]) == ("test_dice", 2, 3)
    assert crop["difference"] == pytest.approx(-0.1, abs=0.02)
    assert (sweep / "figures" / "interaction_7in.pdf").exists()


@pytest.mark.parametrize("given", ["report.baseline=nothing", "report.baseline={aug:color}"])
def test_a_baseline_that_no_group_is_stops_it(tmp_path: Path, in_process: Command, given: str) -> None:
    write_sweep(tmp_path / "work" / "a", {"none": {}, "crop": {}}, seeds=1, epochs=2, images=9, valid=2)
    code, shown = in_process("task=report", "runs=a", given)
    assert code == 2
    assert "fits none of the groups aug=none, aug=crop" in shown
    assert not (tmp_path / "work" / "a" / "report.html").exists()


@pytest.mark.slow
def test_a_sweep_whose_baseline_is_not_there_is_compared_all_the_same(
    oxford: Path, tmp_path: Path, in_process: Command
) -> None:
    # Two jobs may be the same run.
    arguments = ["-m", *tiny(oxford), "train.epochs=1", "aug=none,hflip", "seed=0,0", "report.baseline=nothing"]
    code, shown = in_process(*arguments)
    assert code == 0, shown
    assert "2 runs in runs/default" in shown
    assert "report.baseline=nothing: fits none of the groups aug=none, aug=hflip" in shown
    assert (tmp_path / "work" / "runs" / "default" / "report.html").exists()


def test_a_folder_that_cannot_be_written_keeps_the_former_page(tmp_path: Path, in_process: Command) -> None:
    sweep = tmp_path / "work" / "a"
    write_sweep(sweep, {"none": {}, "crop": {"effect": -0.3}}, seeds=2, epochs=2, images=9, valid=2)
    for name in ("figures", "report.html"):
        (sweep / name).write_text("former")
    code, shown = in_process("task=report", "runs=a")
    assert code == 1
    # What the runs came to is told all the same.
    *_, head, verdict, problem = shown.splitlines()
    assert (head, verdict.split(":")[0]) == (HEAD, "crop")
    assert problem.startswith("a/figures/differences_7in.svg: cannot be written")
    assert "page  " not in shown
    assert (sweep / "report.html").read_text() == "former"
    assert not list(sweep.glob(".*.part"))


@pytest.fixture
def study(oxford: Path, tmp_path: Path) -> list[str]:
    """The words that start a study of two runs from a file of a user's own, which ends with lines of its own."""
    (tmp_path / "conf" / "experiment").mkdir(parents=True)
    (tmp_path / "conf" / "experiment" / "study.yaml").write_text(
        "# @package _global_\n"
        "defaults: [override /data: oxford_pet]\n"
        f"data: {{root: {oxford}, size: 32}}\n"
        "model: {width: 4}\n"
        "train: {epochs: 1, device: cpu}\n"
        "tracker: {mode: disabled}\n"
        "closing: 'next {python}'\n"
        "hydra: {sweeper: {params: {aug: 'none,hflip'}}}\n"
    )
    return [f"--config-dir={tmp_path / 'conf'}", "experiment=study"]


@pytest.mark.slow
def test_a_study_ends_with_its_own_lines_if_it_is_as_in_its_file(study: list[str], in_process: Command) -> None:
    code, shown = in_process(*study)
    assert code == 0, shown
    assert shown.endswith(f"\n\nnext {python()}\n")
    code, shown = in_process(*study, "seed=1")
    assert code == 0, shown
    assert "next" not in shown
    code, shown = in_process(*study, "seed=1", "closing=mine")
    assert shown.endswith("\n\nmine\n")


def test_a_sweep_whose_page_cannot_be_written_says_what_it_came_to(
    study: list[str], tmp_path: Path, in_process: Command
) -> None:
    sweep = tmp_path / "work" / "runs" / "default"
    sweep.mkdir(parents=True)
    (sweep / "figures").write_text("mine")
    code, shown = in_process(*study)
    assert code == 1
    lines = shown.splitlines()
    assert lines[lines.index(HEAD) + 1].startswith("hflip: ")
    assert lines[-1].startswith("runs/default/figures/")
    assert "cannot be written" in lines[-1]
    assert "next" not in shown


def test_networks_that_learned_nothing_are_named_everywhere(tmp_path: Path, in_process: Command) -> None:
    sweep = tmp_path / "work" / "a"
    for run in write_sweep(sweep, {"none": {}, "hflip": {}}, seeds=2, epochs=2, images=9, valid=2):
        make_constant(run, "background")
    code, shown = in_process("task=report", "runs=a")
    assert code == 0, shown
    said = "none and hflip: the network predicts background for every test image."
    equal = "hflip and none have the same Dice in every test image with 2 seeds: the differences are all exactly zero."
    assert said in shown.splitlines()
    assert shown.splitlines()[-1] == "hflip: 0.0 points: the differences from none are all exactly zero"
    for name in ("report.html", "report.md"):
        text = (sweep / name).read_text()
        assert said in text
        assert equal in text
        assert "half a point" not in text
