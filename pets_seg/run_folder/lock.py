"""One process at a time in a run folder."""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from pets_seg.errors import InputError, reason
from pets_seg.machine.lock import take
from pets_seg.run_folder.names import LOCK, STATUS
from pets_seg.run_folder.reading import read_json

# Seconds between two looks at a lock that is waited for.
LOOK_EVERY = 0.5


class HeldError(InputError):
    """Another process is training the run; `args[0]` says which run, and who has it."""

    def __str__(self) -> str:
        return f"{self.args[0]}; wait for it, or end it"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a run folder, at most until the process ends; HeldError if another process has it.

    Raises InputError if the folder cannot be written.
    """
    try:
        lock = take(
            folder / LOCK,
            f"{folder}: this file system has no locks; see to it that no other process trains this run",
        )
    except Timeout:
        raise HeldError(f"{folder}: another process is training this run{holder(folder)}") from None
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be written ({reason(error)}); start the command in a writable folder"
        ) from error
    try:
        yield
    finally:
        lock.release()


def is_held(folder: Path) -> bool:
    """Return whether another process holds the lock of a run folder; creates nothing, and does not wait."""
    try:
        if not (folder / LOCK).exists():
            return False
        with FileLock(folder / LOCK, blocking=False):
            return False
    except Timeout:
        return True
    # It cannot be written, or the file system has no locks: the next process to train the run says so.
    except (NotImplementedError, OSError):
        return False


def wait_for(folders: Sequence[Path]) -> list[Path]:
    """Wait until other processes hold fewer than all of these run folders; return those that none holds."""
    while not (free := [folder for folder in folders if not is_held(folder)]):
        time.sleep(LOOK_EVERY)
    return free


def check_free(folder: Path) -> None:
    """Raise InputError if the run folder cannot be written, HeldError if another process holds it; create nothing."""
    check_writable(folder)
    if (folder / LOCK).exists():
        with locked(folder):
            pass


def check_writable(folder: Path) -> None:
    """Raise InputError if the folder cannot be created or written; create nothing."""
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if not there.is_dir():
        raise InputError(f"{folder}: cannot be made ({there} is a file); move it, or start from another folder")
    if not os.access(there, os.W_OK):
        raise InputError(f"{folder}: cannot be made ({there} is read-only); start the command in a writable folder")


def holder(folder: Path) -> str:
    """Return who is training a run, as its status.json says, in brackets after a space; "" if it does not."""
    try:
        status = read_json(folder / STATUS)
        return f" (host {status['host']}, pid {status['pid']}, since {status['since']})"
    # The run has just begun, or an older version began it.
    except (ValueError, KeyError):
        return ""
