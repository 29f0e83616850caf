"""Commands in processes of their own, which start soon and can be killed, held or starved at a chosen moment."""

import errno
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

# Children of a server that has imported what commands need: they then start in a tenth of a second.
SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(
    [
        "pets_seg.run",
        *(f"pets_seg.command.tasks.{name}" for name in ("train", "evaluate", "predict", "preview", "report")),
        "pets_seg.command.sequential",
        "pets_seg.report.plotting.result",
        "kornia.augmentation",
        # Every optimizer imports it, which takes seconds.
        "torch._dynamo",
    ]
)
Moment = tuple[str, int]
Streams = tuple[str | Path, str | Path]


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def halt() -> None:
    """Stand still, and leave word of it in the folder of the command."""
    Path("halted").touch()
    time.sleep(100)


def pause() -> None:
    """Stand still until the file `go` is in the folder of the command, and leave word of it as `halt` does."""
    Path("halted").touch()
    wait_for(Path("go").exists, seconds=200)


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def fill_disk() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def together(count: int, target: Callable[..., object], *arguments: Any) -> list[int | None]:
    """Call `target` in so many forked processes at the same moment, and return their exit codes."""
    # Not a Barrier of multiprocessing, whose own state was seen to go wrong on a busy machine.
    held, release = os.pipe()

    def begin() -> None:
        os.close(release)
        os.read(held, 1)
        target(*arguments)

    processes = [multiprocessing.get_context("fork").Process(target=begin) for _ in range(count)]
    for process in processes:
        process.start()
    os.close(release)
    for process in processes:
        process.join(120)
        # One that is stuck would hold up the end of the tests.
        process.kill()
    os.close(held)
    return [process.exitcode for process in processes]


def child(
    work: Path,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    streams: Streams,
    moment: Moment | None,
    act: Callable[[], None],
) -> None:
    """Run the command line in `work`, its output and errors into the files `streams`; at `moment`, `act`."""
    # Not those of the moment in which the server was started.
    os.environ.clear()
    os.environ.update(environment)
    work.mkdir(exist_ok=True)
    os.chdir(work)
    for stream, file in enumerate(streams, 1):
        # Both may be the same file.
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND), stream)
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


def start(
    work: Path,
    arguments: Sequence[str],
    moment: Moment | None = None,
    act: Callable[[], None] = die,
    streams: Streams = ("shown", "shown"),
) -> Any:
    """Start the command line in `work` and return its process; what it prints goes into the file `shown` there."""
    for file in streams:
        (work / file).unlink(missing_ok=True)
    process = SERVER.Process(target=child, args=(work, arguments, dict(os.environ), streams, moment, act))
    process.start()
    return process


def finish(
    work: Path, arguments: Sequence[str], moment: Moment | None = None, act: Callable[[], None] = die, **more: Any
) -> int:
    """Run the command line in `work` to its end and return its exit code."""
    process = start(work, arguments, moment, act, **more)
    process.join(100)
    if process.is_alive():
        process.kill()
        raise TimeoutError(f"{' '.join(arguments)}: not done after 100 seconds")
    return process.exitcode


def forked(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Do what `conftest.command` does, sooner: for all but tests of what the start of the program depends on."""
    with tempfile.TemporaryDirectory() as folder:
        streams = (Path(folder) / "out", Path(folder) / "err")
        code = finish(cwd, arguments, streams=streams)
        return subprocess.CompletedProcess(arguments, code, *(file.read_text() for file in streams))


def wait_for(condition: Callable[[], Any], seconds: float = 60) -> Any:
    last = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < last
        time.sleep(0.01)
    return found
