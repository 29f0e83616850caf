"""The parts of a run, tried on tiny inputs before work begins, so that what does not fit shows before an epoch."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch.optim.lr_scheduler import LRScheduler

from pets_seg.config.parts import build
from pets_seg.config.weights import DIGEST
from pets_seg.errors import InputError, reason
from pets_seg.evaluation.metrics import Metric, build_metrics
from pets_seg.models import build_apart, on_meta
from pets_seg.models.checkpoint import starting_weights
from pets_seg.training.distillation import check_teacher
from pets_seg.training.objective import Loss, build_objective

# Methods by which older and newer optimizers of torch ask, in every step, whether a graph of CUDA's is being captured.
# Also for a parameter on the CPU they make a CUDA context.
GRAPH_CHECKS = ("_cuda_graph_capture_health_check", "_accelerator_graph_capture_health_check")


def try_parts(config: Mapping[str, Any]) -> None:
    """Raise InputError for a network, teacher, loss, metric, optimizer or schedule that cannot be used as it is called.

    `config` is a checked configuration. CUDA is left alone. Pretrained weights are fetched, unless it is a dry run.
    """
    settings = json.dumps([config[group] for group in ("model", "data", "train")], default=str)
    _try_network(settings, config.get("checkpoint"), config.get(DIGEST), fetch=not config["dry_run"])
    check_teacher(config)
    for _, loss in build_objective(config["loss"]).terms:
        _try_function(f"loss={config['loss']['name']}", loss, by_pixel=True)
    for name, metric in build_metrics(config.get("metric")).items():
        _try_function(f"metric={name}", metric, by_pixel=False)
    layer = torch.nn.Linear(1, 1)
    # Computed by `backward`, they would start threads for all CUDA devices, and spoil every later fork.
    layer.weight.grad, layer.bias.grad = torch.ones(1, 1), torch.ones(1)
    optimizer = build("optimizer", config["optimizer"], layer.parameters(), makes=torch.optim.Optimizer)
    scheduler = build("scheduler", config["scheduler"], optimizer, 100, makes=LRScheduler)
    try:
        for check in GRAPH_CHECKS:
            setattr(optimizer, check, lambda: None)
        optimizer.step()
        scheduler.step()
    except Exception as error:
        names = f"optimizer={config['optimizer']['name']} scheduler={config['scheduler']['name']}"
        raise InputError(f"{names}: cannot take a step ({reason(error)})") from error


@cache
def _try_network(settings: str, checkpoint: str | None, digest: str | None, fetch: bool) -> None:
    model, data, train = json.loads(settings)
    if checkpoint and digest:
        starting_weights(Path(checkpoint), digest, model)
    pretrained = model.get("pretrained") and not checkpoint
    if pretrained and data["normalisation"] != "imagenet":
        raise InputError("model.pretrained=true data.normalisation=raw: ImageNet weights need normalisation=imagenet")
    if train["checkpoint_activations"] or pretrained:
        # Any: nn.Module does not declare what `pets_seg.models` lets a network have.
        whole: Any = build_apart(model)
        if train["checkpoint_activations"] and not hasattr(whole, "checkpoint_activations"):
            what = f"model={model['name']} has no attribute checkpoint_activations"
            raise InputError(f"train.checkpoint_activations=true: {what}")
        if fetch and pretrained and getattr(whole, "pretrained", False):
            whole.load_pretrained()
    images = -(-train["batch_size"] // train["accumulate"])
    shape = (min(images, 2), 3, data["size"], data["size"])
    network = on_meta(model)
    with torch.device("meta"):
        try:
            logits = network.train()(torch.empty(shape))
        # Some operations have no meta kernel; the first training step tries them.
        except NotImplementedError:
            return
        except Exception as error:
            few = images == 1 and "Expected more than 1 value per channel" in str(error)
            raise InputError(
                f"train.batch_size={train['batch_size']} train.accumulate={train['accumulate']}: a micro-batch of "
                f"one image at data.size={data['size']} gives batch norm one value per channel; use 2 or more images"
                if few
                else f"model={model['name']}: cannot train on images of data.size={data['size']} ({reason(error)})"
            ) from error
    wanted = (shape[0], 2, *shape[2:])
    if (given := _shape(logits)) != wanted:
        raise InputError(f"model={model['name']}: makes {given} of images {shape}; must be logits {wanted}")


def _try_function(name: str, function: Loss | Metric, by_pixel: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 2, 32, 32, generator=generator, requires_grad=by_pixel)
    mask = torch.tensor([0, 1, 255], dtype=torch.uint8)[torch.randint(3, (2, 32, 32), generator=generator)]
    try:
        values = function(logits, mask)
    except Exception as error:
        raise InputError(f"{name}: cannot be computed ({reason(error)})") from error
    shapes = [(2,), (2, 32, 32)] if by_pixel else [(2,)]
    if (given := _shape(values)) not in shapes:
        raise InputError(f"{name}: gives {given} for masks (2, 32, 32); must be {' or '.join(map(str, shapes))}")
    if by_pixel and not values.requires_grad:
        raise InputError(f"{name}: gives values without a gradient; compute them from the logits by torch")


def _shape(output: Any) -> tuple[int, ...] | str:
    return tuple(output.shape) if isinstance(output, torch.Tensor) else type(output).__name__
