"""Checkpoints: the weights of the best epoch, and all that a run needs to go on."""

import json
import logging
import zipfile
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
from pets_seg.models import build_model, memory_format

log = logging.getLogger("pets_seg")
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
    with torch.device("meta"):
        network = build_model(arguments)
    expected = {name: (tuple(tensor.shape), tensor.dtype) for name, tensor in network.state_dict().items()}
    weights = load_file(path)
    found = {name: (tuple(tensor.shape), tensor.dtype) for name, tensor in weights.items()}
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            has, wants = (_described(part.get(name)) for part in (found, expected))
            raise InputError(
                f"checkpoint={path}: its weights are not those of {arguments}: {name} is {has}, should be {wants}"
            )
    network = network.to_empty(device="cpu")
    network.load_state_dict(weights)
    # The layout decides which kernels run: an evaluation must have the one of the run to give its figures.
    return network.to(device, memory_format=memory_format(device, network))


def _described(tensor: tuple[tuple[int, ...], torch.dtype] | None) -> str:
    return f"{tensor[0]} {str(tensor[1]).removeprefix('torch.')}" if tensor else "absent"


def save_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write all that a run needs to go on; plain types and tensors only, so that it loads with weights_only."""
    write_whole(path, lambda file: torch.save(dict(state), file))


def load_state(path: Path, layout: int) -> dict[str, Any] | None:
    """Return what `save_state` wrote, on the CPU, or None if there is nothing, or nothing of this `layout`.

    A damaged file shows by its checksums. A stranger's file cannot run code, and one that is compressed is not
    unpacked. Raises InputError if the file is there but may not be read.
    """
    try:
        _check_archive(path)
        # Whoever loads a state moves what it needs. Counts of steps must stay here: on a GPU they are waited for.
        state = torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(state, dict) or state.get("layout") != layout:
            raise ValueError("it is of another version of pets_seg")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); make it readable, or existing=restart") from error
    except MemoryError:
        raise
    # A damaged archive shows as one of many types (BadZipFile, RuntimeError, UnpicklingError, EOFError, KeyError, ...).
    except Exception as error:
        if "allocate memory" in str(error):
            raise
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        log.warning(f"{path} cannot be read ({reason}); the run starts from its beginning")
        return None
    return state


def _check_archive(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        # torch.save compresses nothing; what would unpack to more than the file is not its.
        packed = any(entry.compress_type != zipfile.ZIP_STORED for entry in entries)
        if packed or sum(entry.file_size for entry in entries) > path.stat().st_size:
            raise ValueError("it unpacks to more than it is")
        if damaged := archive.testzip():
            raise ValueError(f"checksum of {damaged} differs")
