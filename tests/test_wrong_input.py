"""Words of a command that are wrong: exit code 2, one line with word, rule and fix, no folder.

Wrong values are in test_wrong_values.py, files of a data set in test_wrong_files.py, checkpoints and run folders in
test_wrong_runs.py, options of a user's own in test_wrong_options.py, and what nobody writes by mistake in
test_absurd_input.py.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
from refusals import cases, refused

Command = Callable[..., tuple[int, str]]
# By the class of error: a command, its words apart by spaces, and what its line must hold.
WRONG = {
    "mistyped": {
        "modle=unet": "modle: no such group or setting (did you mean model?); --help lists them",
        "aug=elastik": "aug=elastik: no such option (did you mean elastic?); aug is one of color, crop, elastic",
        "model=resnet": "model is one of resnet34_unet, timm_unet, unet",
        "experiment=quikstart": "did you mean quickstart?",
        "task=trian": "did you mean train?",
        "train.epoch=3": "train.epoch: no such setting (did you mean train.epochs?); --help lists them",
        "optimizer.lrr=1": "did you mean optimizer.lr?",
        "sede=1": "did you mean seed?",
        "+train.foo=1": "train.foo: no such setting",
        "+foo=1": "foo: no such group or setting; --help lists them",
        "+a.b.c=1": "a: no such group or setting",
        "model.decoder_width=8": "belongs to model=resnet34_unet, not to the model chosen",
        "+model.decoder_width=8": "belongs to model=resnet34_unet, not to the model chosen",
        "data.root=/x": "belongs to data=folder or data=oxford_pet",
        "model.upsampling=bilinaer": "did you mean bilinear?",
        "data.boundary=ignored": "did you mean ignore?",
        "existing=overwrite": "existing=overwrite: must be one of continue, restart",
        "tracker.mode=on": "must be one of auto, online, offline, disabled",
        "task=evaluate split=train": "split=train: must be one of test, valid",
        "model.name=foo": "the name belongs to the file of the option; choose one by model=foo",
        "+model.widht=8": "pets_seg.models.unet.UNet takes no such argument (did you mean width?); it takes width, ",
        "++loss.focal=2": "loss.focal: nothing in loss.sum refers to it; leave it out",
        "metric=boundary": "metric=boundary: no such option (did you mean boundary_f1?)",
        "metric=boundary_f1 metric.boundary_f1.tolerence=0.1": "metric.boundary_f1.tolerence: no such setting",
        "task.name=foo": "task.name=foo: must be one of train, evaluate, predict, export, demo, preview",
        "hydra.run.dri=x": "hydra.run.dri: Hydra has no such setting; --cfg hydra shows those it has",
        "hydra/launcher=foo": "hydra/launcher=foo: no such option; hydra/launcher is one of basic",
        "--cfg job modle=unet": "did you mean model?",
        "--help seed=abc": "seed=abc: expected a whole number",
    },
    "cannot be read": {
        "epochs": "epochs: cannot be read; write key=value",
        "checkpoint=a=b": "checkpoint=a=b: cannot be read; write 'checkpoint=\"a=b\"'",
        "name=é&": "name=é&: must start with a letter or digit and hold 1 to 100 letters (a to z), digits and _ . + -",
        "模型=unet": "cannot be read",
        "name='": "cannot be read",
        "name=[a": "cannot be read",
        "seed=0,": "cannot be read",
        "name=\x1b[31mred": "name=\\x1b[31mred: cannot be read",
        "aug=\udcff": "aug=\\udcff: no such option",
        f"name={'a' * 100_000}": "has 100005 characters, 10000 are the most; shorten it",
        f"aug.operations={'[' * 80}{']' * 80}": "needs a _target_",
    },
    "not to be added or removed": {
        "~optimizer.lr": "~optimizer.lr: can be changed, not removed",
        "~model": "~model: can be changed, not removed",
        "~metric": "~metric: can be changed, not removed",
        "~existing": "~existing: can be changed, not removed",
        "~aug.operations.0": "~aug.operations.0: can be changed, not removed",
        "~loss.name": "~loss.name: can be changed, not removed",
        "~train.epochs": "~train.epochs: can be changed, not removed",
        "+seed=3": "+seed: is there; write seed=... without the +",
        "+experiment=quickstart": "experiment: is given more than once; give experiment=... once, without a +",
        "hydra.callbacks.hooks=null": "holds the checks that come before every run; leave it as it is",
    },
    "flags": {
        "--foo": "--foo: no such flag",
        "--hlep": "--hlep: no such flag (did you mean --help?); --hydra-help lists them; a setting is key=value",
        "seed=1 -x": "-x: no such flag",
        "--seed=1": "--seed=1: a setting is written without dashes: seed=1",
        "--seed 1": "--seed: a setting is written without dashes: seed=...",
        "-aug elastic": "-aug: a setting is written without dashes: aug=...",
        "--model --seed": "--model: a setting is written without dashes: model=...",
        "--cfg wrong": "--cfg/-c: invalid choice: 'wrong' (choose from ",
        "--cfg": "--cfg/-c: expected one argument; --hydra-help lists the flags",
        "--config-name foo": "--config-name: is not for use here; options of your own come through hydra.searchpath",
        "--config-path foo": "--config-path: is not for use here",
        "--experimental-rerun x.pickle": "--experimental-rerun: is not for use here",
    },
    "sweeps": {
        "aug=none,elastic": "aug=none,elastic: several values need a sweep: add -m",
        "seed=range(3)": "seed=range(3): several values need a sweep: add -m",
        "-m train.epochs=1,0": "train.epochs=0: must be from 1",
        "seed=0,1 -m optimizer.lr=1,x": "optimizer.lr=x: expected a number",
        "-m aug=none,elastik": "did you mean elastic?",
        "-m hydra.mode=RUN": "hydra.mode=RUN: must be RUN or MULTIRUN, and not contradict -m",
        "-m name=a,b": "name: is that of the whole sweep and cannot be swept over; give one name",
        "-m task=preview,train": "task: is that of the whole sweep and cannot be swept over",
        "-m experiment=lab_unet,recipe_unet": "name: is that of the whole sweep",
        "-m experiment=quickstart,recipe_unet": "run each file in its own command, this one as experiment=quickstart",
        "-m experiment=recipe_unet,quickstart": "experiment=quickstart lists a sweep of its own (hydra.sweeper.params)",
        "-m seed=": "seed=: expected a whole number",
        "-m seed=range(0)": "seed=range(0): a sweep has 1 to 10000 jobs, this one none",
        "-m seed=glob(*)": "seed=glob(*): a sweep has 1 to 10000 jobs, this one none",
        "-m seed=range(0,inf)": "a sweep has 1 to 10000 jobs, this one more",
        "-m seed=shuffle(range(100000000000))": "a sweep has 1 to 10000 jobs, this one more",
        "-m seed=range(10000000000)": "a sweep has 1 to 10000 jobs, this one more",
        "-m seed=range(200) optimizer.lr=range(0,1,0.01)": "this one more",
        "-m hydra.sweep.subdir=x seed=0,1": "hydra.sweep.subdir=x: must be the run's name",
        "-m hydra.sweep.subdir=x/${run_name:} seed=0,1": "must be the run's name",
    },
    "contradictions": {
        "loss.cross_entropy=0": "nothing to minimise; give one of them a weight",
        "experiment=quickstart model=resnet34_unet": "model.width: belongs to model=timm_unet or model=unet",
        "model.name=resnet34_unet": "choose one by model=resnet34_unet",
        "scheduler=constant scheduler.name=onecycle": "choose one by scheduler=onecycle",
        "optimizer=sgd optimizer.momentum=0 optimizer.nesterov=true": "optimizer=sgd: cannot be made",
        "model=resnet34_unet model.pretrained=true data.normalisation=raw": "need normalisation=imagenet",
        "model=resnet34_unet data.size=32 train.batch_size=1": "use 2 or more",
        "model=resnet34_unet data.size=32 train.accumulate=16": "use 2 or more",
        "train.teacher_weight=0.3": "=0.3: needs a teacher; give train.teacher=RUN, or leave it at 0.5",
        "train.teacher_temperature=4": "train.teacher_temperature=4.0: needs a teacher",
        "train.teacher=/nosuch": "train.teacher=/nosuch: /nosuch is not there; give a run folder or a file in it",
        "task=evaluate checkpoint=. train.teacher=x": "train.teacher: has no place with task=evaluate",
        "train.accumulate=17": "must not exceed train.batch_size=16; lower it",
        "model=resnet34_unet train.checkpoint_activations=true": "has no attribute checkpoint_activations",
        "replay=. task=evaluate": "task: cannot be given with replay",
        "task=evaluate checkpoint=. aug=none": "aug: has no place with task=evaluate, which scores a run",
        "task=evaluate checkpoint=. data.size=64": "data.size: has no place with task=evaluate",
        "task=evaluate checkpoint=. data.train_fraction=0.5": "data.train_fraction: has no place with task=evaluate",
        "task=export checkpoint=. data.train_fraction=0.5": "data.train_fraction: has no place with task=export",
        "task=demo checkpoint=. data.train_fraction=0.5": "data.train_fraction: has no place with task=demo",
        "data.train_fracton=0.5": "no such setting (did you mean data.train_fraction?)",
        "task=report runs=. model=unet": "model=unet: has no place with task=report, which compares runs",
        "hydra.job.chdir=true": "is not supported: paths are relative to the start folder",
        "hydra.run.dir=x": "hydra.run.dir=x: must end in the run's name",
        "hydra.output_subdir=../x": "hydra.output_subdir=../x: must be the name of a folder, or null",
    },
}


@pytest.mark.slow
@pytest.mark.parametrize(("arguments", "reason"), cases(WRONG))
def test_wrong_input_is_refused_in_a_line(arguments: str, reason: str, in_process: Command, tmp_path: Path) -> None:
    refused(*in_process(*arguments.split(" ")), reason, tmp_path)


def test_a_secret_is_not_written_into_files_and_not_shown(in_process: Command, tmp_path: Path) -> None:
    for override in ("+hydra.job.env_set.WANDB_API_KEY=abc123", "+hydra.job.env_set={my_token:abc123}"):
        for flags in ([], ["-m"]):
            code, shown = in_process(*flags, override)
            refused(code, shown, "would be written into the run folder; set", tmp_path)
            assert "abc123" not in shown
