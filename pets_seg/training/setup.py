"""What a run trains with, made from its configuration."""

import math
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from pets_seg.augment import Augment
from pets_seg.config.identity import made_of, settings_of
from pets_seg.config.parts import build
from pets_seg.config.sources import source_digests
from pets_seg.config.weights import Weights, named_weights
from pets_seg.data import Batches, Dataset, Normalise
from pets_seg.data.batches import cut, epoch_batches
from pets_seg.evaluation.metrics import Metric, build_metrics, metric_records
from pets_seg.machine.precision import autocast, use_device
from pets_seg.machine.seeding import seed_all
from pets_seg.machine.world import World
from pets_seg.models import build_model, memory_format
from pets_seg.run_folder.folder import RunFolder
from pets_seg.run_folder.growing_table import GrowingTable
from pets_seg.run_folder.names import STEPS
from pets_seg.tracking.tracker import Tracker
from pets_seg.training.compiled import compiled
from pets_seg.training.distillation import Distillation, build_distillation
from pets_seg.training.distributed import wrap_in_ddp
from pets_seg.training.memory import reset_peak
from pets_seg.training.objective import Objective, build_objective
from pets_seg.training.running_loss import RunningLoss
from pets_seg.training.saving import Saving
from pets_seg.training.skipped_updates import expect_skipped_updates
from pets_seg.training.state import State
from pets_seg.training.step_figures import StepFigures
from pets_seg.training.weight_average import WeightAverage


@dataclass
class Setup:
    """The parts of a run: `state` changes with every step, what is written of it with every epoch, the others stay."""

    dataset: Dataset
    folder: RunFolder
    tracker: Tracker
    # Raises Interrupted once the run was asked to end; a collective operation of all ranks.
    poll: Callable[[], None]
    world: World
    # What it starts from; None is the network as it is built.
    checkpoint: Weights | None
    device: torch.device
    autocast: AbstractContextManager
    seed: int
    epochs: int
    steps_per_epoch: int
    batch_size: int
    micro_batch_size: int
    state: State
    # steps.csv, whose rows are those of `state.steps`, and the last step that it has.
    steps_table: GrowingTable
    steps_written: int
    saving: Saving
    objective: Objective
    distillation: Distillation | None
    metrics: dict[str, Metric]
    augment: Augment
    normalise: Normalise
    train: Batches
    valid: Batches
    ddp: DistributedDataParallel | None
    # The network as training calls it: wrapped in DDP, compiled.
    forward: Callable[[torch.Tensor], torch.Tensor]
    # What a checkpoint says of the network, so that it can be rebuilt and used as in training.
    about: dict[str, Any]

    @property
    def steps_done(self) -> int:
        """The number of steps taken since the beginning of the run."""
        return (self.state.epoch - 1) * self.steps_per_epoch + self.state.step

    @property
    def logs_objective(self) -> bool:
        """Whether what is minimised is anything but the plain cross-entropy, which is logged anyway."""
        return self.distillation is not None or not self.objective.is_cross_entropy

    def poll_if_alone(self) -> None:
        """Call `poll` between the batches of an evaluation, of which ranks have different numbers."""
        if self.world.size == 1:
            self.poll()


def set_up(
    config: Mapping[str, Any],
    dataset: Dataset,
    folder: RunFolder,
    device: torch.device,
    tracker: Tracker,
    poll: Callable[[], None],
    world: World,
) -> Setup:
    """Return the parts of a run at its start; `config` has the precision that the device computes in."""
    train, data, metric = config["train"], config["data"], config.get("metric")
    use_device(device, train["deterministic"])
    reset_peak(device)
    seed_all(config["seed"])
    checkpoint = named_weights(config).get("checkpoint")
    network = _build_network(config["model"], device, train["checkpoint_activations"], pretrained=checkpoint is None)
    steps_per_epoch = len(epoch_batches(len(dataset.train), train["batch_size"], config["seed"], 0))
    # Other ranks have no tracker.
    figures = StepFigures(world.broadcast(tracker.every_steps), world)
    state = _build_state(config, network, steps_per_epoch * train["epochs"], device, figures, world)
    state.metrics, state.data = metric_records(metric), dataset.index.record(data["boundary"])
    # After the average has copied the network: DDP changes its batch norms.
    ddp = wrap_in_ddp(network, device) if world.size > 1 else None
    micro_batch_size = math.ceil(train["batch_size"] / train["accumulate"])
    about = {key: data[key] for key in ("size", "normalisation", "boundary", *(["range"] if data.get("range") else []))}
    return Setup(
        dataset=dataset,
        folder=folder,
        tracker=tracker,
        poll=poll,
        world=world,
        checkpoint=checkpoint,
        device=device,
        autocast=autocast(device, train["precision"]),
        seed=config["seed"],
        epochs=train["epochs"],
        steps_per_epoch=steps_per_epoch,
        batch_size=train["batch_size"],
        micro_batch_size=micro_batch_size,
        state=state,
        steps_table=GrowingTable(folder.path / STEPS),
        steps_written=0,
        saving=Saving(folder.last, train["save_every_steps"], world),
        objective=build_objective(config["loss"]),
        distillation=build_distillation(config, device, lambda part: _forward(part, train, micro_batch_size, world)),
        metrics=build_metrics(metric),
        augment=Augment(config["aug"]["operations"], config["aug"].get("keep_original", False)),
        normalise=Normalise(data["normalisation"], device, memory_format(device, network)),
        train=Batches(dataset.train, device, data["boundary"]),
        valid=Batches(dataset.valid, device, data["boundary"]),
        ddp=ddp,
        forward=_forward(network if ddp is None else ddp, train, micro_batch_size, world),
        about={"model": settings_of("model", config["model"]), **about, "precision": train["precision"]},
    )


def _build_state(
    config: Mapping[str, Any],
    network: nn.Module,
    steps: int,
    device: torch.device,
    figures: StepFigures,
    world: World,
) -> State:
    train = config["train"]
    optimizer = build("optimizer", config["optimizer"], network.parameters(), makes=Optimizer)
    scaler = torch.amp.GradScaler(device.type, enabled=train["precision"] == "fp16")
    if scaler.is_enabled():
        expect_skipped_updates(optimizer)
    return State(
        network,
        optimizer,
        build("scheduler", config["scheduler"], optimizer, steps, makes=LRScheduler),
        scaler,
        WeightAverage(network, train["ema"]) if train["ema"] else None,
        RunningLoss(device, world),
        figures,
        sources=source_digests(made_of(config)),
    )


def _forward(
    network: nn.Module, train: Mapping[str, Any], micro_batch_size: int, world: World
) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return the network as training calls it, compiled for this rank's shares of a whole batch if it is to be."""
    if not train["compile"]:
        return network
    shares = [world.part(0, len(part)) for part in cut(torch.arange(train["batch_size"]), micro_batch_size)]
    return compiled(network, {share.stop - share.start for share in shares})


def _build_network(
    settings: Mapping[str, Any], device: torch.device, checkpoint_activations: bool, pretrained: bool
) -> nn.Module:
    # Any: what a network may be able to do (see `pets_seg.models`), nn.Module does not declare.
    network: Any = build_model(settings)
    if pretrained and getattr(network, "pretrained", False):
        network.load_pretrained()
    network = network.to(device, memory_format=memory_format(device, network))
    if checkpoint_activations:
        network.checkpoint_activations = True
    return network
