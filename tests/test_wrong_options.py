"""Files of a user's own options, found through hydra.searchpath, that are wrong. As in test_wrong_input.py."""

from collections.abc import Callable
from pathlib import Path

import pytest
from test_wrong_input import refused

Command = Callable[..., tuple[int, str]]
SCHEMA = "defaults:\n  - /schema/aug@_here_\n  - _self_\n"
OPTIONS = {
    "aug": {
        "a: [1,\nb: {": 'mine.yaml", line ',
        "a:\n\tb: 1": "that cannot start any token",
        "name: x\nname: y": "found duplicate key name",
        "name: !!python/object/apply:os.system [ls]": "an option's file cannot be read: could not determine",
        b"\xff\xfe": "an option's file cannot be read: 'utf-8' codec can't decode",
        "3": "an option's file cannot be read: Invalid loaded object type",
        "defaults: 3": "defaults must be a list",
        "": "aug.name=None: must start with a letter or digit",
        "- 1": "aug=[1]: must hold settings; mend the file of the option",
        "1: 2\nnull: 3": "Incompatible key type",
        "name: a/b\noperations: []": "aug.name=a/b: must start with a letter or digit",
        "name: mine": "aug.operations: is needed; give aug.operations=..., or write it into the option's file",
        "name: mine\noperations: hello": "aug.operations=hello: expected a list of operations",
        "name: mine\noperations: 5": "aug.operations=5: expected a list of operations",
        "name: mine\noperations: []\nkeep_original: maybe": "aug.keep_original=maybe: expected true or false",
        "name: ${nothing}\noperations: []": "aug.name: refers to what cannot be had",
        "name: mine\noperations: &x [*x]": "contains itself, or is nested too deeply",
        f"name: mine\noperations: {'[' * 2000}{']' * 2000}": "nested too deeply; write it flat",
        "defaults: [mine]": "contains itself",
        "defaults: [/schema/nope@_here_]": "aug/mine: names schema/nope among its defaults, which is not there",
        f"{SCHEMA}name: mine\noperations: {{a: 1}}": "aug/mine: Cannot merge ",
        f"{SCHEMA}name: mine\noperations: hello": "aug/mine: aug.operations: ",
        f"{SCHEMA}name: mine\noperations: []\nkep_original: true": "(set in aug/mine)",
        "# @package _global_\nseed: abc": "aug/mine: seed: Value 'abc' of type 'str' could not be converted",
    },
    "optimizer": {
        "name: mine\nlr: 0.1": "optimizer._target_: is needed",
        "name: mine\n_target_: torch.optim.RMSprop": "optimizer.lr: is needed",
        "name: mine\n_target_: torch.optim.RMSprop\nlr: fast": "optimizer.lr=fast: expected a number",
        "name: mine\n_target_: torch.optim.RMSprop\nlr: true": "optimizer.lr=True: expected a number",
        "name: mine\n_target_: torch.optim.Adam\nlr: 1\nbetas: 3": "optimizer.betas=3: expected a list of numbers",
        "name: mine\n_target_: torch.optim.Adam\nlr: 1\nweight_decay: -1": "optimizer.weight_decay=-1: must be 0 or",
        "name: mine\n_target_: torch.optim.Nope\nlr: 1": "optimizer=mine: cannot be made",
        "name: mine\n_target_: torch.nn.Linear\nlr: 1": "optimizer=mine: cannot be made",
        "name: mine\n_target_: 5\nlr: 1": "optimizer=mine: cannot be made",
    },
    "model": {
        "name: unet\nwidth: many\nupsampling: bilinear": "model.width=many: expected a whole number",
        "name: unet\nupsampling: bilinear": "model.width: is needed",
        "name: vgg\nwidth: 8\nupsampling: bilinear": "model.name=vgg: is one of unet, resnet34_unet",
    },
    "data": {
        "name: sample": "data.size: is needed",
        "name: sample\nsize: large\nboundary: x": "data.normalisation: is needed",
    },
    "task": {
        "# @package _global_\ntask: {name: foo}": "task.name=foo: is one of train, evaluate, preview",
        "# @package _global_\nfoo: 1": "foo: no such group or setting; --help lists them (set in task/mine)",
    },
    "experiment": {
        "# @package _global_\nmodle: unet": "(did you mean model?); --help lists them (set in experiment/mine)",
        "# @package _global_\nmodel: unet": "is not how an option is chosen; list it under defaults: - override /mod",
        "# @package _global_\ntrain: {epoch: 3}": "did you mean train.epochs?",
        "# @package _global_\ntrain: {epochs: many}": "experiment/mine: train.epochs: Value 'many' of type 'str' could",
        "# @package _global_\ntrain: null": "train=None: must hold settings",
        "# @package _global_\ndefaults: [override /model: nope]": "model=nope: no such option",
        "train: {epochs: 3}": "experiment/mine: sets keys of experiment; the first line of such a file is # @package",
        "# @package _global_\nhydra: {mode: MULTIRUN, sweeper: {params: {sede: '0,1'}}}": "did you mean seed?",
        "# @package _global_\nhydra: {mode: MULTIRUN, sweeper: {params: {seed: '0,['}}}": "seed=0,[: cannot be read",
        "# @package _global_\nhydra: {mode: MANY}": "expected one of [RUN, MULTIRUN]",
        "# @package _global_\nhydra: {job: {env_set: {MY_SECRET: x}}}": "hydra.job.env_set.MY_SECRET: would be written",
    },
}


@pytest.mark.parametrize(
    ("group", "content", "reason"),
    [(group, content, reason) for group, wrong in OPTIONS.items() for content, reason in wrong.items()],
)
def test_an_option_of_ones_own_that_is_wrong(
    group: str, content: str | bytes, reason: str, in_process: Command, tmp_path: Path
) -> None:
    (tmp_path / "conf" / group).mkdir(parents=True)
    (tmp_path / "conf" / group / "mine.yaml").write_bytes(content if isinstance(content, bytes) else content.encode())
    refused(*in_process(f"hydra.searchpath=[file://{tmp_path}/conf]", f"{group}=mine"), reason, tmp_path)
