"""One process at a time in a run folder."""

import errno
import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from pets_seg.errors import InputError

NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP}
log = logging.getLogger("pets_seg")


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a run folder for as long as this lasts; InputError, saying who has it, if another process does.

    The system gives back the lock of a process that has ended, however it ended.
    """
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise InputError(f"{folder}: the run is in progress{_holder(folder)}; it is left alone") from None
    # Some network file systems have no locks.
    except (NotImplementedError, OSError) as error:
        if getattr(error, "errno", errno.ENOSYS) not in NO_LOCKS:
            reason = getattr(error, "strerror", None) or error
            raise InputError(f"{folder}: cannot be written ({reason}); start from a folder that can be") from error
        log.warning(f"{folder}: this file system has no locks; see to it that no other process trains this run")
    try:
        yield
    finally:
        lock.release()


def check_free(folder: Path) -> None:
    """Raise InputError if the run folder cannot be written or another process holds it; make nothing."""
    check_writable(folder)
    if (folder / ".lock").exists():
        with locked(folder):
            pass


def check_writable(folder: Path) -> None:
    """Raise InputError if the folder cannot be made or written; make nothing."""
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if not there.is_dir():
        raise InputError(f"{folder}: cannot be made ({there} is a file); move it, or start from another folder")
    if not os.access(there, os.W_OK):
        raise InputError(f"{folder}: cannot be made ({there} is read-only); start from a folder that can be written")


def _holder(folder: Path) -> str:
    try:
        status = json.loads((folder / "status.json").read_text(encoding="utf-8"))
        return f" (host {status['host']}, pid {status['pid']}, since {status['since']})"
    # It has just begun, or an older version began it.
    except (OSError, ValueError, KeyError, TypeError):
        return ""
