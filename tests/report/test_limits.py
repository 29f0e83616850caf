"""What limits the figures of a study is said: splits without a pet, and images without a counted pixel."""

import json
from pathlib import Path

import pandas as pd
import pytest
from sweeps import SMALL, write_sweep

from pets_seg.report.limits import remarks, splits_without_pet
from pets_seg.report.origin import origin
from pets_seg.report.plotting.result import draw_result
from pets_seg.report.sentences import answer
from pets_seg.report.study.runs import read_run
from pets_seg.report.study.study import read_study
from pets_seg.report.sweep import verdict_lines


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    """The four runs of two groups; their summaries say nothing of masks, as those of older versions."""
    return write_sweep(tmp_path, {"none": {}, "elastic": {"effect": 0.05}}, **{**SMALL, "seeds": 2})


def record(run: Path, **facts: object) -> None:
    summary = json.loads((run / "summary.json").read_text())
    masks = {f"{key}_{name}": value for key in ("val", "test") for name, value in facts.items()}
    (run / "summary.json").write_text(json.dumps(summary | masks))


def uncount(run: Path, stem: str, keep: bool = False) -> None:
    """Make a test image one without a counted pixel; `keep` leaves its scores, which older versions wrote as 1."""
    table = pd.read_csv(run / "per_image.csv", dtype={"stem": str})
    row = (table["split"] == "test") & (table["stem"] == stem)
    table.loc[row, "pixels"] = 0
    table.loc[row, ["dice", "iou"]] = 1.0 if keep else float("nan")
    table.loc[row, "loss"] = 0.0 if keep else float("nan")
    table.to_csv(run / "per_image.csv", index=False)


def test_runs_that_do_not_say_count_as_unknown(runs: list[Path]) -> None:
    study = read_study([runs[0].parent])
    assert splits_without_pet(study) == []
    assert remarks(study) == []


def test_a_split_without_a_pet_comes_before_all_verdicts(runs: list[Path]) -> None:
    for run in runs:
        record(run, images=40, images_left_out=0, has_pet=False)
    study = read_study([runs[0].parent])
    valid, test = splits_without_pet(study)
    assert valid.startswith("No pixel of the validation masks is pet, so that validation Dice says nothing")
    assert test.startswith("No pixel of the test masks is pet, so that test Dice says nothing")
    assert answer(study)[:2] == [valid, test]
    assert verdict_lines(study)[:2] == [(valid, "yellow"), (test, "yellow")]
    # A picture of one run says it too.
    header = [text.get_text() for text in draw_result(read_run(runs[0]), []).texts]
    assert any("no pet in the validation masks; no pet in the test masks" in text for text in header)


def test_runs_without_a_pet_are_named_where_others_have_one(runs: list[Path]) -> None:
    for number, run in enumerate(runs):
        record(run, images=40, images_left_out=0, has_pet=number > 0)
    _, test = splits_without_pet(read_study([runs[0].parent]))
    assert test.startswith(f"In {runs[0].name} no pixel of the test masks is pet")


@pytest.mark.parametrize("older", [False, True])
def test_images_without_a_counted_pixel_are_in_no_comparison(runs: list[Path], older: bool) -> None:
    for run in runs:
        uncount(run, "pet_3", keep=older)
    study = read_study([runs[0].parent])
    said = remarks(study)
    assert said[0] == "1 of 40 test images has no counted pixel and is left out."
    assert len(said) == (2 if older else 1)
    if older:
        assert said[1].startswith(f"In the means of {runs[0].name}, ")
        assert "they have Dice and IoU 1" in said[1]
    for metric in ("test_dice", "test_iou", "test_loss"):
        item = study.difference(study.groups[1], metric)
        assert item.paired.shape == (2, 39)
        # By hand, from the files.
        tables = [pd.read_csv(run / "per_image.csv", dtype={"stem": str}) for run in runs]
        tables = [table[(table["split"] == "test") & (table["pixels"] > 0)] for table in tables]
        column = metric.removeprefix("test_")
        means = [table[column].mean() for table in tables]
        expected = (means[2] + means[3] - means[0] - means[1]) / 2
        assert item.estimate.difference == pytest.approx(expected)


def test_runs_on_processors_with_different_instructions_are_told(runs: list[Path]) -> None:
    def instructions(run: Path, **facts: str) -> None:
        status = json.loads((run / "status.json").read_text())
        (run / "status.json").write_text(json.dumps(status | facts))

    for run in runs:
        instructions(run, instructions="AVX512, AMX_BF16")
    assert remarks(read_study([runs[0].parent])) == []
    instructions(runs[0], instructions="AVX2")
    study = read_study([runs[0].parent])
    assert remarks(study) == [
        "The processors had different instructions (3 runs with AVX512, AMX_BF16 and one run with AVX2; aug=none mixes "
        "them): the same command gives figures there that differ by rounding."
    ]
    assert dict(origin(study, []))["Device"] == "cpu (AVX2), 2 threads; cpu (AVX512, AMX_BF16), 2 threads"
    # The processor beside a GPU computes nothing.
    instructions(runs[0], device="cuda (H100)")
    [devices] = remarks(read_study([runs[0].parent]))
    assert devices.startswith(
        "The runs were trained on different devices (3 runs with cpu and one run with cuda (H100)"
    )


def test_groups_of_different_code_are_told_with_what_mixes_it(runs: list[Path]) -> None:
    commits = [("a" * 40, False), ("b" * 40, False), ("b" * 40, False), ("b" * 40, True)]
    for run, (commit, dirty) in zip(runs, commits, strict=True):
        status = json.loads((run / "status.json").read_text())
        versions = {"torch": "2.14.1" if run == runs[0] else "2.13.0", "numpy": "2.4.6"}
        # It changes no figure.
        versions["wandb"] = f"0.31.{run.name}"
        new = status | {"git": {"commit": commit, "dirty": dirty}, "versions": versions}
        (run / "status.json").write_text(json.dumps(new))
    study = read_study([runs[0].parent])
    code, torch = remarks(study)
    one, other = (group.name for group in study.groups)
    assert code == (
        f"The runs were trained by different code (2 runs with commit {'b' * 10}, one run with commit {'a' * 10} and "
        f"one run with commit {'b' * 10} with changes; {one} and {other} mix them): a difference between groups may be "
        "one between programs."
    )
    assert torch.startswith(
        "The runs had different versions of libraries (3 runs with torch 2.13.0 and one run with torch 2.14.1; "
    )
    assert torch.count(" mixes them") == 1


def test_the_command_that_trained_is_there_with_the_one_that_compared(runs: list[Path]) -> None:
    folder = runs[0].parent
    assert "Trained by" not in dict(origin(read_study([folder]), []))
    for number, run in enumerate(runs):
        (run / ".hydra").mkdir(exist_ok=True)
        given = {"hydra": ["hydra.mode=RUN"], "task": ["aug=none", f"seed={number}", "name=it's"]}
        (run / ".hydra" / "hydra.yaml").write_text(json.dumps({"hydra": {"overrides": given}}))
    made = dict(origin(read_study([folder]), ["task=report", "runs=a b"]))
    alone = "python -m pets_seg.run aug=none seed={} 'name=it'\"'\"'s'"
    assert made["Trained by"] == "; ".join([*map(alone.format, range(3)), "and one other"])
    assert made["Compared by"] == "python -m pets_seg.run task=report 'runs=a b'"
    given = {"hydra": ["hydra/launcher=local", "hydra.mode=MULTIRUN"], "task": ["aug=none,crop", "seed=range(2)"]}
    (folder / "multirun.yaml").write_text(json.dumps({"hydra": {"overrides": given}}))
    made = dict(origin(read_study([folder]), []))
    assert made["Trained by"] == "python -m pets_seg.run -m hydra/launcher=local aug=none,crop 'seed=range(2)'"


def test_settings_that_change_together_are_no_two_factors(tmp_path: Path) -> None:
    groups = {aug: {"config": {"aug.name": aug, "train.batch_size": size}} for aug, size in (("none", 8), ("crop", 16))}
    write_sweep(tmp_path, groups, **SMALL)
    [said] = remarks(read_study([tmp_path]))
    assert said == "aug and train.batch_size change together, so that their effects cannot be told apart."


def test_runs_of_a_group_that_were_not_equally_fast_are_named(runs: list[Path]) -> None:
    assert remarks(read_study([runs[0].parent])) == []
    for run, factor in zip(runs, (1.0, 1.09, 1.0, 1.2), strict=True):
        table = pd.read_csv(run / "metrics.csv")
        table["images_per_second"] = 200 * factor
        table.to_csv(run / "metrics.csv", index=False)
    assert remarks(read_study([runs[0].parent])) == [
        "Throughput varied by more than a tenth between the runs of aug=elastic (200 to 240 images/s): the machine was "
        "probably busy with other work, so that times are not comparable."
    ]
    # Of runs with other threads nothing else is expected.
    status = json.loads((runs[3] / "status.json").read_text()) | {"threads": 4}
    (runs[3] / "status.json").write_text(json.dumps(status))
    assert not any("Throughput" in remark for remark in remarks(read_study([runs[0].parent])))


def test_groups_that_the_baseline_given_does_not_fit_are_named(tmp_path: Path) -> None:
    # aug=none of UNet alone: those of the other network have nothing to be compared with.
    cells = [("unet", "none"), ("unet", "elastic"), ("resnet34_unet", "elastic"), ("resnet34_unet", "crop")]
    groups = {" ".join(cell): {"config": {"model.name": cell[0], "aug.name": cell[1]}} for cell in cells}
    runs = write_sweep(tmp_path, groups, **{**SMALL, "seeds": 2})
    [left] = [text for text in remarks(read_study([tmp_path], {"aug": "none"})) if "compared with no group" in text]
    assert left == (
        "model=resnet34_unet aug=crop and model=resnet34_unet aug=elastic are compared with no group: report.baseline "
        "leaves no group to compare them with."
    )
    whole = remarks(read_study([tmp_path], {"model": "unet", "aug": "none"}))
    assert not any("compared with no group" in text for text in whole)
    # Now one of them may be waiting for a baseline.
    for run in runs[:2]:
        status = json.loads((run / "status.json").read_text())
        (run / "status.json").write_text(json.dumps(status | {"state": "running"}))
    assert not any("compared with no group" in text for text in remarks(read_study([tmp_path], {"model": "unet"})))
