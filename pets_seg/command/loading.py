"""The seconds in which libraries are imported: something is on the screen, and Ctrl-C ends the process at once."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def loading(what: str) -> Iterator[None]:
    """Make Ctrl-C end the process without a traceback while this lasts; on a terminal, say `what` is going on.

    Nothing that imports have begun needs an orderly end, and an import that an exception breaks off can hide it.
    """
    # Somebody who ignores Ctrl-C, as nohup does, or has a handler of his own keeps it.
    default = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    ours = default and threading.current_thread() is threading.main_thread()
    if ours:
        signal.signal(signal.SIGINT, _leave)
    if what and os.environ.get("RANK", "0") == "0" and "torch" not in sys.modules and sys.stderr.isatty():
        print(f"{what} ...", file=sys.stderr, flush=True)
    try:
        yield
    finally:
        if ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def _leave(number: int, frame: FrameType | None) -> None:
    os.write(2, b"interrupted\n")
    os._exit(128 + number)
