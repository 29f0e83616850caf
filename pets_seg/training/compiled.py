"""The network of a run, compiled."""

from collections.abc import Callable, Collection

import torch
from torch import Tensor

from pets_seg.errors import RunError, reason


def compiled(forward: Callable[[Tensor], Tensor], sizes: Collection[int]) -> Callable[[Tensor], Tensor]:
    """Return `forward` for images (B,3,S,S), compiled for the numbers B in `sizes`.

    Batches of other sizes are computed as they are: the last of an epoch, and those with copies of images, would each
    be compiled anew, which takes longer than they do. Raises RunError where PyTorch cannot compile the network, and
    where it would give up compiling after some variants of it, of which it otherwise says nothing.
    """
    from torch._dynamo import config
    from torch._dynamo.exc import FailOnRecompileLimitHit, TorchDynamoException

    # It counts variants over the whole process, and so over the jobs of a sweep.
    torch.compiler.reset()
    # By the name that PyTorch 2.6 has too.
    config.fail_on_cache_limit_hit = True
    fast = torch.compile(forward, dynamic=False)

    def call(image: Tensor) -> Tensor:
        if len(image) not in sizes:
            return forward(image)
        try:
            return fast(image)
        except (TorchDynamoException, FailOnRecompileLimitHit) as error:
            raise RunError(
                f"train.compile=true: PyTorch cannot compile this network ({reason(error)}); use train.compile=false"
            ) from error

    return call
