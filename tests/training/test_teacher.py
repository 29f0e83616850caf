"""What `train.teacher` is to the name of a run, which teachers are refused, and how a run is repeated with its own."""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml
from conftest import SAVED, only_run, tiny
from hydra import compose, initialize_config_module
from outcome import check_same, outcome
from refusals import refused
from safetensors.torch import load_file
from teachers import ABOUT, BEST, config, write_teacher

from pets_seg.config.identity import identity, run_name
from pets_seg.errors import RunError
from pets_seg.models.checkpoint import save_weights
from pets_seg.training.distillation import build_distillation

Command = Callable[..., tuple[int, str]]
CPU = torch.device("cpu")


@pytest.fixture
def teacher(tmp_path: Path) -> Path:
    return write_teacher(tmp_path / "teacher")


def name(*overrides: str) -> str:
    with initialize_config_module("pets_seg.conf", version_base="1.3"):
        return run_name(compose("config", overrides=["train.device=cpu", *overrides]))


def test_the_name_has_the_weights_the_share_and_the_temperature_and_not_the_path(teacher: Path, tmp_path: Path) -> None:
    moved = shutil.copy(teacher / BEST, tmp_path / "moved.safetensors")
    given = name(f"train.teacher={teacher}")
    assert given == name(f"train.teacher={moved}") == name(f"train.teacher={teacher / BEST}")
    assert given == name(f"train.teacher={teacher}", "train.teacher_weight=0.5", "train.teacher_temperature=2")
    others = [
        name(),
        name(f"train.teacher={write_teacher(tmp_path / 'other', 1)}"),
        name(f"train.teacher={teacher}", "train.teacher_weight=0.4"),
        name(f"train.teacher={teacher}", "train.teacher_temperature=3"),
        name(f"train.teacher={teacher}", f"checkpoint={teacher}"),
        name(f"checkpoint={teacher}"),
    ]
    assert len({given, *others}) == 7
    assert name("train.teacher=null") == name()
    made = config(f"train.teacher={teacher}")
    digest = hashlib.sha256((teacher / BEST).read_bytes()).hexdigest()
    assert (made["train"]["teacher"], made["teacher_sha256"]) == (str(teacher / BEST), digest)
    assert identity(made)["train"]["teacher"] == digest


def changed(change: Callable[[Path], object]) -> Callable[[Path], list[str]]:
    def build(run: Path) -> list[str]:
        change(run / BEST)
        return [f"train.teacher={run}"]

    return build


def of(**about: object) -> Callable[[Path], list[str]]:
    return lambda run: [f"train.teacher={write_teacher(run.parent / 'other', **about)}"]


def misfit(best: Path) -> None:
    save_weights(best, load_file(best), {"model": {"name": "unet", "width": 8}, **ABOUT})


REFUSED = {
    "not there": (lambda run: ["train.teacher=/nosuch"], "train.teacher=/nosuch: /nosuch is not there; give a run"),
    "no run": (lambda run: [f"train.teacher={run.parent}"], "holds no checkpoints/best.safetensors; give a run"),
    "nothing": (lambda run: ["train.teacher="], "train.teacher=: holds no checkpoints/best.safetensors"),
    "empty": (changed(lambda best: best.write_bytes(b"")), "is not a checkpoint of pets_seg, or it is damaged"),
    "torn": (changed(lambda best: best.write_bytes(best.read_bytes()[:-9])), "is not a checkpoint of pets_seg"),
    "other weights": (changed(misfit), "its weights are not those of {"),
    "of a stranger": (of(model={"name": "x", "_target_": "os.system"}), "its metadata cannot be used: model=x is not"),
    "another size": (of(size=64), "was trained with data.size=64, this run has data.size=32; give the same, or"),
    "another boundary": (of(boundary="ignore"), "was trained with data.boundary=ignore, this run has data.boundary="),
    "in a sweep": (lambda run: ["-m", f"train.teacher={run},/n"], "train.teacher=/n: /n is not there"),
    "in a dry run": (lambda run: ["dry_run=true", *of(size=64)(run)], "was trained with data.size=64"),
    "no teacher": (lambda run: ["train.teacher_weight=1"], "train.teacher_weight=1.0: needs a teacher; give"),
    "no share": (lambda run: [f"train.teacher={run}", "train.teacher_weight=2"], "must be from 0 to 1"),
    "another task": (lambda run: ["task=report", "runs=.", "train.teacher=x"], "has no place with task=report"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_teacher_that_cannot_teach_is_refused_before_work(
    what: str, teacher: Path, oxford: Path, tmp_path: Path, in_process: Command
) -> None:
    build, line = REFUSED[what]
    own = [] if what == "another task" else tiny(oxford)
    refused(*in_process(*own, *build(teacher)), line, tmp_path)


def test_weights_that_changed_after_the_run_was_named_do_not_teach(teacher: Path) -> None:
    settings = {**config(f"train.teacher={teacher}"), "teacher_sha256": "0" * 64}
    with pytest.raises(RunError, match=r"^train.teacher=.* has other weights than when this run was named"):
        build_distillation(settings, CPU, lambda network: network)


@pytest.mark.slow
def test_a_replay_learns_from_the_same_weights_or_not_at_all(oxford: Path, tmp_path: Path, in_process: Command) -> None:
    teacher = write_teacher(tmp_path / "work" / "teacher")
    assert in_process(*tiny(oxford), *SAVED, "train.teacher=teacher", "train.teacher_weight=0.8")[0] == 0
    run = only_run(tmp_path / "work")
    written = yaml.safe_load((run / "config.yaml").read_text())
    assert written["train"]["teacher"] == str(teacher / BEST)
    again = [f"replay={run}", "tracker.mode=disabled", *SAVED]
    code, shown = in_process(*again)
    assert code == 0, shown
    check_same(outcome(only_run(tmp_path / "work", "replay")), outcome(run))

    kept = (teacher / BEST).rename(tmp_path / "kept.safetensors")
    for change, line in (
        (lambda: None, "which cannot be used now (train.teacher="),
        (lambda: write_teacher(teacher, 1), "which holds other weights now (SHA-256 "),
    ):
        change()
        code, shown = in_process(*again)
        assert (code, len(shown.splitlines())) == (2, 1)
        assert shown.startswith(f"replay={run}: it learned from train.teacher={teacher / BEST}, {line}")
        assert "give the train.teacher=... that is meant" in shown
    # What is given beside it wins.
    assert "finished already" in in_process(*again, f"train.teacher={kept}")[1]
