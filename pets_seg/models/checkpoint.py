"""The weights of the best epoch, and what rebuilds their network."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import nn

from pets_seg.config.checks import check_option
from pets_seg.config.groups import GROUPS
from pets_seg.config.parts import permitted
from pets_seg.config.rules import check_value
from pets_seg.config.schema import rules
from pets_seg.errors import InputError
from pets_seg.machine.files import write_whole
from pets_seg.models import build_apart, memory_format, on_meta

# Of the text in a weights file; ours has some 300 characters.
LONGEST_TEXT = 10_000
ABOUT = {"size": "data", "normalisation": "data", "boundary": "data", "precision": "train"}


def save_weights(path: Path, weights: Mapping[str, torch.Tensor], about: Mapping[str, Any]) -> None:
    """Write a state dict; `about` (the `model` settings, size, ...) goes with it as text, to rebuild the network."""
    plain = {name: tensor.contiguous() for name, tensor in weights.items()}
    content = save(plain, metadata={"pets_seg": json.dumps(about)})
    write_whole(path, lambda file: file.write(content))


def read_about(path: Path) -> dict[str, Any]:
    """Return what `save_weights` was told; InputError if the file is not one of ours or says what cannot be.

    The file may be a stranger's: nothing in it is run, and what it says is held against the settings' own rules.
    """
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {})["pets_seg"]
        about = json.loads(text) if len(text) <= LONGEST_TEXT else None
        epoch, precision, model = about["epoch"], about["precision"], dict(about["model"].items())
        settings = {f"{group}.{key}": (about[key], rules(GROUPS[group].schema)[key]) for key, group in ABOUT.items()}
    except (OSError, SafetensorError, KeyError, TypeError, AttributeError, ValueError, RecursionError):
        raise InputError(f"checkpoint={path}: is not a checkpoint of pets_seg, or it is damaged") from None
    if precision == "auto":
        raise InputError(f"checkpoint={path}: its precision is auto; must be the one that was used")
    if not isinstance(epoch, int):
        raise InputError(f"checkpoint={path}: its epoch is {str(epoch)[:50]!r}; must be a whole number")
    try:
        for key, (value, rule) in settings.items():
            check_value(key, value, rule)
        about["model"] = permitted("model", model)
        check_option("model", about["model"])
    except InputError as error:
        raise InputError(f"checkpoint={path}: its metadata cannot be used: {error}") from None
    return about


def load_network(path: Path, device: torch.device) -> nn.Module:
    """Return the network of a checkpoint with its weights; InputError if the weights are not those of its network."""
    arguments = read_about(path)["model"]
    # Shapes are compared before there is memory for them.
    expected = {name: (tuple(t.shape), t.dtype) for name, t in on_meta(arguments).state_dict().items()}
    weights = load_file(path)
    found = {name: (tuple(tensor.shape), tensor.dtype) for name, tensor in weights.items()}
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            has, wants = (_described(part.get(name)) for part in (found, expected))
            raise InputError(
                f"checkpoint={path}: its weights are not those of {arguments}: {name} is {has}, should be {wants}"
            )
    # Made anew, for a network may hold more than its weights.
    network = build_apart(arguments)
    network.load_state_dict(weights)
    # The memory format decides which kernels run: an evaluation must have the one of the run to give its figures.
    return network.to(device, memory_format=memory_format(device, network))


def _described(tensor: tuple[tuple[int, ...], torch.dtype] | None) -> str:
    return f"{tensor[0]} {str(tensor[1]).removeprefix('torch.')}" if tensor else "absent"
