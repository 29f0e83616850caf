"""The rendezvous of the ranks of a run: each checks in and waits, not in silence, for the others."""

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
from pets_seg.machine.world import LEFT_OVER, World, begun_by_torchrun, this_world

# Seconds until a rank says that it waits, until it gives up, and that a store may take to answer.
QUIET, PATIENCE, ANSWER = 3, 600, 15


@cache
def meet() -> dist.Store:
    """Return the store by which the ranks of this run form their process group, once all have checked in.

    Raises InputError if they cannot connect, or if one is still missing after PATIENCE seconds.
    """
    world, host, port = this_world(), os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    where = f"MASTER_ADDR={host} MASTER_PORT={port}"
    # torchrun itself keeps a store for its processes; without torchrun, rank 0 does.
    serves = world.first and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True"
    began = time.monotonic()
    if not serves:
        # torch would wait in silence and ignore Ctrl-C.
        _wait(world, began, lambda: (_unreachable(host, port, where), True))
    try:
        # A server need not be able to resolve its own name.
        store = _open_store("localhost" if serves else host, port, where, world.size, serves)
        # A prefix of our own: the variables may be inherited from a run around this one.
        store = dist.PrefixStore(f"pets_seg/{os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)}", store)
        attempt = store.add(str(world.rank), 1)
        _wait(world, began, lambda: _missing(store, world, attempt))
    except RuntimeError as error:
        reason = str(error).partition("\n")[0][:200]
        raise InputError(f"{where}: the rendezvous failed ({reason}); {LEFT_OVER}") from error
    return dist.PrefixStore(str(attempt), store)


def _open_store(host: str, port: int, where: str, size: int, serves: bool) -> dist.Store:
    def give_up() -> None:
        print(f"{where}: what answers there is no process of this run; {LEFT_OVER}", file=sys.stderr, flush=True)
        # The main thread waits inside torch, where no exception reaches it.
        os._exit(2)

    watch = threading.Timer(1.2 * ANSWER, give_up)
    watch.daemon = True
    watch.start()
    try:
        store = dist.TCPStore(host, port, size, serves, timedelta(seconds=ANSWER), wait_for_workers=False)
    finally:
        watch.cancel()
    store.set_timeout(dist.default_pg_timeout)
    return store


def _unreachable(host: str, port: int, where: str) -> str:
    try:
        socket.create_connection((host, port), timeout=1).close()
    # UnicodeError: the name cannot be that of a host.
    except (OSError, UnicodeError) as error:
        return f"the first process, at {where} ({getattr(error, 'strerror', None) or error})"
    return ""


def _missing(store: dist.Store, world: World, attempt: int) -> tuple[str, bool]:
    """Return who has not checked in, and whether this is the rank that says so, the lowest that has."""
    present = [store.add(str(rank), 0) >= attempt for rank in range(world.size)]
    missing = present.count(False)
    who = f"{missing} other process{'es' if missing > 1 else ''}" if missing else ""
    return who, present.index(True) == world.rank


def _wait(world: World, began: float, missing: Callable[[], tuple[str, bool]]) -> None:
    """Wait until `missing` names nobody; its second value is whether this rank says who is missing."""
    said = False
    while True:
        who, speaks = missing()
        if not who:
            return
        waited = time.monotonic() - began
        if speaks and not said and waited > QUIET:
            said = True
            print(
                f"waiting for {who} (started without torchrun? unset TORCHELASTIC_RUN_ID)", file=sys.stderr, flush=True
            )
        if waited > PATIENCE:
            line = f"waited {PATIENCE} seconds for {who}; {LEFT_OVER}"
            # Under torchrun only the errors of rank 0 are shown.
            if speaks and not world.first and begun_by_torchrun():
                print(line, file=sys.stderr, flush=True)
            raise InputError(line)
        time.sleep(0.2)
