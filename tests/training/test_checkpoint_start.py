"""`checkpoint=` with training: the network starts from these weights, and the run remembers which they were."""

import hashlib
import json
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml
from conftest import SAVED, make_network, only_run, tiny
from outcome import check_same, outcome
from processes import finish
from refusals import refused
from safetensors.torch import load_file
from test_distributed import torchrun

from pets_seg.errors import RunError
from pets_seg.models.checkpoint import save_weights, starting_weights

Command = Callable[..., tuple[int, str]]
BEST = "checkpoints/best.safetensors"
ABOUT = {"size": 32, "normalisation": "imagenet", "boundary": "foreground", "precision": "fp32", "epoch": 1}
STILL = ["optimizer=sgd", "optimizer.lr=0", "scheduler=constant", "train.epochs=1"]


def write_weights(run: Path, seed: int = 0, name: str = "unet", **settings: object) -> Path:
    """Write the best weights of a run that nobody trained, and return its folder."""
    torch.manual_seed(seed)
    network = make_network(name, **settings)
    # Away from what every new network has.
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.01 * torch.randn_like(parameter))
    save_weights(run / BEST, network.state_dict(), {"model": {"name": name, **settings}, **ABOUT})
    return run


def learned(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return what an optimizer moves: all but the statistics of batch norm."""
    return {name: value for name, value in weights.items() if "running" not in name and "batches" not in name}


@pytest.mark.slow
@pytest.mark.parametrize("more", [[], ["train.ema=0.5"]])
def test_the_network_starts_from_the_weights(
    more: list[str], oxford: Path, tmp_path: Path, in_process: Command
) -> None:
    start = write_weights(tmp_path / "start", width=4, upsampling="bilinear")
    code, shown = in_process(*tiny(oxford), *STILL, *more, f"checkpoint={start}")
    assert code == 0, shown
    digest = hashlib.sha256((start / BEST).read_bytes()).hexdigest()
    assert f"starting from the weights of {start / BEST} (SHA-256 {digest[:12]})" in shown
    run = only_run(tmp_path / "work")
    # Training with a learning rate of 0 leaves them as they are.
    check_same(learned(load_file(run / BEST)), learned(load_file(start / BEST)))
    config = yaml.safe_load((run / "config.yaml").read_text())
    assert (config["checkpoint"], config["checkpoint_sha256"]) == (str(start / BEST), digest)
    # The same weights by another path are the same run; without them it is another.
    moved = shutil.copy(start / BEST, tmp_path / "moved.safetensors")
    assert "finished already" in in_process(*tiny(oxford), *STILL, *more, f"checkpoint={moved}")[1]
    code, shown = in_process(*tiny(oxford), *STILL, *more)
    assert (code, "starting from" in shown) == (0, False)
    assert len([*(tmp_path / "work" / "runs" / "default").iterdir()]) == 2


def broken(change: Callable[[Path], object]) -> Callable[[Path], list[str]]:
    def build(start: Path) -> list[str]:
        change(start / BEST)
        return [f"checkpoint={start}"]

    return build


REFUSED = {
    "not there": (lambda start: ["checkpoint=/nosuch"], "checkpoint=/nosuch: /nosuch is not there; give a run folder"),
    "no run": (lambda start: [f"checkpoint={start.parent}"], "holds no checkpoints/best.safetensors; give a run"),
    "nothing": (lambda start: ["checkpoint="], "holds no checkpoints/best.safetensors"),
    "empty": (broken(lambda best: best.write_bytes(b"")), "is not a checkpoint of pets_seg, or it is damaged"),
    "torn": (broken(lambda best: best.write_bytes(best.read_bytes()[:-9])), "is not a checkpoint of pets_seg"),
    "gone": (broken(Path.unlink), "holds no checkpoints/best.safetensors"),
    "narrower": (
        lambda start: [f"checkpoint={start}", "model.width=8"],
        "holds weights of model.width=4, this run has model.width=8; give the same settings",
    ),
    "transposed": (
        lambda start: [f"checkpoint={start}", "model.upsampling=transposed"],
        "holds weights of model.upsampling=bilinear, this run has model.upsampling=transposed; give",
    ),
    "network": (
        lambda start: [f"checkpoint={write_weights(start / 'r', name='resnet34_unet', decoder_width=4)}"],
        "holds weights of model=resnet34_unet, this run has model=unet; choose the same network",
    ),
    "in a sweep": (lambda start: ["-m", f"checkpoint={start},/nosuch"], "checkpoint=/nosuch: /nosuch is not there"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_weights_that_do_not_fit_are_refused_before_work(
    what: str, oxford: Path, tmp_path: Path, in_process: Command
) -> None:
    start = write_weights(tmp_path / "start", width=4, upsampling="bilinear")
    build, line = REFUSED[what]
    refused(*in_process(*tiny(oxford), *build(start)), line, tmp_path)


def test_weights_that_changed_after_the_run_was_named_are_no_start(tmp_path: Path) -> None:
    start = write_weights(tmp_path / "start", width=4, upsampling="bilinear")
    with pytest.raises(RunError, match=r"has other weights than when this run was named \(SHA-256 \w{12}, was 0{12}\)"):
        starting_weights(start / BEST, "0" * 64, {"name": "unet", "_target_": "pets_seg.models.unet.UNet", "width": 4})


@pytest.mark.slow
def test_no_imagenet_weights_are_sought_where_others_are_given(
    oxford: Path, tmp_path: Path, in_process: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def download() -> None:
        raise AssertionError("asked for ImageNet's weights")

    monkeypatch.setattr("pets_seg.models.resnet34_unet.imagenet_weights", download)
    start = write_weights(tmp_path / "start", name="resnet34_unet", decoder_width=4, upsampling="bilinear")
    network = ["model=resnet34_unet", "model.decoder_width=4", "model.pretrained=true"]
    words = [word for word in tiny(oxford) if not word.startswith("model")]
    code, shown = in_process(*words, *STILL, *network, f"checkpoint={start}")
    assert code == 0, shown
    check_same(learned(load_file(only_run(tmp_path / "work") / BEST)), learned(load_file(start / BEST)))


@pytest.mark.slow
def test_a_killed_run_goes_on_from_its_state_and_a_lost_state_from_the_weights(oxford: Path, tmp_path: Path) -> None:
    start = write_weights(tmp_path / "start", width=4, upsampling="bilinear")
    arguments = [*tiny(oxford), *SAVED, "train.epochs=3", "train.ema=0.8", f"checkpoint={start}"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert finish(whole, arguments) == 0, (whole / "shown").read_text()
    assert finish(killed, arguments, ("pets_seg.training.loop.write_epoch", 2)) == -signal.SIGKILL
    assert finish(killed, arguments) == 0
    shown = (killed / "shown").read_text()
    assert "continuing after epoch 2 of 3" in shown
    assert "starting from" not in shown
    expected = outcome(only_run(whole))
    check_same(expected, outcome(only_run(killed)))
    shutil.rmtree(killed)
    assert finish(killed, arguments, ("pets_seg.training.loop.write_epoch", 2)) == -signal.SIGKILL
    (only_run(killed) / "checkpoints" / "last.pt").write_bytes(b"damaged")
    assert finish(killed, arguments) == 0
    assert "starting from the weights of" in (killed / "shown").read_text()
    check_same(expected, outcome(only_run(killed)))


@pytest.mark.slow
def test_two_processes_start_from_the_weights_too(oxford: Path, tmp_path: Path) -> None:
    start = write_weights(tmp_path / "start", width=4, upsampling="bilinear")
    done = torchrun(*tiny(oxford), *STILL, f"checkpoint={start}", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("starting from the weights of") == 1
    check_same(learned(load_file(only_run(tmp_path) / BEST)), learned(load_file(start / BEST)))


def test_a_script_starts_from_the_weights(
    oxford: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_process: Command
) -> None:
    from pets_seg import compose, run_config

    start = write_weights(tmp_path / "start", width=4, upsampling="bilinear")
    monkeypatch.chdir(tmp_path / "work")
    words = [*tiny(oxford), *STILL, f"checkpoint={start}"]
    run = run_config(compose(*words))
    check_same(learned(load_file(run / BEST)), learned(load_file(start / BEST)))
    assert f"{run}: finished already" in in_process(*words)[1]


@pytest.mark.slow
def test_groups_of_a_sweep_are_told_apart_by_what_they_started_from(
    oxford: Path, tmp_path: Path, in_process: Command
) -> None:
    for seed, name in enumerate(("first", "second")):
        write_weights(tmp_path / "work" / name, seed, width=4, upsampling="bilinear")
    code, shown = in_process("-m", *tiny(oxford), "train.epochs=1", "checkpoint=first,second,null", "seed=0,1")
    assert code == 0, shown
    sweep = tmp_path / "work" / "runs" / "default"
    report = (sweep / "report.md").read_text()
    for name in ("first", "second"):
        assert f"\ncheckpoint={name} " in shown
        digest = hashlib.sha256((tmp_path / "work" / name / BEST).read_bytes()).hexdigest()
        assert f"{name} (SHA-256 {digest}, {tmp_path / 'work' / name / BEST})" in report
    # Random weights are the simplest start.
    assert "test Dice against checkpoint=null" in shown
    assert "checkpoint=first" in (sweep / "comparison.csv").read_text()
    code, shown = in_process("task=report", f"runs={sweep}", "report.baseline=first")
    assert "test Dice against checkpoint=first" in shown


@pytest.mark.slow
def test_a_replay_starts_from_the_same_weights_or_not_at_all(oxford: Path, tmp_path: Path, in_process: Command) -> None:
    start = write_weights(tmp_path / "work" / "start", width=4, upsampling="bilinear")
    assert in_process(*tiny(oxford), *SAVED, "checkpoint=start")[0] == 0
    run = only_run(tmp_path / "work")
    again = [f"replay={run}", "tracker.mode=disabled", *SAVED]
    code, shown = in_process(*again)
    assert code == 0, shown
    check_same(outcome(only_run(tmp_path / "work", "replay")), outcome(run))

    kept = (start / BEST).rename(tmp_path / "kept.safetensors")
    before = sorted((tmp_path / "work").rglob("*"))
    for change, line in (
        (lambda: None, "which cannot be used now (checkpoint="),
        (lambda: write_weights(start, 1, width=4, upsampling="bilinear"), "which holds other weights now (SHA-256 "),
    ):
        change()
        code, shown = in_process(*again)
        assert (code, len(shown.splitlines())) == (2, 1)
        assert shown.startswith(f"replay={run}: it started from checkpoint={start / BEST}, {line}")
        assert "give the checkpoint=... that is meant" in shown
    assert [path for path in sorted((tmp_path / "work").rglob("*")) if path != start / BEST] == before
    # What is given beside it wins.
    assert "finished already" in in_process(*again, f"checkpoint={kept}")[1]
    code, shown = in_process(*again, "checkpoint=null", "train.epochs=1")
    assert (code, "starting from" in shown) == (0, False)


@pytest.mark.slow
def test_a_run_of_an_older_version_that_was_given_a_checkpoint_never_read_it(
    oxford: Path, tmp_path: Path, in_process: Command
) -> None:
    assert in_process(*tiny(oxford), "train.epochs=1")[0] == 0
    run = only_run(tmp_path / "work")
    config = yaml.safe_load((run / "config.yaml").read_text())
    (run / "config.yaml").write_text(yaml.safe_dump({**config, "checkpoint": "/nosuch"}))
    code, shown = in_process(f"replay={run}", "tracker.mode=disabled")
    assert code == 0, shown
    assert only_run(tmp_path / "work", "replay").name == run.name
    assert json.loads((run / "status.json").read_text())["state"] == "finished"
