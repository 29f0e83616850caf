"""A worker, as the process of the sweep sees it."""

import multiprocessing
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from pathlib import Path

from .job import Job
from .slots import Slot
from .worker import SIGNALS, Task, work

SPAWN = multiprocessing.get_context("spawn")
LINES_KEPT = 20
# In seconds, for a process that has nothing more to do to end; and in signs, of the line that it printed last.
LONGEST_END, LONGEST_LINE = 10.0, 200


class Worker:
    """The process of a slot, and the job that it has."""

    def __init__(self, slot: Slot, task: Task, printed: Path) -> None:
        self.slot, self.printed = slot, printed
        self.job: Job | None = None
        self.interrupted = False
        # How many of the signals that ask for the end were sent to it.
        self.signals = 0
        self.pipe, theirs = SPAWN.Pipe()
        self.process = SPAWN.Process(target=work, args=(theirs, task, printed))
        with _environment(slot.environment()), _signals_held():
            self.process.start()
        theirs.close()

    def give(self, job: Job) -> None:
        """Let the worker run a job."""
        self.job = job
        job.give(self.process.pid)
        # A process that is gone is found by reading from it.
        with suppress(OSError):
            self.pipe.send((job.number, job.words, job.config))
        job.config = None

    def send_signal(self, number: int) -> None:
        """Send a signal to the process, if there still is one; SIGKILL to those too that it began."""
        if self.process.pid and self.process.is_alive():
            with suppress(ProcessLookupError):
                os.kill(self.process.pid, number)
            if number == signal.SIGKILL:
                self._end_group()

    def close(self) -> None:
        """Let the process end, which does so when it has no job, and wait for it."""
        self.pipe.close()
        self.process.join(LONGEST_END)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self._end_group()

    def is_dead(self) -> bool:
        """Whether the process has ended, and told all that it had to tell."""
        # Not by the end of the pipe: a process that it began may hold that open.
        return not self.process.is_alive() and not self.pipe.poll()

    def _end_group(self) -> None:
        """End the processes that the process began, whose group it leads; without it they have nothing to do."""
        if self.process.pid:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)

    def death(self) -> tuple[str, list[str]]:
        """Wait for the end of the process; return how it ended, and the last lines that it printed."""
        self.close()
        code = self.process.exitcode or 0
        try:
            lines = self.printed.read_text(encoding="utf-8", errors="replace").splitlines()[-LINES_KEPT:]
        except OSError:
            lines = []
        if self.interrupted:
            return "its process was interrupted", lines
        if code >= 0:
            last = f" ({lines[-1].strip()[:LONGEST_LINE]})" if code and lines else ""
            return f"its process ended with exit code {code}{last}", lines
        memory = ", as the system does when memory runs out" if -code == signal.SIGKILL else ""
        return f"its process was ended by {signal.Signals(-code).name}{memory}", lines


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables for a process that is started in this context."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _signals_held() -> Iterator[None]:
    """Let no signal reach a process while it starts, in which it could only end with a traceback."""
    # Where it starts a process of its own it releases the signals, which would be too soon.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
