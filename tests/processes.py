"""Runs in processes of their own that can be killed, held or starved at a chosen moment."""

import errno
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Children of a server that has imported what a run needs: a run then starts in a tenth of a second.
SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["pets_seg.run", "pets_seg.tasks.train", "kornia.augmentation"])
Moment = tuple[str, int]


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def halt() -> None:
    """Stand still, and leave word of it in the folder of the command."""
    Path("halted").touch()
    time.sleep(100)


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def fill_disk() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def child(work: Path, arguments: list[str], moment: Moment | None, act: Callable[[], None]) -> None:
    """Run the command line in `work`, its output into `shown`; at `moment`, `act`."""
    work.mkdir(exist_ok=True)
    os.chdir(work)
    shown = os.open("shown", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(shown, stream)
    if moment:
        act_at(*moment, act)
    from pets_seg.run import main

    sys.argv = ["run.py", *arguments]
    main()


def act_at(place: str, nth: int, act: Callable[[], None]) -> None:
    name, _, file = place.partition(" ")
    module, _, attribute = name.rpartition(".")
    owner = sys.modules.get(module) or getattr(sys.modules[module.rpartition(".")[0]], module.rpartition(".")[2])
    original = getattr(owner, attribute)
    calls = iter(range(1, 1000))

    def watched(*arguments: Any, **named: Any) -> Any:
        if (not file or Path(arguments[1]).name == file) and next(calls) == nth:
            act()
        return original(*arguments, **named)

    setattr(owner, attribute, watched)


def start(work: Path, arguments: list[str], moment: Moment | None = None, act: Callable[[], None] = die) -> Any:
    process = SERVER.Process(target=child, args=(work, arguments, moment, act))
    process.start()
    return process


def finish(work: Path, arguments: list[str], moment: Moment | None = None, act: Callable[[], None] = die) -> int:
    process = start(work, arguments, moment, act)
    process.join(100)
    return process.exitcode


def wait_for(condition: Callable[[], Any]) -> Any:
    last = time.monotonic() + 60
    while not (found := condition()):
        assert time.monotonic() < last
        time.sleep(0.01)
    return found
