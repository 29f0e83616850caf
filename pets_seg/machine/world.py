"""The processes that train one run together, as torchrun started them; without it, one."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pets_seg.errors import InputError

if TYPE_CHECKING:
    import torch

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
    world = World(*(_number(name) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")))
    for place, size in (("RANK", "WORLD_SIZE"), ("LOCAL_RANK", "LOCAL_WORLD_SIZE")):
        if _number(place) >= _number(size):
            raise InputError(
                f"{place}={_number(place)} {size}={_number(size)}: {place} must be less than {size}; {LEFT_OVER}"
            )
    if world.local_size > world.size:
        raise InputError(
            f"LOCAL_WORLD_SIZE={world.local_size} WORLD_SIZE={world.size}: LOCAL_WORLD_SIZE must not be more than "
            f"WORLD_SIZE; {LEFT_OVER}"
        )
    if world.size > 1:
        meeting_point()
    return world


def begun_by_torchrun() -> bool:
    """Return whether torchrun itself started this process, rather than one that inherited its variables."""
    try:
        command = Path(f"/proc/{os.getppid()}/cmdline").read_bytes()
    except OSError:
        return True
    return any(word in command for word in (b"torchrun", b"torch.distributed", b"torch/distributed"))


def meeting_point() -> tuple[str, int]:
    """Return the host and port at which the processes meet; InputError if torchrun's variables do not say."""
    port = _number("MASTER_PORT")
    if not 0 < port < 2**16:
        raise InputError(f"MASTER_PORT={port}: must be from 1 to 65535; {LEFT_OVER}")
    return _word("MASTER_ADDR"), port


def _number(name: str) -> int:
    word = _word(name)
    if not re.fullmatch("[0-9]{1,9}", word):
        raise InputError(f"{name}={word[:100]}: must be a whole number; {LEFT_OVER}")
    return int(word)


def _word(name: str) -> str:
    if not (word := os.environ.get(name)):
        raise InputError(f"TORCHELASTIC_RUN_ID is set as torchrun does, but {name} is not; {LEFT_OVER}")
    return word
