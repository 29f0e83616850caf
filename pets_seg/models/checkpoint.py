"""The weights of the best epoch, and what rebuilds their network."""

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import nn

from pets_seg.config.checks import check_option
from pets_seg.config.identity import settings_of
from pets_seg.config.options import SPECIAL
from pets_seg.config.parts import permitted
from pets_seg.config.rules import Range, check_value, shown
from pets_seg.config.schema import Data, Train, rules
from pets_seg.config.weights import Weights, sha256
from pets_seg.errors import InputError, RunError
from pets_seg.machine.files import write_whole
from pets_seg.models import build_apart, memory_format, on_meta

# In characters, of the metadata in a weights file; ours have about 300.
LONGEST_TEXT = 10_000
# Pictures hold 32 bits a value at most.
MAX_VALUE = torch.finfo(torch.float32).max
Permit = Callable[[Mapping[str, Any]], dict[str, Any]]
BY_COMMAND: Permit = partial(permitted, "model")
# Settings in the metadata, and their groups.
ABOUT = {"size": "data", "normalisation": "data", "boundary": "data", "precision": "train"}


def save_weights(path: Path, weights: Mapping[str, torch.Tensor], about: Mapping[str, Any]) -> None:
    """Write a state dict with `about` (the `model` settings, size, ...) as metadata, to rebuild the network."""
    plain = {name: tensor.contiguous() for name, tensor in weights.items()}
    content = save(plain, metadata={"pets_seg": json.dumps(about)})
    write_whole(path, lambda file: file.write(content))


def read_about(path: Path, key: str = "checkpoint", permit: Permit = BY_COMMAND) -> dict[str, Any]:
    """Return the metadata that `save_weights` wrote; InputError unless they keep to the settings' own rules.

    The file, which was given for `key`, may be a stranger's: nothing in it is run. `permit` returns the settings of its
    network, or raises InputError if that is not to be made.
    """
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {})["pets_seg"]
        if len(text) > LONGEST_TEXT:
            raise ValueError
        about: dict[str, Any] = json.loads(text)
        epoch, model = about["epoch"], dict(about["model"].items())
        values = {name: about[name] for name in ABOUT}
    except (OSError, SafetensorError, KeyError, TypeError, AttributeError, ValueError, RecursionError):
        raise InputError(f"{key}={path}: is not a checkpoint of pets_seg, or it is damaged") from None
    if values["precision"] == "auto":
        raise InputError(f"{key}={path}: its precision is auto; must be the one that was used")
    if not isinstance(epoch, int):
        raise InputError(f"{key}={path}: its epoch is {str(epoch)[:50]!r}; must be a whole number")
    try:
        _check_range(about.get("range"))
        for name, group in ABOUT.items():
            check_value(f"{group}.{name}", values[name], (rules(Data) | rules(Train))[name])
        about["model"] = permit(model)
        check_option("model", about["model"])
    except InputError as error:
        raise InputError(f"{key}={path}: its metadata cannot be used: {error}") from None
    return about


def _check_range(value: Any) -> None:
    """Raise InputError unless `value` is None or the values of black and white, as data.range has them."""
    check_value("data.range", value, Annotated[tuple[float, float], Range(-MAX_VALUE, MAX_VALUE)] | None)
    if value is not None and not value[0] < value[1]:
        raise InputError(f"data.range={shown(value)}: the value of white must be above that of black")


def load_network(
    path: Path, device: torch.device, key: str = "checkpoint", about: Mapping[str, Any] | None = None
) -> nn.Module:
    """Return the network of a checkpoint with its weights; InputError if the weights are not those of its network.

    `about` is what `read_about` returned, if that was asked already.
    """
    arguments = (about or read_about(path, key))["model"]
    weights = network_weights(path, arguments, key)
    # Built again, since a network may have tensors that are not in its state dict.
    network = build_apart(arguments)
    network.load_state_dict(weights)
    # The memory format decides which kernels run: an evaluation gives the figures of its run only with the same one.
    return network.to(device).to(memory_format=memory_format(device, network))


def network_weights(path: Path, arguments: Mapping[str, Any], key: str = "checkpoint") -> dict[str, torch.Tensor]:
    """Return the weights of a checkpoint, on the CPU; InputError unless they are those of the network it describes."""
    weights = load_file(path)
    if wrong := _misfit(weights, arguments):
        raise InputError(f"{key}={path}: its weights are not those of {arguments}: {wrong}")
    return weights


def check_unchanged(weights: Weights, key: str = "checkpoint") -> None:
    """Raise RunError if a file of weights, given for `key`, is not the one by which a run was named."""
    if (now := sha256(weights.path, key)) != weights.digest:
        raise RunError(
            f"{key}={weights.path}: has other weights than when this run was named (SHA-256 {now[:12]}, was "
            f"{weights.digest[:12]}); give the command again, or put the weights back"
        )


def starting_weights(path: Path, digest: str, settings: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """Return the state dict of a checkpoint, on the CPU, for a run with these `model` settings to start from.

    Raises InputError if they are the weights of another network, and RunError if the file's SHA-256 is not `digest`.
    """
    check_unchanged(Weights(path, digest))
    about = read_about(path)["model"]
    if about["_target_"] != settings["_target_"]:
        raise InputError(
            f"checkpoint={path}: holds weights of model={about['name']}, this run has model={settings['name']}; "
            "choose the same network"
        )
    weights = load_file(path)
    if wrong := _misfit(weights, settings):
        then, here = _arguments(about), _arguments(settings)
        keys = [key for key in here if then.get(key) != here[key]]
        theirs, ours = (" ".join(f"model.{key}={shown(part.get(key))}" for key in keys) for part in (then, here))
        differs = f"holds weights of {theirs}, this run has {ours}; give the same settings"
        other = f"its weights are not those of model={settings['name']} here: {wrong}; give another checkpoint"
        raise InputError(f"checkpoint={path}: {differs if keys else other}")
    return weights


def _arguments(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a network but for `pretrained`, which shapes no weights."""
    return {key: value for key, value in settings_of("model", settings).items() if key not in (*SPECIAL, "pretrained")}


def _misfit(weights: Mapping[str, torch.Tensor], settings: Mapping[str, Any]) -> str:
    """Return the first tensor that is not as in the network of `model` settings, and how it should be; "" if none."""
    # Compared on the meta device, before memory is allocated for shapes that a file made up.
    has, wants = _shapes(weights), _shapes(on_meta(settings).state_dict())
    wrong = (name for name in sorted(wants.keys() | has.keys()) if wants.get(name) != has.get(name))
    return next((f"{name} is {has.get(name, 'absent')}, should be {wants.get(name, 'absent')}" for name in wrong), "")


def _shapes(weights: Mapping[str, torch.Tensor]) -> dict[str, str]:
    return {name: f"{tuple(t.shape)} {str(t.dtype).removeprefix('torch.')}" for name, t in weights.items()}
