"""The processes that train one run together, as torchrun started them; without it, one."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pets_seg.errors import InputError

if TYPE_CHECKING:
    import torch

VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_PORT", "MASTER_ADDR")
LEFT_OVER = "start the command by torchrun, or unset TORCHELASTIC_RUN_ID"


@dataclass(frozen=True)
class World:
    """The `size` processes of a run; this one is number `rank`, and `local_rank` of `local_size` on its machine."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes and prints."""
        return self.rank == 0

    def part(self, start: int, stop: int) -> slice:
        """Return this process's share of the indices from `start` to `stop`; shares differ by one index at most."""
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

    def broadcast(self, word: Any) -> Any:
        """Return what rank 0 passes here."""
        if self.size == 1:
            return word
        import torch.distributed

        words = [word]
        torch.distributed.broadcast_object_list(words)
        return words[0]


ALONE = World()


def this_world() -> World:
    """Return the processes that torchrun started, by its variables; InputError for values it cannot have set."""
    if not os.environ.get("TORCHELASTIC_RUN_ID"):
        return ALONE
    given = {name: os.environ.get(name, "")[:100] for name in VARIABLES}
    *words, address = given.values()
    rank, size, local_rank, local_size, port = (int(word) if word.isdecimal() else -1 for word in words)
    if not (0 <= rank < size and 0 <= local_rank < local_size <= size and 0 < port < 2**16 and address):
        shown = " ".join(f"{name}={word}" for name, word in given.items())
        raise InputError(f"{shown}: torchrun does not set such values; {LEFT_OVER}")
    return World(rank, size, local_rank, local_size)


def begun_by_torchrun() -> bool:
    """Return whether torchrun itself started this process, rather than one that inherited its variables."""
    try:
        command = Path(f"/proc/{os.getppid()}/cmdline").read_bytes()
    except OSError:
        return True
    return any(word in command for word in (b"torchrun", b"torch.distributed", b"torch/distributed"))
