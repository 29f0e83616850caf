"""Whether the process that a run folder names is still there."""

import os
import socket
from collections.abc import Mapping
from typing import Any

# What is said of a run whose process has ended without a word.
ENDED = "its process ended unexpectedly; the same command continues it"


def has_ended(status: Mapping[str, Any]) -> bool:
    """Return whether the process of a run that says it is running is known to have ended: it was on this machine."""
    pid = status.get("pid")
    # Signal 0 only asks for the process; on Windows it would end it.
    local = os.name == "posix" and status.get("host") == socket.gethostname()
    if not local or not isinstance(pid, int) or not 0 < pid < 2**31:
        return False
    try:
        os.kill(pid, 0)
    except OSError as error:
        return isinstance(error, ProcessLookupError)
    return False
