"""The command line end to end, in processes of its own, as a user meets it."""

import csv
import json
import shutil
import subprocess
import sys
import sysconfig
import time
import venv
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import command, tiny
from processes import forked

from pets_seg.config.options import known_settings

Command = Callable[..., tuple[int, str]]
ROOT = Path(__file__).parent.parent


def test_help_is_quick_and_shows_groups_options_and_settings(tmp_path: Path) -> None:
    started = time.perf_counter()
    done = command("--help", cwd=tmp_path)
    # About a second; the bound leaves room for a busy machine and still fails if torch is imported.
    assert time.perf_counter() - started < 10
    assert done.returncode == 0
    for shown in (
        "aug         augmentation of training images and masks, together\n              color  crop  elastic ",
        "hflip*",
        "train.epochs=10",
        "model.width=64",
        "experiment",
        "pets_seg is the same as python -m pets_seg.run",
        'eval "$(pets_seg -sc install=bash)"',
    ):
        assert shown in done.stdout
    assert 70 < max(map(len, done.stdout.splitlines())) <= 80


def test_help_gives_what_a_setting_means_in_each_option_that_has_it(
    in_process: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    shown = " ".join(in_process("--help")[1].split())
    root = (
        "data.root the folder that holds images/ and masks/, or train/, valid/ and test/ that each hold them [folder]; "
    )
    assert root + "the folder that holds oxford-iiit-pet/; null: the user's cache folder [oxford_pet] data." in shown
    assert "data.size=64 side of image and mask in pixels data." in shown
    chosen = " ".join(in_process("--help", "data=oxford_pet")[1].split())
    assert "data.root=null the folder that holds oxford-iiit-pet/; null: the user's cache folder data." in chosen


@pytest.mark.parametrize(("columns", "widest"), [("40", 64), ("80", 80), ("110", 110), ("400", 120)])
def test_help_fits_the_terminal(
    columns: str, widest: int, in_process: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    code, shown = in_process("--help", "name=${seed}", "data.cache_dir='a $b $$c'")
    assert code == 0
    lines = shown.splitlines()
    assert widest - 20 < max(map(len, lines)) <= widest
    assert "  name=0 " in shown
    assert "  data.cache_dir=a$b$$c" in shown
    # Nothing is lost at any width.
    assert {word.partition("=")[0] for line in lines for word in line.split()} >= known_settings().keys() - {
        "aug.operations"
    }


@pytest.mark.parametrize("arguments", [["--help"], ["--cfg", "job"], ["--cfg", "job", "experiment=quickstart"]])
def test_showing_the_configuration_imports_nothing_heavy(tmp_path: Path, arguments: list[str]) -> None:
    done = command(*arguments, cwd=tmp_path, PYTHONPROFILEIMPORTTIME="1")
    assert done.returncode == 0, done.stderr
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if "import time" in line}
    assert "hydra" in imported
    assert not imported & {"torch", "kornia", "wandb", "pandas", "torchvision", "numpy"}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_train_then_again_then_evaluate(oxford: Path, tmp_path: Path) -> None:
    arguments = [*tiny(oxford), "tracker.mode=auto", "train.epochs=1"]
    first = command(*arguments, cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    assert "epoch 1/1" in first.stdout
    assert "test Dice" in first.stdout
    assert first.stderr == ""
    [run] = (tmp_path / "runs" / "default").iterdir()
    expected = {
        "config.yaml",
        "status.json",
        "metrics.csv",
        "summary.json",
        "per_image.csv",
        "calibration.csv",
        "data.csv",
        "pictures.npz",
    }
    assert {path.name for path in run.iterdir()} == expected | {
        "checkpoints",
        "result.png",
        "train.log",
        "wandb",
        ".hydra",
        ".lock",
    }
    assert {path.name for path in (run / "checkpoints").iterdir()} == {"best.safetensors"}
    assert list((run / "wandb").glob("offline-run-*/*.wandb"))
    status = json.loads((run / "status.json").read_text())
    assert status["state"] == "finished"
    assert status["error"] is None
    with open(run / "per_image.csv") as file:
        rows = list(csv.DictReader(file))
    assert [row["split"] for row in rows] == ["valid"] * 2 + ["test"] * 4
    summary = json.loads((run / "summary.json").read_text())
    assert summary["test_dice"] == pytest.approx(sum(float(row["dice"]) for row in rows[2:]) / 4, abs=1e-12)

    again = forked(*arguments, cwd=tmp_path)
    assert again.returncode == 0
    assert "finished already (existing=restart trains it again)" in again.stdout
    assert f"{summary['test_dice']:.4f}" in again.stdout
    assert json.loads((run / "status.json").read_text()) == status

    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    evaluated = forked("task=evaluate", f"checkpoint={run.relative_to(tmp_path)}", "split=test", cwd=tmp_path)
    assert evaluated.returncode == 0, evaluated.stderr
    line = evaluated.stdout.splitlines()[0]
    figures = " ".join(f"{key}={summary[f'test_{key}']:.4f}" for key in ("dice", "iou", "loss"))
    assert line == f"split=test images=4 {figures}"
    made = json.loads((run / "evaluations" / "test" / "evaluation.json").read_text())
    assert [made[key] for key in ("dice", "iou", "loss")] == [summary[f"test_{k}"] for k in ("dice", "iou", "loss")]
    per_image = (run / "evaluations" / "test" / "per_image.csv").read_text().splitlines()
    assert per_image[1:] == [line for line in (run / "per_image.csv").read_text().splitlines() if "test," in line]
    after = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert {path.parent.name for path in after - before} == {"test"}

    restarted = forked(*arguments, "existing=restart", cwd=tmp_path)
    assert restarted.returncode == 0
    assert "epoch 1/1" in restarted.stdout
    assert not (run / "evaluations").exists()


def test_evaluating_on_other_images_takes_size_and_rule_from_the_run(oxford: Path, tmp_path: Path) -> None:
    assert forked(*tiny(oxford), "data.boundary=background", cwd=tmp_path).returncode == 0
    [run] = (tmp_path / "runs" / "default").iterdir()
    done = forked("task=evaluate", f"checkpoint={run}/metrics.csv", "data=sample", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("split=all images=740 dice=")
    [written] = (run / "evaluations").iterdir()
    assert written.name.startswith("all-sample-")
    data = json.loads((written / "evaluation.json").read_text())["data"]
    assert (data["name"], data["size"], data["boundary"]) == ("sample", 32, "background")


@pytest.mark.slow
def test_a_sweep_with_a_failing_job_runs_the_others_and_says_so(oxford: Path, tmp_path: Path) -> None:
    swept = ["optimizer.lr=0.01,1e30", "seed=0,1", "train.batch_size=4"]
    done = forked("-m", *tiny(oxford), "name=study", *swept, cwd=tmp_path)
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    sweep = tmp_path / "runs" / "study"
    states = sorted(json.loads(path.read_text())["state"] for path in sweep.glob("*/status.json"))
    assert states == ["failed", "failed", "finished", "finished"]
    assert done.stdout.count("failed: the training loss is") == 2
    assert "optimizer.lr=0.01" in done.stdout
    with open(sweep / "runs.csv") as file:
        rows = list(csv.DictReader(file))
    assert [row["state"] for row in rows].count("finished") == 2
    assert {row["optimizer.lr"] for row in rows} == {"0.01", "1e+30"}
    single = forked(*tiny(oxford), "name=study", "optimizer.lr=0.01", "train.batch_size=4", cwd=tmp_path)
    assert "finished already" in single.stdout


@pytest.mark.slow
def test_memory_does_not_grow_over_twenty_jobs(oxford: Path, tmp_path: Path) -> None:
    done = forked("-m", *tiny(oxford), "train.epochs=1", "aug=strong", "seed=range(20)", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    found = [next(tmp_path.glob(f"runs/default/*-s{seed}-*/summary.json")) for seed in range(20)]
    peaks = [json.loads(path.read_text())["peak_memory_mb"] for path in found]
    # In MB; the first jobs fill caches. A job that kept its network, data and optimizer would add more than that.
    assert max(peaks[15:]) - max(peaks[5:10]) < 10


@pytest.mark.slow
def test_quickstart_sweeps_without_a_flag(tmp_path: Path) -> None:
    quick = ["experiment=quickstart", "train.epochs=1", "data.size=32", "model.width=2", "tracker.mode=disabled"]
    done = forked(*quick, "seed=0", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "3 runs in runs/quickstart" in done.stdout
    for group in ("aug=none", "aug=elastic", "aug=crop"):
        assert f"\n{group}" in done.stdout
    assert "\njob 3/3, " in done.stdout


def test_a_wrong_command_line_is_one_line_on_stderr(tmp_path: Path) -> None:
    done = command("modle=unet", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == "modle: no such group or setting (did you mean model?); --help lists them\n"
    assert "Traceback" in command("modle=unet", cwd=tmp_path, HYDRA_FULL_ERROR="1").stderr


@pytest.mark.slow
def test_a_wheel_holds_all_that_a_run_needs(tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    copy = tmp_path / "source"
    # A copy, so that building leaves nothing in the checkout.
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in tracked.splitlines():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, copy / name)
    build = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--quiet", "--wheel-dir", str(tmp_path), str(copy)]
    subprocess.run(build, check=True, timeout=200)
    [wheel] = tmp_path.glob("*.whl")
    venv.create(tmp_path / "env", with_pip=False)
    python = tmp_path / "env" / "bin" / "python"
    site = sysconfig.get_path("purelib", vars={"base": str(tmp_path / "env")})
    install = [*pip, "--python", str(python), "install", "--no-deps", "--quiet", str(wheel)]
    subprocess.run(install, check=True, timeout=200)
    # Dependencies come from this environment; its editable pets_seg does not, for that takes a hook.
    (Path(site) / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    work = tmp_path / "work"
    work.mkdir()
    small = ["model.width=2", "data.size=32", "train.epochs=1", "tracker.mode=disabled"]
    run = [str(python), "-m", "pets_seg.run", *small]
    done = subprocess.run(run, cwd=work, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    ask = [str(python), "-c", "import pets_seg; print(pets_seg.__file__)"]
    where = subprocess.run(ask, cwd=work, capture_output=True, text=True, check=True).stdout
    assert Path(where.strip()).is_relative_to(tmp_path / "env")
    status = json.loads(next((work / "runs").glob("*/*/status.json")).read_text())
    assert status["git"] is None
