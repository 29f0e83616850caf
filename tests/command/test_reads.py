"""A key that a task does not read is refused: on the command line, swept over, and from a file that nothing reads."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import only_run, tiny
from refusals import refused
from sweeps import write_sweep

from pets_seg.command.reads import TASKS, reads
from pets_seg.config.groups import GROUPS
from pets_seg.config.options import known_settings

Command = Callable[..., tuple[int, str]]
TRAINS = "has no place with task=train, which trains a network, or continues the run that the same command began"
REFUSED = {
    "+runs=a": f"runs: {TRAINS}; it is for task=report",
    "-m split=test,valid": f"split: {TRAINS}",
    "runs=/nosuch": f"runs: {TRAINS}; it is for task=report",
    "split=valid": f"split: {TRAINS}; it is for task=evaluate",
    "-m seed=0,1 split=valid": f"split: {TRAINS}",
    "report.baseline=none": "report.baseline: has no effect on a single run; it is for a sweep (-m) and task=report",
    "report.wandb=true": "report.wandb: has no effect on a single run",
    "report=default": "report: has no effect on a single run",
    "closing=x": "closing: has no effect on a single run; it is for a sweep (-m)",
    "hydra.sweep.dir=x": "hydra.sweep.dir: has no effect on a single run; it is for a sweep (-m)",
    "hydra/sweeper=basic": "hydra/sweeper: has no effect on a single run",
    "-m hydra.run.dir=x": "hydra.run.dir: has no effect on a sweep; hydra.sweep.dir is the folder of one",
    "task=preview checkpoint=/nosuch": "checkpoint: has no place with task=preview, which draws what an aug option "
    "does to training images; it is for task=train and task=evaluate",
    "task=preview split=valid": "split: has no place with task=preview",
    "task=preview train.epochs=3": "it is for task=train",
    "task=preview optimizer=sgd": "optimizer: has no place with task=preview",
    "-m task=preview aug=none,crop optimizer.lr=1,2": "optimizer.lr: has no place with task=preview",
    "task=preview aug.keep_original=true": "aug.keep_original: has no place with task=preview",
    "task=preview existing=restart": "existing: has no place with task=preview",
    "task=preview tracker.mode=online": "tracker.mode: has no place with task=preview",
    "task=preview hydra.run.dir=x": "hydra.run.dir: has no place with task=preview",
    "task=preview report.reference=true": "it is for task=train and task=report",
    "task=evaluate checkpoint=. seed=1": "seed: has no place with task=evaluate, which scores a run with the settings",
    "task=evaluate checkpoint=. runs=x": "runs: has no place with task=evaluate",
    "task=evaluate checkpoint=. name=x": "name: has no place with task=evaluate",
    "-m task=evaluate checkpoint=a,b seed=0,1": "seed: has no place with task=evaluate",
    "task=evaluate checkpoint=. experiment=quickstart": "has no place with task=evaluate",
    "task=report runs=. checkpoint=x": "checkpoint: has no place with task=report, which compares runs that are there",
    "task=report runs=. tracker.mode=online": "tracker.mode: has no place with task=report",
}


@pytest.mark.parametrize(("arguments", "line"), REFUSED.items())
def test_a_key_without_effect_is_refused(arguments: str, line: str, in_process: Command, tmp_path: Path) -> None:
    refused(*in_process(*arguments.split()), line, tmp_path)


def test_a_run_in_replay_is_held_to_the_same(in_process: Command, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    groups = {
        "model": {"name": "unet"},
        "aug": {"name": "none"},
        "optimizer": {"name": "sgd"},
        "train": {"name": "default"},
    }
    groups |= {
        "scheduler": {"name": "cosine"},
        "loss": {"name": "dice"},
        "data": {"name": "sample", "_target_": "pets_seg.data.sources.sample"},
    }
    (run / "config.yaml").write_text(json.dumps({**groups, "seed": 0}))
    refused(*in_process(f"replay={run}", "split=valid"), f"split: {TRAINS}", tmp_path)


FILES = {
    "split: valid": f"split: {TRAINS}; it is for task=evaluate; remove it from the "
    "chosen file or the composed configuration",
    "runs: [a, b]": "runs: has no place with task=train",
    "hydra: {sweeper: {params: {split: 'test,valid'}}}": "split: has no place with task=train",
}


@pytest.mark.parametrize(("content", "line"), FILES.items())
def test_a_file_that_sets_what_nothing_reads(content: str, line: str, in_process: Command, tmp_path: Path) -> None:
    (tmp_path / "conf" / "experiment").mkdir(parents=True)
    (tmp_path / "conf" / "experiment" / "mine.yaml").write_text(f"# @package _global_\n{content}\n")
    for sweep in ([], ["-m", "seed=0,1"]):
        refused(*in_process(*sweep, f"--config-dir={tmp_path}/conf", "experiment=mine"), line, tmp_path)


@pytest.mark.slow
def test_a_file_may_set_what_only_training_reads(oxford: Path, in_process: Command, tmp_path: Path) -> None:
    (tmp_path / "conf" / "experiment").mkdir(parents=True)
    content = "train: {epochs: 3}\nreport: {baseline: none}\nmodel: {width: 2}\nexisting: restart"
    (tmp_path / "conf" / "experiment" / "mine.yaml").write_text(f"# @package _global_\n{content}\n")
    chosen = [f"--config-dir={tmp_path}/conf", "experiment=mine"]
    data = ["data=oxford_pet", f"data.root={oxford}", "data.size=32"]
    code, shown = in_process("task=preview", *chosen, *data, "name=look", "tracker.mode=disabled")
    assert code == 0, shown
    assert shown.strip().endswith(".png")
    code, shown = in_process(*tiny(oxford), *chosen, "train.epochs=1")
    assert code == 0, shown
    run = only_run(tmp_path / "work")
    # What evaluating and comparing read is taken, and says what it says.
    code, shown = in_process("task=evaluate", f"checkpoint={run}", "split=valid", "train.device=cpu", "tracker=none")
    assert (code, shown.startswith("split=valid images=2 ")) == (0, True)


def test_a_report_takes_what_it_reads(in_process: Command, tmp_path: Path) -> None:
    write_sweep(tmp_path / "work" / "a", {"none": {}, "crop": {}}, seeds=2, epochs=2, images=9, valid=2)
    code, shown = in_process(
        "task=report", "runs=a", "report.baseline=crop", "tracker.project=x", "tracker.mode=disabled"
    )
    assert code == 0, shown


def test_every_setting_and_group_is_read_by_a_task() -> None:
    for key in [*GROUPS, *known_settings()]:
        assert any(reads(task, key) for task in TASKS), key
