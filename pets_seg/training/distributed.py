"""One run on several ranks: their process group, and DDP whose steps are those of a single process."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from pets_seg.errors import RunError
from pets_seg.machine.world import World, this_world
from pets_seg.training.meeting import meet

# In the message of an error on one rank when another is gone.
LOST = ("Connection closed by peer", "Connection reset by peer", "Broken pipe", "gloo", "NCCL", "Timed out waiting")


@contextmanager
def process_group(device: torch.device) -> Iterator[World]:
    """Form the process group of the ranks that torchrun started (gloo; nccl for CUDA tensors) while this lasts."""
    world = this_world()
    if world.size == 1:
        yield world
        return
    backend = "gloo"
    if device.type == "cuda":
        backend = "cpu:gloo,cuda:nccl"
        # NCCL needs the device of this rank before its first message.
        torch.cuda.set_device(device)
    dist.init_process_group(backend, store=meet(), rank=world.rank, world_size=world.size)
    yield world
    # A DDP module that outlives its process group can abort the process when it exits.
    gc.collect()
    # Not after an error: NCCL would wait for a rank that is gone.
    dist.destroy_process_group()


def lost_rank(error: BaseException, world: World) -> RunError | None:
    """Return the error to show where `error` says that another rank is gone."""
    if world.size == 1 or not isinstance(error, RuntimeError) or not any(word in str(error) for word in LOST):
        return None
    return RunError(
        f"another of the {world.size} processes of this run has ended, and so this one ends; "
        f"the same command continues the run ({str(error).splitlines()[0][:200]})"
    )


def wrap_in_ddp(network: nn.Module, device: torch.device) -> DistributedDataParallel:
    """Return `network` in DDP: gradients are means over the ranks, batch norms see the images of all ranks.

    The losses of the ranks, times their number, must add up to the loss of the batch.
    """
    for name, module in network.named_modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            usual = module.affine and module.track_running_stats and module.momentum is not None
            if type(module) is not nn.BatchNorm2d or not usual:
                raise RunError(
                    f"{name}, a {type(module).__name__}: in several processes batch norm must be a BatchNorm2d with "
                    "weights, running statistics and a momentum; train in one process"
                )
            # In place, for the optimizer already holds the parameters.
            module.__class__ = SynchronisedBatchNorm
    ids = [device.index] if device.type == "cuda" else None
    ddp = DistributedDataParallel(network, device_ids=ids)
    # The statistics of batch norm are the same on every rank and need no broadcast before each step.
    ddp.broadcast_buffers = False
    return ddp


class SynchronisedBatchNorm(nn.BatchNorm2d):
    """Batch norm over the images of all ranks: (B,C,H,W) to (B,C,H,W); B may differ between ranks and be 0 on some.

    torch.nn.SyncBatchNorm has no CPU version, makes the host wait for a GPU in every step, and expects float32 of
    ranks without images.
    """

    running_mean: torch.Tensor
    running_var: torch.Tensor
    num_batches_tracked: torch.Tensor
    momentum: float

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return super().forward(x)
        wide = x.float() if x.dtype in (torch.bfloat16, torch.float16) else x
        here = wide.new_full((1,), x.numel() // x.shape[1])
        total, count = AllReduce.apply(torch.cat((wide.sum((0, 2, 3)), here))).split((x.shape[1], 1))
        mean = total / count
        centred = wide - mean.view(1, -1, 1, 1)
        # In two passes: the mean of the squares less the square of the mean would lose digits.
        variance = AllReduce.apply(centred.square().sum((0, 2, 3))) / count
        with torch.no_grad():
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * count / (count - 1), self.momentum)
        scale = self.weight * (variance + self.eps).rsqrt()
        return (centred * scale.view(1, -1, 1, 1) + self.bias.view(1, -1, 1, 1)).to(x.dtype)


class AllReduce(torch.autograd.Function):
    """The sum over ranks; the loss of every rank depends on it, so its gradients are summed too.

    PyTorch's own, torch.distributed.nn.functional.all_reduce, is deprecated.
    """

    @staticmethod
    def forward(ctx: object, part: torch.Tensor) -> torch.Tensor:
        total = part.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: object, gradient: torch.Tensor) -> torch.Tensor:
        return AllReduce.forward(ctx, gradient)
