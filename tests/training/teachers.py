"""Teachers for tests of distillation: the weights of networks that nobody trained."""

from pathlib import Path

import torch
from conftest import make_network
from hydra import compose, initialize_config_module

from pets_seg.config.plain import plain
from pets_seg.config.weights import with_digest
from pets_seg.models.checkpoint import save_weights

BEST = "checkpoints/best.safetensors"
ABOUT = {"size": 32, "normalisation": "imagenet", "boundary": "foreground", "precision": "fp32", "epoch": 1}


def write_teacher(run: Path, seed: int = 0, width: int = 6, **about: object) -> Path:
    """Write the best weights of a run that nobody trained, of a network that is sure of itself; return its folder."""
    torch.manual_seed(seed)
    network = make_network("unet", width=width)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
        network.head.weight.mul_(100)
    save_weights(run / BEST, network.state_dict(), {"model": {"name": "unet", "width": width}, **ABOUT, **about})
    return run


def config(*overrides: str) -> dict:
    with initialize_config_module("pets_seg.conf", version_base="1.3"):
        composed = compose("config", overrides=["data.size=32", "train.device=cpu", "train.precision=fp32", *overrides])
    return with_digest(plain(composed))
