"""Masks that leave Dice nothing to say, or an image without figures: told wherever the Dice is, and in no mean."""

import csv
import json
import math
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import only_run, tiny
from outcome import epoch_rows
from PIL import Image

Command = Callable[..., tuple[int, str]]
# The lists of the fixture: every tenth of 20 trainval pairs is for validation, pet_20 to pet_23 are for testing.
SPLITS = {"training": {*range(20)} - {0, 10}, "validation": {0, 10}, "test": range(20, 24)}
LEFT_OUT = "1 of 4 test images has no counted pixel and is left out"


def fill(oxford: Path, numbers: Iterable[int], value: int) -> None:
    """Make the whole trimaps of these pairs `value`."""
    for number in numbers:
        path = oxford / "oxford-iiit-pet" / "annotations" / "trimaps" / f"pet_{number}.png"
        Image.fromarray(np.full((48, 48), value, np.uint8)).save(path)


def table(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def strict_json(path: Path) -> dict[str, Any]:
    def refuse(word: str) -> None:
        raise AssertionError(f"{path} holds {word}")

    return json.loads(path.read_text(), parse_constant=refuse)


@pytest.mark.slow
@pytest.mark.parametrize("split", SPLITS)
def test_a_split_without_a_pet_is_told_wherever_its_dice_is_shown(
    split: str, oxford: Path, tmp_path: Path, in_process: Command
) -> None:
    fill(oxford, SPLITS[split], 2)
    line = f"no pixel of the {split} masks is pet"
    code, shown = in_process(*tiny(oxford), "train.epochs=1")
    assert code == 0, shown
    # At the start; and, but for training images, which have no Dice, beside the Dice at the end.
    assert shown.count(line) == (1 if split == "training" else 2)
    assert shown.index(line) < shown.index("epoch 1/1")
    run = only_run(tmp_path / "work")
    summary = strict_json(run / "summary.json")
    assert (summary["val_has_pet"], summary["test_has_pet"]) == (split != "validation", split != "test")
    if split == "training":
        return
    code, shown = in_process(*tiny(oxford), "train.epochs=1")
    assert "finished already" in shown
    assert line in shown
    name = {"validation": "valid", "test": "test"}[split]
    code, shown = in_process("task=evaluate", f"checkpoint={run}", f"split={name}", "train.device=cpu")
    assert (code, line in shown) == (0, True)
    assert strict_json(run / "evaluations" / name / "evaluation.json")["has_pet"] is False
    code, shown = in_process("task=report", "runs=runs/default")
    assert code == 0, shown
    sentence = f"{line[0].upper()}{line[1:]}, so that {split} Dice says nothing"
    assert sentence in " ".join(shown.split())
    for page in ("report.html", "report.md"):
        assert sentence in (run.parent / page).read_text()


@pytest.mark.slow
def test_an_image_without_a_counted_pixel_is_in_no_figure(oxford: Path, tmp_path: Path, in_process: Command) -> None:
    fill(oxford, [3, 4, 21], 3)
    words = [*tiny(oxford), "data.boundary=ignore", "loss=ce_dice"]
    code, shown = in_process(*words)
    assert code == 0, shown
    assert shown.count(LEFT_OUT) == 2
    assert "2 of 18 training images have no counted pixel and are left out" in shown
    run = only_run(tmp_path / "work")

    rows = {row["stem"]: row for row in table(run / "per_image.csv") if row["split"] == "test"}
    assert [rows["pet_21"][name] for name in ("dice", "iou", "loss", "pixels")] == ["", "", "", "0"]
    summary = strict_json(run / "summary.json")
    assert (summary["test_images"], summary["test_images_left_out"], summary["val_images_left_out"]) == (4, 1, 0)
    scored = [row for row in rows.values() if row["stem"] != "pet_21"]
    for name in ("dice", "iou"):
        mean = sum(float(row[name]) for row in scored) / 3
        assert summary[f"test_{name}"] == pytest.approx(mean, abs=1e-9)
    pixels = [int(row["pixels"]) for row in scored]
    loss = sum(float(row["loss"]) * count for row, count in zip(scored, pixels, strict=True)) / sum(pixels)
    assert summary["test_loss"] == pytest.approx(loss, abs=1e-6)

    code, shown = in_process("task=evaluate", f"checkpoint={run}", "train.device=cpu")
    assert (code, LEFT_OUT in shown) == (0, True)
    evaluation = strict_json(run / "evaluations" / "test" / "evaluation.json")
    assert (evaluation["images"], evaluation["images_left_out"]) == (4, 1)
    assert evaluation["dice"] == pytest.approx(summary["test_dice"], abs=1e-6)

    # The finished run gets a metric, which has no value for that image either.
    code, shown = in_process(*words, "metric=boundary_f1")
    assert (code, LEFT_OUT in shown) == (0, True)
    rows = {row["stem"]: row for row in table(run / "per_image.csv") if row["split"] == "test"}
    assert (rows["pet_21"]["boundary_f1"], rows["pet_21"]["dice"]) == ("", "")
    values = [float(row["boundary_f1"]) for row in rows.values() if row["boundary_f1"]]
    assert strict_json(run / "summary.json")["test_boundary_f1"] == pytest.approx(sum(values) / len(values), abs=1e-6)

    code, shown = in_process(*words, "seed=1")
    code, shown = in_process(*words, "seed=0", "optimizer.lr=0.01")
    code, shown = in_process("task=report", "runs=runs/default")
    assert code == 0, shown
    assert LEFT_OUT in " ".join(shown.split())
    assert "images in common" not in shown
    for page in ("report.html", "report.md"):
        assert LEFT_OUT in (run.parent / page).read_text()
    compared = {row["metric"]: row for row in table(run.parent / "comparison.csv")}
    assert {compared[name]["images"] for name in ("test_dice", "test_iou", "test_loss")} == {"3"}
    assert all(math.isfinite(float(compared[name]["difference"])) for name in ("test_dice", "test_iou", "test_loss"))


@pytest.mark.parametrize("split", SPLITS)
def test_a_split_without_a_counted_pixel_is_refused(
    split: str, oxford: Path, tmp_path: Path, in_process: Command
) -> None:
    fill(oxford, SPLITS[split], 3)
    code, shown = in_process(*tiny(oxford), "data.boundary=ignore")
    assert code == 2
    assert f"none of the {len(SPLITS[split])} {split} images has a counted pixel" in shown
    assert "Traceback" not in shown
    assert not (tmp_path / "work" / "runs").exists()


@pytest.mark.slow
def test_two_processes_leave_out_what_one_does(oxford: Path, tmp_path: Path) -> None:
    fill(oxford, [3, 4, 10, 21], 3)
    words = [*tiny(oxford), "data.boundary=ignore", "optimizer=sgd", "optimizer.lr=1e-3", "scheduler=constant"]
    words += ["train.batch_size=7", "loss=ce_dice"]
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    for name, launcher in (("two", torchrun), ("one", [])):
        command = [sys.executable, *launcher, "-m", "pets_seg.run", *words, f"name={name}"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count(LEFT_OUT) == 2
    one, two = (only_run(tmp_path, name) for name in ("one", "two"))
    for rows in zip(epoch_rows(one), epoch_rows(two), strict=True):
        for key in ("train/loss", "train/objective", "val/loss", "val/objective"):
            assert float(rows[0][key]) == pytest.approx(float(rows[1][key]), rel=1e-4), key
    summaries = [strict_json(run / "summary.json") for run in (one, two)]
    for key in ("test_loss", "test_ece", "val_loss_at_best"):
        assert summaries[0][key] == pytest.approx(summaries[1][key], rel=1e-3), key
    for key in ("val_images_left_out", "test_images_left_out", "test_has_pet", "images_seen"):
        assert summaries[0][key] == summaries[1][key]
