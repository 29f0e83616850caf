"""What can be configured: the typed settings of every group, and the name that a resolved configuration gives a run.

The values stand in conf/; here are the types, the allowed values and the line that `--help` shows for each.
"""

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any

import omegaconf
from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, DictConfig, OmegaConf

# More is a mistake.
MANY = 1_000_000


def setting(
    text: str,
    *,
    choices: tuple[str, ...] = (),
    low: float | None = None,
    high: float | None = None,
    default: Any = MISSING,
) -> Any:
    """Declare a setting: its line of help and what it may be (one of `choices`, or from `low` to `high`)."""
    return field(default=default, metadata={"help": text, "choices": choices, "low": low, "high": high})


@dataclass
class UNet:
    name: str = MISSING
    upsampling: str = setting("how the decoder enlarges", choices=("bilinear", "transposed"))
    width: int = setting("channels of the first level", low=1, high=1024)


@dataclass
class ResNet34UNet:
    name: str = MISSING
    upsampling: str = setting("how the decoder enlarges", choices=("bilinear", "transposed"))
    decoder_width: int = setting("channels of every decoder block", low=1, high=1024)
    pretrained: bool = setting("start the encoder from ImageNet weights")


@dataclass
class Aug:
    name: str = MISSING
    operations: list[Any] = MISSING
    keep_original: bool = setting("append augmented copies to the batch instead of replacing images", default=False)


@dataclass
class Optimizer:
    name: str = MISSING
    _target_: str = MISSING
    _convert_: str = MISSING
    lr: float = setting("learning rate", low=0)
    weight_decay: float = setting("weight decay", low=0)


@dataclass
class Adam(Optimizer):
    betas: list[float] = setting("decay of the two moment estimates (adam, adamw, muon)")
    fused: bool = setting("one kernel for all parameters")


@dataclass
class Muon(Optimizer):
    betas: list[float] = setting("decay of the two moment estimates (adam, adamw, muon)")
    momentum: float = setting("momentum (sgd, muon)", low=0, high=0.9999)


@dataclass
class SGD(Optimizer):
    fused: bool = setting("one kernel for all parameters")
    momentum: float = setting("momentum (sgd, muon)", low=0, high=0.9999)
    nesterov: bool = setting("Nesterov's form of momentum (sgd)")


@dataclass
class Scheduler:
    name: str = MISSING


@dataclass
class OneCycle(Scheduler):
    warmup: float = setting("share of the steps on the way up (onecycle)", low=0, high=0.99)


@dataclass
class Loss:
    name: str = MISSING
    cross_entropy: float = setting("weight of the cross-entropy", low=0)
    dice: float = setting("weight of the soft Dice loss", low=0)


@dataclass
class SampleData:
    name: str = MISSING
    size: int = setting("side of image and mask in pixels", low=32, high=4096)
    boundary: str = setting("what trimap value 3 counts as", choices=("foreground", "background", "ignore"))
    normalisation: str = setting("of images: ImageNet mean and std, or raw 0-255", choices=("imagenet", "raw"))
    skip_bad: bool = setting("leave out what cannot be read instead of stopping")
    cache_dir: str | None = setting("where decoded pixels are kept (null: the user's cache folder)")


@dataclass
class OxfordPetData(SampleData):
    root: str | None = setting("oxford_pet: holds oxford-iiit-pet/; folder: holds images/ and masks/")
    download: bool = setting("fetch the data set if it is not there (oxford_pet)")


@dataclass
class FolderData(SampleData):
    root: str = setting("oxford_pet: holds oxford-iiit-pet/; folder: holds images/ and masks/")
    split_seed: int = setting("of the hash that deals stems out to splits (folder)", low=0, high=2**31 - 1)


@dataclass
class Train:
    name: str = MISSING
    epochs: int = setting("passes over the training images", low=1, high=MANY)
    batch_size: int = setting("images a step", low=1, high=MANY)
    precision: str = setting("auto: bf16 (or fp16) on CUDA, else fp32", choices=("auto", "fp32", "bf16", "fp16"))
    compile: bool = setting("compile the network with torch.compile")
    accumulate: int = setting("parts that a batch is computed in, for small memories", low=1, high=MANY)
    checkpoint_activations: bool = setting("compute UNet's activations again in the backward pass, for small memories")
    ema: float = setting("decay of the average of weights that is validated and kept; 0: none", low=0, high=0.99999)
    deterministic: bool = setting("only algorithms that repeat themselves exactly (the CPU's always do)")
    save_every_steps: int = setting("write last.pt after so many steps too; 0: after epochs only", low=0, high=MANY)
    device: str = setting("auto, cpu, cuda, cuda:N or mps")


@dataclass
class Tracker:
    name: str = MISSING
    mode: str = setting(
        "of W&B; auto: online with a key, or offline", choices=("auto", "online", "offline", "disabled")
    )
    project: str | None = setting("of W&B (null: WANDB_PROJECT, or pets_seg)")


@dataclass
class Report:
    name: str = MISSING
    baseline: Any = setting("what groups are held against: an option, or values by key; null: the simplest group")
    reference: bool = setting("lay the curves of the reference study under ours")
    wandb: bool = setting("also make a report in W&B")


@dataclass
class Root:
    seed: int = setting("of weights, order and augmentation", low=0, high=2**31 - 1)
    name: str = setting("of the sweep: runs go to runs/<name>/")
    existing: str = setting("when the run is there already", choices=("continue", "restart"))
    checkpoint: str | None = setting("task=evaluate: a run folder or a file in it")
    split: str = setting("task=evaluate: which images", choices=("test", "valid"))
    runs: Any = setting("task=report: the folder of a sweep, or [several]")
    replay: str | None = setting("a run folder: trains what its config.yaml says, into runs/replay/")
    closing: str | None = MISSING
    model: Any = MISSING
    aug: Any = MISSING
    optimizer: Any = MISSING
    scheduler: Any = MISSING
    loss: Any = MISSING
    data: Any = MISSING
    train: Any = MISSING
    tracker: Any = MISSING
    report: Any = MISSING
    task: Any = MISSING


# By the name that conf/<group>/<option>.yaml uses to say which settings it has.
SCHEMAS: dict[str, dict[str, type]] = {
    "": {"root": Root},
    "model": {"unet": UNet, "resnet34_unet": ResNet34UNet},
    "aug": {"aug": Aug},
    "optimizer": {"adam": Adam, "muon": Muon, "sgd": SGD},
    "scheduler": {"scheduler": Scheduler, "onecycle": OneCycle},
    "loss": {"loss": Loss},
    "data": {"sample": SampleData, "oxford_pet": OxfordPetData, "folder": FolderData},
    "train": {"train": Train},
    "tracker": {"tracker": Tracker},
    "report": {"report": Report},
}

# Of an option, a sweep or a group: part of paths.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,99}")

# Groups that make a run what it is, and the keys in them that cannot change its result.
IDENTITY = ("model", "aug", "optimizer", "scheduler", "loss", "data", "train", "seed")
NO_IDENTITY = ("train.device", "train.save_every_steps", "data.cache_dir", "data.download")
# A key that is added later goes here with the value that keeps the former behaviour: while it holds that value it
# does not enter the name, so that runs made before the key existed keep theirs.
ADDED_LATER: dict[str, Any] = {
    "aug.keep_original": False,
    "train.accumulate": 1,
    "train.checkpoint_activations": False,
    "train.ema": 0.0,
    "train.deterministic": False,
}


def settings() -> dict[str, dict[str, Any]]:
    """Return the metadata of every setting (help, choices, low, high, type) by its dotted key."""
    found: dict[str, dict[str, Any]] = {}
    for group, variants in SCHEMAS.items():
        for schema in variants.values():
            for item in fields(schema):
                if "help" in item.metadata:
                    key = f"{group}.{item.name}" if group else item.name
                    found.setdefault(key, {**item.metadata, "type": item.type})
    return found


def identity(cfg: DictConfig) -> dict[str, Any]:
    """Return the part of a composed configuration that can change a run's result, resolved, as plain values."""
    from pets_seg.training.precision import resolve_device, resolve_precision

    part = OmegaConf.to_container(OmegaConf.masked_copy(cfg, IDENTITY), resolve=True)
    device = resolve_device(part["train"]["device"])
    part["train"]["precision"] = resolve_precision(part["train"]["precision"], device)
    for key in NO_IDENTITY:
        group, name = key.split(".")
        part[group].pop(name, None)
    for key, former in ADDED_LATER.items():
        group, name = key.split(".")
        if name in part[group] and part[group][name] == former:
            del part[group][name]
    return part


def run_name(cfg: DictConfig) -> str:
    """Return `<model>-<aug>-<optimizer>-s<seed>-<hash>`, the hash covering `identity(cfg)`."""
    part = identity(cfg)
    digest = hashlib.sha256(json.dumps(part, sort_keys=True).encode()).hexdigest()[:8]
    return f"{cfg.model.name}-{cfg.aug.name}-{cfg.optimizer.name}-s{cfg.seed}-{digest}"


def _scratch_folder() -> str:
    import atexit
    import shutil
    import tempfile

    folder = tempfile.mkdtemp(prefix="pets_seg-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@cache
def register() -> None:
    """Tell Hydra the schemas, and OmegaConf the resolvers that conf/ uses, once."""
    store = ConfigStore.instance()
    # Hydra copies the whole store whenever it looks at a group, a hundred times for --help, and then copies each node
    # that it takes from it. The second copy is enough.
    ConfigStore.__deepcopy__ = lambda self, memo: self
    for variants in SCHEMAS.values():
        for name, schema in variants.items():
            store.store(group="schema", name=name, node=schema, provider="pets_seg")
    register_resolver("run_name", lambda *, _root_: run_name(_root_))
    register_resolver("scratch_folder", _scratch_folder, use_cache=True)


def register_resolver(name: str, resolver: Callable[..., Any], use_cache: bool = False) -> None:
    """Let ${name:} in a configuration stand for what `resolver` returns."""
    # OmegaConf 2.4 gives this name to what 2.3 calls register_new_resolver.
    old = omegaconf.__version__.startswith("2.3.")
    register = OmegaConf.register_new_resolver if old else OmegaConf.register_resolver
    register(name, resolver, use_cache=use_cache, replace=True)
