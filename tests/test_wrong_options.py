"""Files of a user's own options, found through hydra.searchpath, that are wrong. As in test_wrong_input.py."""

from collections.abc import Callable
from pathlib import Path

import pytest
from refusals import ends_in_a_line, refused

Command = Callable[..., tuple[int, str]]
SCHEMA = "defaults:\n  - /schema/aug@_here_\n  - _self_\n"
UNET = "name: mine\n_target_: pets_seg.models.unet.UNet\n"
FOCAL = "{_target_: pets_seg.losses.focal.focal}"
# What has no sentence of its own: it ends in one line, whatever that says.
ABSURD = ""
OPTIONS = {
    "aug": {
        "a: [1,\nb: {": 'mine.yaml", line ',
        "a:\n\tb: 1": "that cannot start any token",
        "name: x\nname: y": "found duplicate key name",
        "name: !!python/object/apply:os.system [ls]": "an option's file cannot be read: could not determine",
        b"\xff\xfe": "an option's file cannot be read: 'utf-8' codec can't decode",
        "3": ABSURD,
        "defaults: 3": ABSURD,
        "": "aug.name=None: must start with a letter or digit",
        "- 1": "aug=[1]: is a value and not the settings of an option; correct",
        "1: 2\nnull: 3": "Incompatible key type",
        "name: a/b\noperations: []": "aug.name=a/b: must start with a letter or digit",
        "name: mine": "aug.operations: is needed; give aug.operations=..., or write it into the option's file",
        "name: mine\noperations: hello": "aug.operations=hello: expected a list",
        "name: mine\noperations: 5": "aug.operations=5: expected a list",
        "name: mine\noperations: []\nkeep_original: maybe": "aug.keep_original=maybe: expected true or false",
        "name: ${nothing}\noperations: []": "aug.name: its interpolation cannot be resolved",
        "name: mine\noperations: &x [*x]": ABSURD,
        f"name: mine\noperations: {'[' * 2000}{']' * 2000}": ABSURD,
        "defaults: [mine]": ABSURD,
        "defaults: [/schema/nope@_here_]": "In 'aug/mine': Could not load 'schema/nope'.",
        f"{SCHEMA}name: mine\noperations: {{a: 1}}": "ConfigTypeError raised while composing config: Cannot merge ",
        f"{SCHEMA}name: mine\noperations: hello": "aug/mine: aug.operations: ",
        f"{SCHEMA}name: mine\noperations: []\nkep_original: true": "(set in aug/mine)",
        "# @package _global_\nseed: abc": "aug/mine: seed: Value 'abc' of type 'str' could not be converted",
    },
    "optimizer": {
        "name: mine\nlr: 0.1": "optimizer._target_: is needed",
        "name: mine\n_target_: torch.optim.RMSprop\nlr: 0.1\nalhpa: 0.9": "no such argument (did you mean alpha?)",
        "name: mine\n_target_: torch.optim.RMSprop\nlr: fast": "optimizer.lr=fast: expected a number",
        "name: mine\n_target_: torch.optim.RMSprop\nlr: true": "optimizer.lr=true: expected a number",
        "name: mine\n_target_: torch.optim.Adam\nlr: 1\nbetas: 3": "optimizer.betas=3: expected a list of numbers",
        "name: mine\n_target_: torch.optim.Adam\nlr: 1\nweight_decay: -1": "optimizer.weight_decay=-1: must be 0 or",
        "name: mine\n_target_: torch.optim.Nope\nlr: 1": "optimizer._target_=torch.optim.Nope: cannot be used (",
        "name: mine\n_target_: torch.nn.Linear\nout_features: 1": "optimizer=mine: cannot be made",
        "name: mine\n_target_: 5\nlr: 1": "optimizer._target_: is needed: the class or function",
    },
    "model": {
        f"{UNET}width: many": "model.width=many: expected a whole number",
        f"{UNET}width: 2048": "model.width=2048: must be from 1 to 1024",
        f"{UNET}upsampling: bilinaer": "model.upsampling=bilinaer: must be one of bilinear, transposed (did",
        f"{UNET}depth: 3": "model.depth: pets_seg.models.unet.UNet takes no such argument (did you mean width?)",
        "name: vgg\nwidth: 8": "model._target_: is needed: the class or function of the option",
        "name: unet\n_target_: torch.nn.Identity": "model.name=unet: is the name of another option",
        "name: mine\n_target_: torch.nn.Identity": "model=mine: makes (2, 3, 64, 64) of images (2, 3, 64, 64); must be",
        "name: mine\n_target_: os.system\ncommand: ls": "model._target_=os.system: cannot be used (",
        "name: mine\n_target_: no_such_module.Net": "No module named 'no_such_module'",
    },
    "loss": {
        "name: mine\n_target_: torch.relu": "loss._target_=torch.relu: cannot be used",
        "name: mine\n_target_: torch.nn.functional.mse_loss": "loss=mine: gives () for masks (2, 32, 32); must be",
        "name: mine\nsum: 3": "loss.sum=3: must be a list of {weight, loss}",
        "name: mine\nsum: [{weight: 1}]": "loss.sum.0={'weight': 1}: must hold weight and loss, the settings of a loss",
        f"name: mine\nsum: [{{weight: -1, loss: {FOCAL}}}]": "loss.sum.0.weight=-1: must be 0 or more and finite",
        f"name: mine\nsum: [{{weight: 0, loss: {FOCAL}}}]": "all weights are 0, nothing to minimise",
        f"name: mine\nfocal: 2\nsum: [{{weight: 1, loss: {FOCAL}}}]": "loss.focal: nothing in loss.sum refers to it",
        f"name: mine\nsum: [{{weight: 1, loss: {FOCAL[:-1]}, gama: 1}}}}]": "(did you mean gamma?)",
    },
    "scheduler": {
        "name: mine\n_target_: pets_seg.training.schedulers.onecycle\nwarmup: 2": "scheduler.warmup=2: must be from 0",
    },
    "metric": {
        "mine: 3": "metric.mine=3: is a value and not the settings",
        "mine: {_target_: pets_seg.evaluation.boundary_f1.boundary_f1, tolerance: 2}": "must be from 0 to 0.25",
        "mine: {_target_: pets_seg.losses.focal.focal}": "metric=mine: gives (2, 32, 32) for masks (2, 32, 32)",
        "dice: {_target_: pets_seg.losses.soft_dice.soft_dice}": "metric.dice: is the name of a metric",
    },
    "tracker": {
        "name: mine\n_target_: pets_seg.tracking.wandb_sink.WandbSink\nmode: on": "tracker.mode=true: must be",
    },
    "data": {
        "name: sample": "data.size: is needed",
        "name: sample\nsize: large\nboundary: x": "data.size=large: expected a whole number",
    },
    "task": {
        "# @package _global_\ntask: {name: foo}": "task.name=foo: must be one of train, evaluate, predict, export, ",
        "# @package _global_\nfoo: 1": "foo: no such group or setting; --help lists them (set in task/mine)",
    },
    "experiment": {
        "# @package _global_\nmodle: unet": "(did you mean model?); --help lists them (set in experiment/mine)",
        "# @package _global_\nmodel: unet": "in the defaults list of a file: - override /model: OPT",
        "# @package _global_\ntrain: {epoch: 3}": "did you mean train.epochs?",
        "# @package _global_\ntrain: {epochs: many}": "experiment/mine: train.epochs: Value 'many' of type 'str' could",
        "# @package _global_\ntrain: null": "train=null: is a value and not the settings",
        "# @package _global_\ndefaults: [override /model: nope]": "model=nope: no such option",
        "train: {epochs: 3}": "experiment/mine: sets keys below experiment; make # @package _global_",
        "# @package _global_\nhydra: {mode: MULTIRUN, sweeper: {params: {sede: '0,1'}}}": "did you mean seed?",
        "# @package _global_\nhydra: {mode: MULTIRUN, sweeper: {params: {seed: '0,['}}}": "seed=0,[: cannot be read",
        "# @package _global_\nhydra: {mode: MANY}": "expected one of [RUN, MULTIRUN]",
        "# @package _global_\nhydra: {job: {env_set: {MY_SECRET: x}}}": "hydra.job.env_set.MY_SECRET: would be written",
    },
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("group", "content", "reason"),
    [(group, content, reason) for group, wrong in OPTIONS.items() for content, reason in wrong.items()],
)
def test_an_option_of_ones_own_that_is_wrong(
    group: str, content: str | bytes, reason: str, in_process: Command, tmp_path: Path
) -> None:
    (tmp_path / "conf" / group).mkdir(parents=True)
    (tmp_path / "conf" / group / "mine.yaml").write_bytes(content if isinstance(content, bytes) else content.encode())
    code, shown = in_process(f"hydra.searchpath=[file://{tmp_path}/conf]", f"{group}=mine")
    if reason == ABSURD:
        ends_in_a_line(code, shown, tmp_path)
    else:
        refused(code, shown, reason, tmp_path)
