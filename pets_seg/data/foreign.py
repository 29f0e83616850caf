"""Files and names that others made: what is opened is a regular file, what is shown leaves a terminal as it is."""

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

from pets_seg.errors import escaped

# Longer than any file name; a line of a list may be longer still.
LONGEST_SHOWN = 300


def open_regular(path: Path) -> BinaryIO:
    """Open a file for reading.

    Raises OSError, also for anything that is not a regular file: to open a pipe would be to wait for its writer.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError(errno.EINVAL, "not a regular file")
    return open(path, "rb")


def printable(text: object) -> str:
    """Return `text` for a message: control characters and broken UTF-8 escaped, the end cut off if it is too long."""
    shown = escaped(str(text))
    return shown if len(shown) <= LONGEST_SHOWN else f"{shown[:LONGEST_SHOWN]}..."
