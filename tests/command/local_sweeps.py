"""Sweeps in the slots of this machine, in processes that are ended with their test."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

LOCAL = ["hydra/launcher=local", "hydra.launcher.slots=2"]
STARTED: list[subprocess.Popen[str]] = []


def nothing_left() -> Iterator[None]:
    """End what a test that failed has left at work."""
    yield
    for process in STARTED:
        if process.poll() is None:
            process.kill()
            process.communicate()
    STARTED.clear()


def begin(work: Path, words: list[str]) -> subprocess.Popen[str]:
    """Start a sweep in slots of one thread; both streams are one."""
    work.mkdir(exist_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-m", "pets_seg.run", "-m", *LOCAL, *words],
        cwd=work,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    STARTED.append(process)
    return process


def end(process: subprocess.Popen[str]) -> tuple[int, str]:
    shown, _ = process.communicate(timeout=400)
    return process.returncode, shown
