"""What a single run ends with: figures, addresses, a picture and the next command."""

import shlex
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import only_run, python_elsewhere, tiny
from PIL import Image
from processes import forked
from sweeps import make_constant

from pets_seg.command.after_run import show_next, show_result, write_picture
from pets_seg.report.plotting.result import choose_stems
from pets_seg.report.study.runs import read_run
from pets_seg.run_folder.folder import RunFolder


@pytest.mark.slow
def test_a_run_ends_with_its_folder_a_picture_and_a_command_that_works(oxford: Path, tmp_path: Path) -> None:
    done = forked(*tiny(oxford), "aug=vflip", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines()[:6])) <= 80
    run = only_run(tmp_path)
    assert f"folder   {run.as_uri()}\n" in done.stdout
    assert f"picture  {run.as_uri()}/result.png\n" in done.stdout
    with Image.open(run / "result.png") as picture:
        # Six images in colour: more than curves on white.
        assert len(np.unique(np.asarray(picture.convert("RGB")).reshape(-1, 3), axis=0)) > 1000
    line = done.stdout.strip().splitlines()[-1].strip()
    assert line.startswith(
        f"{python_elsewhere()} -m pets_seg.run -m aug=none,vflip seed=0,1,2 data=oxford_pet data.root="
    )
    swept = subprocess.run(
        shlex.split(line.replace("seed=0,1,2", "seed=0,1")), cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert swept.returncode == 0, swept.stderr
    # The run itself is one of its jobs; those of a sweep have a page instead of pictures.
    assert swept.stdout.count("finished already") == 1
    assert list(tmp_path.glob("runs/*/*/result.png")) == [run / "result.png"]
    (run / "result.png").unlink()
    again = forked(*tiny(oxford), "aug=vflip", cwd=tmp_path)
    assert "finished already" in again.stdout
    assert (run / "result.png").exists()


@pytest.mark.slow
def test_a_picture_that_cannot_be_drawn_costs_a_line_only(
    oxford: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert forked(*tiny(oxford), cwd=tmp_path).returncode == 0
    run = only_run(tmp_path)
    (run / "result.png").unlink()
    (run / "per_image.csv").unlink()
    assert write_picture(run) is None
    assert [record.levelname for record in caplog.records if "result.png: could not be drawn" in record.message] == [
        "WARNING"
    ]
    assert not (run / "result.png").exists()
    assert "per_image.csv" in caplog.text


@pytest.mark.slow
def test_a_network_that_predicts_one_class_is_named(
    oxford: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert forked(*tiny(oxford), cwd=tmp_path).returncode == 0
    run = only_run(tmp_path)
    caplog.set_level("INFO", logger="pets_seg")
    make_constant(run, "background")
    assert write_picture(run)
    assert caplog.messages == ["the network predicts background for every test image"]


@pytest.mark.slow
def test_a_run_that_is_begun_again_has_no_picture_of_the_former(oxford: Path, tmp_path: Path) -> None:
    assert forked(*tiny(oxford), cwd=tmp_path).returncode == 0
    run = only_run(tmp_path)
    assert (run / "result.png").exists()
    RunFolder(run).clear()
    assert not (run / "result.png").exists()


def test_six_images_from_the_worst_to_the_best_are_chosen(oxford: Path, tmp_path: Path) -> None:
    assert forked(*tiny(oxford), cwd=tmp_path).returncode == 0
    run = only_run(tmp_path)
    dice = [0.5, 0.1, 0.9, 0.3, 0.7, 0.2, 0.8, 0.4, 0.6, 0.65, 0.05]
    table = pd.DataFrame({"split": "test", "stem": [f"pet_{value}" for value in dice], "dice": dice})
    table.assign(iou=0.5, loss=0.5, pixels=9).to_csv(run / "per_image.csv", index=False)
    assert choose_stems(read_run(run)) == [f"pet_{value}" for value in (0.05, 0.2, 0.4, 0.6, 0.7, 0.9)]
    table[:2].assign(iou=0.5, loss=0.5, pixels=9).to_csv(run / "per_image.csv", index=False)
    assert choose_stems(read_run(run)) == ["pet_0.1", "pet_0.5"]


def test_units_fit_the_size(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="pets_seg")
    figures = dict.fromkeys(("best_epoch", "best_val_dice", "test_dice", "test_iou", "test_loss"), 1)
    show_result({**figures, "parameters": 5e4, "macs": 4.4e6, "peak_memory_mb": 824.2, "train_seconds": 12})
    show_result({**figures, "parameters": 13.4e6, "macs": 3.5e9, "peak_memory_mb": 3773, "train_seconds": 9000})
    assert [line for line in caplog.messages if "parameters" in line] == [
        "50 k parameters, 4.4 MMACs an image, peak memory 824 MB, trained in 12 s",
        "13.4 M parameters, 3.5 GMACs an image, peak memory 3773 MB, trained in 2.5 h",
    ]


def test_the_next_command_keeps_what_was_given(capsys: pytest.CaptureFixture[str]) -> None:
    show_next(["aug=none", "seed=3", "model.width=8", "existing=restart", "data.root=/my photos"], "none", 3)
    line = capsys.readouterr().out.splitlines()[-1]
    assert line.endswith(" -m pets_seg.run -m aug=none,hflip seed=3,4,5 model.width=8 'data.root=/my photos'")


ELSEWHERE = "hydra.run.dir=a/${run_name:}"


@pytest.mark.parametrize(
    "word", ["aug.operations.0.p=0.5", "+aug.operations.0.resample=BILINEAR", "replay=runs/a/b", ELSEWHERE]
)
def test_no_comparison_is_proposed_that_would_not_take_up_the_run(
    word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    show_next(["aug=elastic", word], "elastic", 0)
    assert capsys.readouterr().out == ""


def test_a_trial_of_a_wandb_sweep_is_told_of_no_other(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("WANDB_SWEEP_ID", "WANDB_RUN_ID"):
        monkeypatch.setenv(name, "x")
    show_next(["aug=elastic"], "elastic", 0)
    assert capsys.readouterr().out == ""


@pytest.mark.slow
@pytest.mark.parametrize("named", ["hydra.searchpath=[file://{}/conf]", "--config-dir={}/conf"])
def test_an_option_of_ones_own_is_found_again_by_the_next_command(named: str, oxford: Path, tmp_path: Path) -> None:
    (tmp_path / "conf" / "aug").mkdir(parents=True)
    operations = "[{_target_: kornia.augmentation.RandomVerticalFlip, p: 0.5}]"
    (tmp_path / "conf" / "aug" / "mine.yaml").write_text(f"name: mine\noperations: {operations}\n")
    search = named.format(tmp_path)
    done = forked(*tiny(oxford), "train.epochs=1", "aug=mine", search, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    line = shlex.split(done.stdout.strip().splitlines()[-1])
    assert search in line
    swept = forked(*line[3:], "seed=0", cwd=tmp_path)
    assert swept.returncode == 0, swept.stderr
    assert "aug=mine" in swept.stdout
