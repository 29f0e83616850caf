"""How the processes of a run find each other: each says that it is there and waits, not in silence, for the others."""

import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from functools import cache

import torch.distributed as dist

from pets_seg.errors import InputError
from pets_seg.machine.world import LEFT_OVER, World, begun_by_torchrun, meeting_point, this_world

# In seconds: until something is said, until those who have come give up, and what a store may take to answer.
QUIET, PATIENCE, ANSWER = 3, 600, 15


@cache
def meet() -> dist.Store:
    """Return what the processes of this run share to form their group, once all of them have come.

    Raises InputError if they cannot meet, or if one is still missing after PATIENCE seconds.
    """
    world, (host, port) = this_world(), meeting_point()
    # torchrun itself keeps a store for its processes; without it, the first of them does.
    serves = world.first and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True"
    began = time.monotonic()
    if not serves:
        # Not left to torch, which waits in silence and is deaf to Ctrl-C meanwhile.
        _wait(world, began, lambda: (_unreachable(host, port), True))
    where = f"MASTER_ADDR={host} MASTER_PORT={port}"
    try:
        store = _store(where, host, port, world.size, serves)
        # Not the keys of a run around this one whose variables were inherited.
        store = dist.PrefixStore(f"pets_seg/{os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)}", store)
        turn = store.add(str(world.rank), 1)
        _wait(world, began, lambda: _missing(store, world, turn))
    except RuntimeError as error:
        reason = str(error).partition("\n")[0][:200]
        raise InputError(f"{where}: the processes cannot meet there ({reason}); {LEFT_OVER}") from error
    return dist.PrefixStore(str(turn), store)


def _store(where: str, host: str, port: int, size: int, serves: bool) -> dist.Store:
    def give_up() -> None:
        print(f"{where}: what answers there is no process of this run; {LEFT_OVER}", file=sys.stderr, flush=True)
        # The main thread waits inside torch, which no exception reaches.
        os._exit(2)

    watch = threading.Timer(1.2 * ANSWER, give_up)
    watch.daemon = True
    watch.start()
    try:
        # Who serves need not find himself by that name.
        store = dist.TCPStore(
            "localhost" if serves else host, port, size, serves, timedelta(seconds=ANSWER), wait_for_workers=False
        )
    finally:
        watch.cancel()
    store.set_timeout(dist.default_pg_timeout)
    return store


def _unreachable(host: str, port: int) -> str:
    try:
        socket.create_connection((host, port), timeout=1).close()
    # UnicodeError: not a name that a host can have.
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        return f"the first process, at MASTER_ADDR={host} MASTER_PORT={port} ({reason})"
    return ""


def _missing(store: dist.Store, world: World, turn: int) -> tuple[str, bool]:
    """Return who has not come, and whether it is this process, the first that has, that says so."""
    come = [store.add(str(rank), 0) >= turn for rank in range(world.size)]
    others = come.count(False)
    return f"{others} other process{'es' if others > 1 else ''}" if others else "", come.index(True) == world.rank


def _wait(world: World, began: float, missing: Callable[[], tuple[str, bool]]) -> None:
    said = False
    while (found := missing())[0]:
        who, speaks = found
        waited = time.monotonic() - began
        if speaks and not said and waited > QUIET:
            said = True
            print(
                f"waiting for {who} (started without torchrun? unset TORCHELASTIC_RUN_ID)", file=sys.stderr, flush=True
            )
        if waited > PATIENCE:
            line = f"waited {PATIENCE} seconds for {who}; {LEFT_OVER}"
            # Of the errors of torchrun's other processes nothing is heard.
            if speaks and not world.first and begun_by_torchrun():
                print(line, file=sys.stderr, flush=True)
            raise InputError(line)
        time.sleep(0.2)
