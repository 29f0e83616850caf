"""Commands of pets_seg, given as a user gives them, with one thread a process."""

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

# With more threads the jobs that run side by side would wait for each other, and figures would round otherwise.
ENVIRONMENT = {"OMP_NUM_THREADS": "1"}


def start(words: Sequence[str], work: Path, quiet: bool = False) -> subprocess.Popen:
    """Start a command in the folder `work` and print it; `quiet` keeps back what it prints itself."""
    print(f"\npython -m pets_seg.run {shlex.join(words)}\n", flush=True)
    stream = subprocess.DEVNULL if quiet else None
    return subprocess.Popen(_line(words), cwd=work, env={**os.environ, **ENVIRONMENT}, stdout=stream)


def run(words: Sequence[str], work: Path) -> None:
    """Give a command in the folder `work`; SystemExit if it does not end well."""
    process = start(words, work)
    with beside(process):
        finish(process, words)


def call(words: Sequence[str], work: Path) -> subprocess.CompletedProcess[str]:
    """Give a command in the folder `work` and return what it printed."""
    environment = {**os.environ, **ENVIRONMENT}
    return subprocess.run(_line(words), cwd=work, env=environment, capture_output=True, text=True, check=False)


def finish(process: subprocess.Popen, words: Sequence[str]) -> None:
    """Wait for a command; SystemExit if it did not end well."""
    if code := process.wait():
        raise SystemExit(f"exit code {code}: python -m pets_seg.run {shlex.join(words)}")


@contextmanager
def beside(process: subprocess.Popen | None) -> Iterator[None]:
    """Wait for a process at the end; if what is done beside it is cut, end it, which has it write its state."""
    try:
        yield
    except BaseException as error:
        # A Ctrl-C has reached it too, and a second signal would keep it from writing its state.
        if process and not isinstance(error, KeyboardInterrupt):
            process.terminate()
        raise
    finally:
        if process:
            process.wait()


def _line(words: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "pets_seg.run", *words]
