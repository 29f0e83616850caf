"""What older versions named and wrote: names of runs stay, and their folders are read, scored, compared and continued.

`names.txt` holds the name of the run that each command makes. `runs/old` was written by the command in OLD, once to its
end (seed 0) and once killed in the middle of its second epoch (seed 1); `expected.json` holds the test Dice that both
come to when nothing interrupts them.
"""

import csv
import json
import shlex
import shutil
from pathlib import Path

import pytest
from hydra import compose, initialize_config_module
from processes import forked

HERE = Path(__file__).parent
NAMES = (HERE / "names.txt").read_text(encoding="utf-8").splitlines()
EXPECTED = json.loads((HERE / "expected.json").read_text(encoding="utf-8"))
OLD = [
    "name=old data.size=32 model.width=2 model.upsampling=transposed aug=crop loss=ce_dice train.epochs=2",
    "train.ema=0.9 train.save_every_steps=10 train.device=cpu tracker.mode=disabled",
]
# Another machine or version of torch rounds in another way.
ROUNDING = 0.01


@pytest.mark.parametrize("line", NAMES)
def test_a_command_makes_the_run_of_the_same_name(line: str) -> None:
    name, _, words = line.partition(" ")
    overrides = [*shlex.split(words), "train.device=cpu"]
    with initialize_config_module("pets_seg.conf", version_base="1.3"):
        cfg = compose("config", overrides=overrides, return_hydra_config=True)
    assert Path(cfg.hydra.run.dir).name == name


@pytest.fixture
def old(tmp_path: Path) -> dict[int, Path]:
    """Copies of the two run folders in runs/old of a folder to work in, by their seed."""
    shutil.copytree(HERE / "runs", tmp_path / "runs")
    return {seed: next((tmp_path / "runs" / "old").glob(f"*-s{seed}-*")) for seed in (0, 1)}


def arguments(seed: int) -> list[str]:
    return [*" ".join(OLD).split(), f"seed={seed}"]


def summary(run: Path) -> dict[str, float]:
    return json.loads((run / "summary.json").read_text(encoding="utf-8"))


def test_a_finished_run_is_found_and_not_trained_again(old: dict[int, Path], tmp_path: Path) -> None:
    before = summary(old[0])
    done = forked(*arguments(0), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "finished already" in done.stdout
    assert summary(old[0]) == before
    assert sorted(path.name for path in (tmp_path / "runs" / "old").iterdir()) == sorted(p.name for p in old.values())


def test_a_finished_run_is_evaluated_with_its_own_figures(old: dict[int, Path], tmp_path: Path) -> None:
    done = forked("task=evaluate", f"checkpoint={old[0]}", "train.device=cpu", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    figures = dict(word.split("=") for word in done.stdout.splitlines()[0].split())
    assert (figures["split"], figures["images"]) == ("test", "148")
    assert float(figures["dice"]) == pytest.approx(summary(old[0])["test_dice"], abs=1e-3)
    assert float(figures["loss"]) == pytest.approx(summary(old[0])["test_loss"], abs=1e-3)


@pytest.mark.slow
def test_a_killed_run_is_continued_where_it_was(old: dict[int, Path], tmp_path: Path) -> None:
    done = forked(*arguments(1), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "continuing after step 6 of epoch 2 of 2" in done.stdout
    assert summary(old[1])["test_dice"] == pytest.approx(EXPECTED["1"], abs=ROUNDING)
    assert sorted(path.name for path in (tmp_path / "runs" / "old").iterdir()) == sorted(p.name for p in old.values())


@pytest.mark.slow
def test_a_run_is_replayed_under_its_own_name(old: dict[int, Path], tmp_path: Path) -> None:
    done = forked(f"replay={old[0]}", "train.device=cpu", "tracker.mode=disabled", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    replayed = tmp_path / "runs" / "replay" / old[0].name
    assert summary(replayed)["test_dice"] == pytest.approx(EXPECTED["0"], abs=ROUNDING)


@pytest.mark.slow
def test_runs_are_compared_with_those_made_now(old: dict[int, Path], tmp_path: Path) -> None:
    new = [word for word in arguments(0) if not word.startswith("seed=")]
    done = forked("-m", *new, "aug=none,crop", "seed=0", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    with open(tmp_path / "runs" / "old" / "runs.csv", encoding="utf-8", newline="") as file:
        rows = {row["run"]: row for row in csv.DictReader(file)}
    assert rows[old[0].name]["state"] == "finished"
    assert rows[old[1].name]["state"] in ("running", "interrupted")
    # A column stands for a setting that differs between runs: what is written now must not look like another setting.
    groups = ("model", "optimizer", "scheduler", "loss", "data", "train")
    assert not [key for key in rows[old[0].name] if key.startswith(tuple(f"{group}." for group in groups))]
    with open(tmp_path / "runs" / "old" / "comparison.csv", encoding="utf-8", newline="") as file:
        compared = {row["group"] for row in csv.DictReader(file)}
    assert compared == {"aug=crop"}
