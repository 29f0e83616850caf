"""The processes that train one run together, as torchrun started them; without it, one."""

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class World:
    """`size` processes, of which this is number `rank`; what they do together needs a process group if size > 1.

    On this machine there are `local_size` of them, of which this is number `local_rank`.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes and prints."""
        return self.rank == 0

    def part(self, start: int, stop: int) -> slice:
        """Return this process's share of the places from `start` to `stop`, as even as can be."""
        bounds = [start + (stop - start) * rank // self.size for rank in (self.rank, self.rank + 1)]
        return slice(*bounds)

    def sum(self, tensor: "torch.Tensor") -> "torch.Tensor":
        """Add up `tensor` over all processes, in place, and return it."""
        if self.size > 1:
            import torch.distributed

            torch.distributed.all_reduce(tensor)
        return tensor

    def any(self, flag: bool) -> bool:
        """Return whether `flag` is set in any process; on the host, so that no device is waited for."""
        if self.size == 1:
            return flag
        import torch

        return bool(self.sum(torch.tensor(int(flag))))

    def tell(self, word: Any) -> Any:
        """Return what the first process passes here."""
        if self.size == 1:
            return word
        import torch.distributed

        words = [word]
        torch.distributed.broadcast_object_list(words)
        return words[0]


ALONE = World()


def this_world() -> World:
    """Return the processes that torchrun started, by its environment variables."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return ALONE
    return World(*(int(os.environ[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")))
