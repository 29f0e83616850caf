"""Checkpoints: the weights of the best epoch, and all that a run needs to go on."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from pets_seg.errors import InputError
from pets_seg.files import write_whole
from pets_seg.models import build_model
from pets_seg.training.precision import memory_format

log = logging.getLogger("pets_seg")


def save_weights(path: Path, network: nn.Module, about: Mapping[str, Any]) -> None:
    """Write the weights; `about` (the `model` settings, size, ...) goes with them as text, to rebuild the network."""
    weights = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    metadata = {"pets_seg": json.dumps(about)}
    write_whole(path, lambda beside: save_file(weights, beside, metadata=metadata))


def read_about(path: Path) -> dict[str, Any]:
    """Return what `save_weights` was told; InputError if the file is not one of ours."""
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {})["pets_seg"])
        network = about["model"]["name"]
    except (OSError, SafetensorError, KeyError, TypeError, ValueError):
        raise InputError(f"checkpoint={path}: is not a checkpoint of pets_seg, or it is damaged") from None
    if not isinstance(network, str):
        raise InputError(f"checkpoint={path}: does not say which network it is of")
    return about


def load_network(path: Path, device: torch.device) -> nn.Module:
    """Return the network of a checkpoint with its weights; only networks of pets_seg.models are built."""
    arguments = dict(read_about(path)["model"])
    # The weights are in the file: nothing is fetched.
    arguments.pop("pretrained", None)
    try:
        network = build_model(**arguments)
        network.load_state_dict(load_file(path))
    except (SafetensorError, ValueError, TypeError, RuntimeError) as error:
        raise InputError(
            f"checkpoint={path}: its weights do not fit its network ({str(error).splitlines()[0]})"
        ) from None
    # The layout decides which kernels run: an evaluation must have the one of the run to give its figures.
    return network.to(device, memory_format=memory_format(device, network))


def save_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write all that a run needs to go on; plain types and tensors only, so that it loads with weights_only."""
    write_whole(path, lambda beside: torch.save(dict(state), beside))


def load_state(path: Path) -> dict[str, Any] | None:
    """Return what `save_state` wrote, on the CPU, or None if there is nothing or nothing readable."""
    if not path.exists():
        return None
    try:
        # Whoever loads a state moves what it needs. Counts of steps must stay here: on a GPU they are waited for.
        return torch.load(path, map_location="cpu", weights_only=True)
    # A damaged archive shows as one of many types (RuntimeError, UnpicklingError, EOFError, KeyError, ...).
    except Exception as error:
        log.warning(f"{path} cannot be read ({str(error).splitlines()[0]}); the run starts from its beginning")
        return None
