"""One run in several processes: the group they form, and a network whose steps are those of a single process."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch import nn

from pets_seg.errors import RunError
from pets_seg.machine.world import World, this_world
from pets_seg.training.meeting import meet

# What a process hears of the group when another process is gone.
LOST = ("Connection closed by peer", "Connection reset by peer", "Broken pipe", "gloo", "NCCL", "Timed out waiting")


@contextmanager
def joined(device: torch.device) -> Iterator[World]:
    """Form the group of the processes that torchrun started (gloo; nccl for CUDA tensors) for as long as this lasts."""
    world = this_world()
    if world.size == 1:
        yield world
        return
    if device.type == "cuda":
        # NCCL needs to know which device is this process's before its first message.
        torch.cuda.set_device(device)
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(backend, store=meet(), rank=world.rank, world_size=world.size)
    yield world
    # A network in DDP that outlives its group can abort the process when it exits.
    gc.collect()
    # Not after an error: NCCL would wait for a process that is gone.
    dist.destroy_process_group()


def lost_process(error: BaseException, world: World) -> RunError | None:
    """Return the error to show where `error` says that another process of the run is gone."""
    if world.size == 1 or not isinstance(error, RuntimeError) or not any(word in str(error) for word in LOST):
        return None
    return RunError(
        f"another of the {world.size} processes of this run has ended, and so this one ends; "
        f"the same command continues the run ({str(error).splitlines()[0][:200]})"
    )


def wrap_in_ddp(network: nn.Module, device: torch.device) -> nn.Module:
    """Return `network` wrapped in DDP: its gradients are means over the processes, its batch norms see all images.

    The losses of the processes, times their number, must add up to the loss of the batch.
    """
    for name, module in network.named_modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            _check_norm(name, module)
            # The parameters, which the optimizer holds already, stay what they are.
            module.__class__ = SynchronisedBatchNorm
    ids = [device.index] if device.type == "cuda" else None
    wrapped = nn.parallel.DistributedDataParallel(network, device_ids=ids)
    # Batch norm's statistics are the same everywhere: they need no broadcast before each step.
    wrapped.broadcast_buffers = False
    return wrapped


def _check_norm(name: str, module: nn.Module) -> None:
    usual = module.affine and module.track_running_stats and module.momentum is not None
    if type(module) is not nn.BatchNorm2d or not usual:
        raise RunError(
            f"{name}, a {type(module).__name__}: in several processes batch norm must be a BatchNorm2d with weights, "
            "running statistics and a momentum; train in one process"
        )


class SynchronisedBatchNorm(nn.BatchNorm2d):
    """Batch norm over the images of all processes: (B,C,H,W) to (B,C,H,W); B may differ between them and be 0 in some.

    torch.nn.SyncBatchNorm knows no CPU, makes the host wait for a GPU in every step, and of processes without images
    it expects float32.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return super().forward(x)
        wide = x.float() if x.dtype in (torch.bfloat16, torch.float16) else x
        here = wide.new_full((1,), x.numel() // x.shape[1])
        total, values = _Sum.apply(torch.cat((wide.sum((0, 2, 3)), here))).split((x.shape[1], 1))
        mean = total / values
        centred = wide - mean.view(1, -1, 1, 1)
        # In two passes: the mean of the squares less the square of the mean would lose digits.
        variance = _Sum.apply(centred.square().sum((0, 2, 3))) / values
        with torch.no_grad():
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * values / (values - 1), self.momentum)
        scale = self.weight * (variance + self.eps).rsqrt()
        return (centred * scale.view(1, -1, 1, 1) + self.bias.view(1, -1, 1, 1)).to(x.dtype)


class _Sum(torch.autograd.Function):
    """The sum over processes; every process's loss depends on it, so gradients are summed too."""

    @staticmethod
    def forward(ctx: object, part: torch.Tensor) -> torch.Tensor:
        whole = part.clone()
        dist.all_reduce(whole)
        return whole

    @staticmethod
    def backward(ctx: object, gradient: torch.Tensor) -> torch.Tensor:
        whole = gradient.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(whole)
        return whole
