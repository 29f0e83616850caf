"""A wrong name, type or value: exit code 2, one readable line, no folder."""

from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import tiny

WRONG = {
    "modle=unet": "did you mean model?",
    "aug=elastik": "did you mean elastic?",
    "model=resnet": "model is one of resnet34_unet, unet",
    "experiment=quikstart": "did you mean quickstart?",
    "task=trian": "did you mean train?",
    "train.epoch=3": "did you mean train.epochs?",
    "optimizer.lrr=1": "did you mean optimizer.lr?",
    "sede=1": "did you mean seed?",
    "+train.foo=1": "train.foo: no such setting",
    "+foo=1": "foo: no such setting",
    "model.decoder_width=8": "belongs to model=resnet34_unet",
    "data.root=/x": "belongs to data=oxford_pet or data=folder",
    "train.epochs=abc": "train.epochs=abc: expected a whole number",
    "train.epochs=1.5": "expected a whole number",
    "train.compile=maybe": "expected true or false",
    "optimizer.lr=fast": "expected a number",
    "train.ema=1": "must be from 0 to 0.99999",
    "train.epochs=0": "must be 1 or more",
    "train.batch_size=-4": "must be 1 or more",
    "data.size=16": "must be from 32 to 4096",
    "model.width=0": "must be from 1 to 1024",
    "seed=-1": "must be from 0",
    "optimizer.lr=-1": "must be 0 or more",
    "optimizer.lr=nan": "must be 0 or more",
    "scheduler.warmup=1": "must be from 0 to 0.99",
    "optimizer.betas=[0.9]": "must be two numbers",
    "optimizer.betas=[0.9,1.5]": "must be two numbers",
    "model.upsampling=bilinaer": "did you mean bilinear?",
    "data.boundary=ignored": "did you mean ignore?",
    "existing=overwrite": "is one of continue, restart",
    "tracker.mode=on": "is one of auto, online, offline, disabled",
    "train.device=tpu": "is one of auto, cpu, cuda, cuda:N, mps",
    "train.device=cuda:99": "CUDA devices here",
    "train.precision=int8": "is one of auto, fp32, bf16, fp16",
    "name=a/b": "must start with a letter or digit",
    "name=../up": "must start with a letter or digit",
    "data=folder": "data.root: is needed",
    "loss.cross_entropy=0": "nothing to minimise",
    "aug=none,elastic": "add -m",
    "epochs": "write key=value",
    "checkpoint=a=b": "in quotes",
    "task=evaluate": "checkpoint: is needed",
}


@pytest.mark.parametrize("override", WRONG)
def test_wrong_settings(override: str, in_process: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    code, shown = in_process(override)
    refused(code, shown, WRONG[override], tmp_path)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["train.precision=fp16", "train.device=cpu"], "needs CUDA"),
        (["data=folder", "data.root=/nope"], "sought in /nope/images and not found"),
        (["data=oxford_pet", "data.root=/nope", "data.download=false"], "sought in /nope/oxford-iiit-pet"),
        (["task=evaluate", "checkpoint=/nope"], "checkpoint=/nope: /nope is not there"),
        (["task=evaluate", "checkpoint=."], "holds no checkpoints/best.safetensors"),
        (["task=evaluate", "checkpoint=.", "model=unet"], "model: is the run's own"),
        (["task=evaluate", "checkpoint=.", "data.size=64"], "data.size: is the run's own"),
        (["-m", "train.epochs=1,0"], "train.epochs=0: must be 1 or more"),
        (["experiment=quickstart", "model=resnet34_unet"], "model.width: belongs to model=unet"),
        (["model.name=foo"], "is one of unet, resnet34_unet"),
        (["scheduler.name=foo"], "is one of constant, onecycle, cosine"),
        (["aug.operations=[foo]"], "aug.operations.0: foo needs a _target_"),
        (["aug.operations=[{_target_:kornia.augmentation.RandomFisheye,p:0.5}]"], "cannot be made"),
        (["aug.operations=[{_target_:kornia.augmentation.RandomThinPlateSpline,p:0.5}]"], "no rule for masks in it"),
        (["aug.operations.0.displacment=0.01"], "--cfg job shows its entries"),
        (["aug.operations.7.p=0.1"], "--cfg job shows its entries"),
        (["aug=strong", "aug.operations.1.one_of.0.cells=0"], "RandomGridElastic cannot be made (cells=0"),
        (["-m", "aug=hflip", "aug.operations.0.p=0.5,2"], "aug.operations.0: p=2 must be a probability"),
        (["~train.epochs"], "can be changed, not removed"),
        (["-m", "name=a,b"], "cannot be swept over"),
        (["-m", "aug=none,elastik"], "did you mean elastic?"),
        (["-m", "seed=0,1", "optimizer.lr=1,x"], "expected a number"),
        (["optimizer=sgd", "optimizer.momentum=0", "optimizer.nesterov=true"], "optimizer=sgd: cannot be made"),
        (["model=resnet34_unet", "model.pretrained=true", "data.normalisation=raw"], "need normalisation=imagenet"),
        (["model=resnet34_unet", "data.size=32", "train.batch_size=1"], "use 2 or more"),
        (["model=resnet34_unet", "data.size=32", "train.accumulate=16"], "use 2 or more"),
        (["train.accumulate=17"], "train.batch_size=16 has not as many images"),
        (["model=resnet34_unet", "train.checkpoint_activations=true"], "is built for model=unet"),
    ],
)
def test_wrong_combinations(
    arguments: list[str], reason: str, in_process: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    code, shown = in_process(*arguments)
    refused(code, shown, reason, tmp_path)


def test_bad_files_stop_before_there_is_a_folder_or_are_left_out(
    oxford: Path, in_process: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    (oxford / "oxford-iiit-pet" / "images" / "pet_5.jpg").write_bytes(b"broken")
    code, shown = in_process(*tiny(oxford))
    refused(code, shown, "1 of 24 pairs cannot be used: pet_5 (pet_5.jpg: not an image)", tmp_path)
    code, shown = in_process(*tiny(oxford), "data.skip_bad=true", "train.epochs=1")
    assert code == 0
    assert shown.count("left out: 1 of 24 pairs cannot be used") == 1


def refused(code: int, shown: str, reason: str, tmp_path: Path) -> None:
    assert code == 2, shown
    assert reason in shown
    assert len(shown.strip().splitlines()) == 1
    assert "Traceback" not in shown
    assert list((tmp_path / "work").iterdir()) == []
