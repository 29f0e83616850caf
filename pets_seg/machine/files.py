"""Files that appear whole or not at all, and the reading of files that may be a stranger's."""

import errno
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

from pets_seg.errors import RunError, reason

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class WriteError(RunError):
    """A file could not be written: `what` says which and why, `advice` what to do, and `errno` is the system's."""

    what: str
    advice: str
    errno: int | None


def absolute(path: str) -> Path:
    """Return a path, in which ~ may stand for a home folder, as seen from the current folder; links stay.

    A path that begins with ~ and a name that is no user's stays as it is.
    """
    whole = os.path.expanduser(path)
    return Path(whole) if whole.startswith("~") else Path(whole).absolute()


def open_regular(path: Path) -> BufferedReader:
    """Open a file for reading; OSError for anything but a regular file, since opening a pipe waits for its writer."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError(errno.EINVAL, "not a regular file")
    return open(path, "rb")


def read_limited(path: Path, limit: int) -> bytes:
    """Return the content of a regular file; OSError if it cannot be read, ValueError if it exceeds `limit` bytes."""
    with open_regular(path) as file:
        # Memory for as much as is asked for is taken at once.
        size = max(os.fstat(file.fileno()).st_size, 1 << 16)
        content = file.read(min(limit, size) + 1)
    if len(content) > limit:
        raise ValueError(f"it has more than {limit} bytes")
    return content


def write_whole(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Let `write` fill a temporary file that then replaces `path`; WriteError if it cannot be written.

    `path` is always the old or the new file. `remove_parts` removes the temporary file of a killed process.
    """
    part = part_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(part, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
        _sync_folder(path.parent)
    except Exception as error:
        # torch.save raises an error of its own after the one that stopped it.
        cause = error if isinstance(error, OSError) else error.__context__
        if not isinstance(cause, OSError):
            raise
        kept = "its former content is intact" if path.exists() else "it was not created"
        raise _write_error(path, cause, kept) from error
    finally:
        _remove(part)


def part_of(path: Path) -> Path:
    """Return the temporary file in which this process writes what then replaces `path`."""
    return path.with_name(f".{path.name}.{os.getpid()}.part")


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path`, whole or not at all."""
    write_whole(path, lambda file: file.write(text.encode()))


def remove_parts(folder: Path) -> None:
    """Remove the temporary files that killed processes left in `folder`; no other process may be writing there."""
    for part in folder.glob(".*.part"):
        _remove(part)


def _write_error(path: Path, cause: OSError, kept: str) -> WriteError:
    what = f"{path}: cannot be written ({reason(cause)})"
    advice = "make room" if cause.errno in FULL else "make it writable"
    error = WriteError(f"{what}; {kept}; {advice} and give the same command again")
    error.what, error.advice, error.errno = what, advice, cause.errno
    return error


def _remove(path: Path) -> None:
    # The folder may be missing, be a file, or be read-only: then there is nothing to remove.
    with suppress(OSError):
        path.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    # A rename is on the disk only when its folder is. Windows cannot open folders.
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            # Some network file systems refuse it; the file is in its place all the same.
            with suppress(OSError):
                os.fsync(handle)
        finally:
            os.close(handle)
