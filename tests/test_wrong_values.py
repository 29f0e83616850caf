"""Values that no setting takes, or that name what is not there, are refused as words in test_wrong_input.py are."""

from collections.abc import Callable
from pathlib import Path

import pytest
from refusals import cases, refused

Command = Callable[..., tuple[int, str]]
# By the class of error: a command, its words apart by spaces, and what its line must hold.
WRONG = {
    "of another type": {
        "train.epochs=abc": "train.epochs=abc: expected a whole number",
        "train.epochs=1.5": "train.epochs=1.5: expected a whole number",
        "train.epochs=1e400": "expected a whole number",
        "train.epochs=": "train.epochs=: expected a whole number",
        "train.epochs=*a": "train.epochs=*a: expected a whole number",
        "seed=%1": "seed=%1: expected a whole number",
        "train.epochs=null": "train.epochs=null: expected a whole number",
        "train.epochs=[1,2]": "train.epochs=[1,2]: expected a whole number",
        "seed={a:0}": "expected a whole number",
        "data.size=64.0": "expected a whole number",
        "train.compile=maybe": "train.compile=maybe: expected true or false",
        "optimizer.lr=fast": "optimizer.lr=fast: expected a number",
        "optimizer.betas=0.9": "optimizer.betas=0.9: expected a list of numbers",
        "optimizer.betas=[a,b]": "expected a list of numbers",
        "name=[a]": "name=[a]: expected a string",
        "checkpoint=[a]": "checkpoint=[a]: expected a string or null",
        "train.teacher=[a]": "train.teacher=[a]: expected a string or null",
        "data=folder data.root=null": "data.root=null: expected a string",
        "data.train_fraction=half": "data.train_fraction=half: expected a number",
        "data.train_fraction=true": "data.train_fraction=true: expected a number",
        "data.train_fraction=0.1:0.5": "data.train_fraction=0.1:0.5: expected a number",
        "aug.operations=1": "aug.operations=1: expected a list",
        "aug.operations={a:b}": "expected a list",
        "model=": "model=: no such option; model is one of",
        "model=[unet,resnet34_unet]": "takes one option; model=unet,resnet34_unet sweeps over them (with -m)",
    },
    "out of range": {
        "train.ema=1": "must be from 0 to 0.99999",
        "train.teacher_weight=1.5": "must be from 0 to 1",
        "train.teacher_temperature=0": "must be from 0.1 to 100",
        "train.teacher_temperature=inf": "must be from 0.1 to 100",
        "train.epochs=0": "train.epochs=0: must be from 1 to 1000000",
        "train.batch_size=-4": "must be from 1 to 1000000",
        "train.batch_size=100000000000000000000": "must be from 1 to 1000000",
        "train.accumulate=0": "must be from 1 to 1000000",
        "data=folder data.root=x data.split_seed=-1": "data.split_seed=-1: must be from 0 to 2147483647",
        "data.size=16": "must be from 32 to 4096",
        "data.train_fraction=0": "data.train_fraction=0: must be above 0 and at most 1",
        "data.train_fraction=-0.5": "must be above 0 and at most 1",
        "data.train_fraction=1.5": "data.train_fraction=1.5: must be above 0 and at most 1",
        "data.train_fraction=nan": "must be above 0 and at most 1",
        "data.train_fraction=0.0005": "=0.0005: leaves none of 532 training images; give a larger one",
        "-m data.train_fraction=0.5,1e-9": "=1e-09: leaves none of 532 training images; give a larger one",
        "dry_run=true data.train_fraction=0.0005": "leaves none of 532 training images",
        "task=preview data.train_fraction=0.0005": "leaves none of 532 training images",
        "data.size=1000000": "must be from 32 to 4096",
        "model.width=0": "must be from 1 to 1024",
        "seed=-1": "must be from 0",
        "seed=1099511627776": "must be from 0 to 2147483647",
        "optimizer.lr=-1": "optimizer.lr=-1: must be 0 or more and finite",
        "optimizer.lr=nan": "must be 0 or more and finite",
        "optimizer.lr=inf": "must be 0 or more and finite",
        "loss.dice=inf": "must be 0 or more and finite",
        "scheduler.warmup=1": "must be from 0 to 0.99",
        "optimizer.betas=[0.9]": "optimizer.betas=[0.9]: must hold 2 values",
        "optimizer.betas=[0.9,1.5]": "must be from 0 to 1",
        "name=a/b": "name=a/b: must start with a letter or digit",
        "name=../up": "must start with a letter or digit",
        "name=": "must start with a letter or digit",
        f"name={'a' * 101}": "hold 1 to 100 letters",
    },
    "needed": {
        "data=folder": "data.root: is needed; give data.root=...",
        "task=evaluate": "checkpoint: is needed",
        "replay=": "replay=: holds no config.yaml; give a run folder",
    },
    "references": {
        "name=${nothing}": "name: its interpolation cannot be resolved (Interpolation key 'nothing' not found)",
        "seed=${oc.env:NOPE}": "(\"Environment variable 'NOPE' not found\")",
        "seed=${seed}": "seed: its interpolation cannot be resolved (Recursive interpolation detected)",
        "seed=${run_name:}": "the name of the run is made of it",
        "seed=${foo:1}": "Unsupported interpolation type foo",
        "train.epochs=${model}": "train.epochs: its interpolation cannot be resolved",
        "name=${oc.env:PATH}": "must start with a letter or digit",
        "model=${nothing}": "Error resolving interpolation '${nothing}'",
        "hydra.run.dir=${nothing}": "hydra.run.dir: Interpolation key 'nothing' not found",
    },
    "devices and precision": {
        "train.device=tpu": "train.device=tpu: must be one of auto, cpu, cuda, cuda:N, mps",
        "train.device=cuda:99": "CUDA devices here; train.device=auto takes what there is",
        "train.device=cuda:-1": "must be one of auto, cpu, cuda, cuda:N, mps",
        "train.precision=int8": "must be one of auto, fp32, bf16, fp16",
        "train.precision=fp16 train.device=cpu": "needs CUDA, the device is cpu; use fp32 or auto",
    },
    "operations": {
        "aug.operations=[foo]": "aug.operations.0: foo needs a _target_",
        "aug.operations=[{_target_:kornia.augmentation.RandomFisheye,p:0.5}]": "cannot be made",
        "aug.operations=[{_target_:kornia.augmentation.RandomThinPlateSpline,p:0.5}]": "no rule for masks in it",
        "aug.operations=[{_target_:nope.Nope,p:0.5}]": "aug.operations.0: nope.Nope cannot be made",
        "aug.operations=[{_target_:os.system,p:0.5}]": "aug.operations.0: os.system cannot be made",
        "aug.operations.0.displacment=0.01": "--cfg job shows its entries",
        "aug.operations.7.p=0.1": "--cfg job shows its entries",
        "aug=strong aug.operations.1.one_of.0.cells=0": "RandomGridElastic cannot be made (cells=0",
        "-m aug=hflip aug.operations.0.p=0.5,2": "aug.operations.0: p=2 must be a probability",
    },
    "places": {
        "data=folder data.root=/nope": "sought in /nope/images and not found; data.root must hold images/ and masks/",
        "data=folder data.root=/etc/passwd": "/etc/passwd/images: cannot be read (Not a directory)",
        "data=oxford_pet data.root=/nope data.download=false": "sought in /nope/oxford-iiit-pet",
        "data.cache_dir=/etc/passwd": "data.cache_dir=/etc/passwd: is a file; name a folder",
        "data.cache_dir=/proc/x": "the pixel cache /proc/x cannot be written",
        f"data.cache_dir={'a' * 300}": "cannot be written (File name too long)",
        "task=report": "runs: is needed with task=report: give the folder of a sweep, e.g. runs=runs/default",
        "task=report runs=[]": "runs: is needed with task=report",
        "task=report runs=[{a:b}]": "expected a folder, or a list of folders",
        "task=report runs=/nope": "runs=/nope: is not there; give the folder of a sweep",
        f"task=report runs={'a' * 300}": "is not there",
        "task=report runs=.": "runs=.: holds no run; give the folder of a sweep",
        "task=report report.baselin=none": "did you mean report.baseline?",
        "-m seed=0,1 report.wandb=true": "a W&B report needs a key, and none is configured",
        "task=report report.wandb=maybe": "report.wandb=maybe: expected true or false",
        "task=evaluate checkpoint=/nope": "checkpoint=/nope: /nope is not there",
        "task=evaluate checkpoint=.": "checkpoint=.: holds no checkpoints/best.safetensors",
        f"task=evaluate checkpoint={'a' * 300}": "is not there",
        "task=evaluate checkpoint='~nobody-here/run'": "is not there",
        "replay=/nope/run": "replay=/nope/run: holds no config.yaml",
        "replay=~nobody-here/run": "holds no config.yaml",
        "hydra.searchpath=[file:///nope] aug=mine": "hydra.searchpath: /nope is not there; give a folder as file:///",
        "--config-dir /nope": "'/nope' not found",
    },
}


@pytest.mark.slow
@pytest.mark.parametrize(("arguments", "reason"), cases(WRONG))
def test_wrong_input_is_refused_in_a_line(arguments: str, reason: str, in_process: Command, tmp_path: Path) -> None:
    refused(*in_process(*arguments.split(" ")), reason, tmp_path)


def test_a_value_may_name_another_setting_that_is_near_it(in_process: Command, tmp_path: Path) -> None:
    arguments = ["data=oxford_pet", "data.root=${.name}", "data.download=false"]
    refused(*in_process(*arguments), "sought in " + str(tmp_path / "work" / "oxford_pet"), tmp_path)


def test_weights_that_cannot_be_fetched_stop_before_there_is_a_folder(
    in_process: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "weights"))
    code, shown = in_process("model=resnet34_unet", "model.pretrained=true")
    # Before it, PyTorch says what it fetches.
    line = shown.splitlines()[-1]
    refused(code, line, "cannot be downloaded", tmp_path)
    assert line.startswith("model.pretrained=true: ")
    assert "use model.pretrained=false" in line
