"""What a run trains with, made from its configuration."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from pets_seg.augment import Augment
from pets_seg.config.identity import made_of, settings_of
from pets_seg.config.parts import source_digests
from pets_seg.data import Batches, Dataset, Normalise
from pets_seg.data.batches import epoch_batches
from pets_seg.evaluation.metrics import Metric, build_metrics, metric_records
from pets_seg.machine.seeding import seed_all
from pets_seg.machine.world import World
from pets_seg.models import build_model, memory_format
from pets_seg.training.distributed import wrap_in_ddp
from pets_seg.training.memory import reset_peak
from pets_seg.training.objective import Objective, build_objective
from pets_seg.training.optimizers import build_optimizer, build_scheduler
from pets_seg.training.precision import use_device
from pets_seg.training.running_loss import RunningLoss
from pets_seg.training.state import State
from pets_seg.training.weight_average import WeightAverage


@dataclass
class Setup:
    """The parts of a run: `state` changes with every step, the others stay."""

    config: Mapping[str, Any]
    dataset: Dataset
    device: torch.device
    world: World
    state: State
    objective: Objective
    metrics: dict[str, Metric]
    augment: Augment
    normalise: Normalise
    train: Batches
    valid: Batches
    # The network as it is called in training: wrapped in DDP, compiled.
    forward: nn.Module
    steps: int
    # Where sums on the device begin, made once.
    zero: torch.Tensor

    @property
    def precision(self) -> str:
        """The number format that the network computes in: fp32, bf16 or fp16."""
        return self.config["train"]["precision"]

    @property
    def seed(self) -> int:
        """The seed of the run."""
        return self.config["seed"]

    @property
    def epochs(self) -> int:
        """How many epochs the run has."""
        return self.config["train"]["epochs"]

    @property
    def images_at_once(self) -> int:
        """How many images of a batch are computed at once, for gradient accumulation."""
        return math.ceil(self.config["train"]["batch_size"] / self.config["train"]["accumulate"])

    @property
    def done(self) -> int:
        """The steps that the state has behind it."""
        return (self.state.epoch - 1) * self.steps + self.state.step

    @property
    def about(self) -> dict[str, Any]:
        """What a checkpoint says of the network, so that it can be rebuilt and used as in training."""
        data = {key: self.config["data"][key] for key in ("size", "normalisation", "boundary")}
        return {"model": settings_of("model", self.config["model"]), **data, "precision": self.precision}

    def batches(self, epoch: int) -> list[torch.Tensor]:
        """Return the indices of every batch of an epoch."""
        return epoch_batches(len(self.dataset.train), self.config["train"]["batch_size"], self.seed, epoch)


def set_up(config: Mapping[str, Any], dataset: Dataset, device: torch.device, world: World) -> Setup:
    """Return the parts of the run that a resolved configuration describes, its precision resolved too, at its start."""
    train, data = config["train"], config["data"]
    use_device(device, train["deterministic"])
    reset_peak(device)
    seed_all(config["seed"])
    network = build_model(config["model"])
    if getattr(network, "pretrained", False):
        network.load_pretrained()
    network = network.to(device)
    fastest = memory_format(device, network)
    network = network.to(memory_format=fastest)
    if train["checkpoint_activations"]:
        network.checkpoint_activations = True
    steps = len(epoch_batches(len(dataset.train), train["batch_size"], config["seed"], 0))
    optimizer = build_optimizer(config["optimizer"], network)
    state = State(
        network,
        optimizer,
        build_scheduler(config["scheduler"], optimizer, steps * train["epochs"]),
        torch.amp.GradScaler(device.type, enabled=train["precision"] == "fp16"),
        WeightAverage(network, train["ema"]) if train["ema"] else None,
        RunningLoss(device, world),
        sources=source_digests(made_of(config)),
        metrics=metric_records(config.get("metric")),
    )
    return Setup(
        config,
        dataset,
        device,
        world,
        state,
        build_objective(config["loss"]),
        build_metrics(config.get("metric")),
        Augment(config["aug"]["operations"], config["aug"].get("keep_original", False)),
        Normalise(data["normalisation"], device, fastest),
        Batches(dataset.train, device, data["boundary"]),
        Batches(dataset.valid, device, data["boundary"]),
        network,
        steps,
        torch.zeros((), device=device),
    )


def wrap(run: Setup) -> None:
    """Make `forward` the network as it is called in training; once the state is loaded, which DDP then has."""
    network = run.state.network
    run.forward = wrap_in_ddp(network, run.device) if run.world.size > 1 else network
    if run.config["train"]["compile"]:
        run.forward = torch.compile(run.forward)
