"""Ctrl-C and SIGTERM: once, work ends at the next whole step; twice, at once."""

import os
import signal
import threading
from types import FrameType

from pets_seg.machine.world import World

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(KeyboardInterrupt):
    """Work ended where it can be taken up again; `signal` is what asked for it."""

    def __init__(self, number: int) -> None:
        super().__init__(f"by {signal.Signals(number).name}")
        self.signal = number


class Interruption:
    """Takes the two signals while it lasts (a context manager) and raises Interrupted where `poll` is called."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.asked = 0
        self.before: dict[int, object] = {}

    def __enter__(self) -> "Interruption":
        # Python delivers signals to the main thread only; elsewhere they are somebody else's.
        if threading.current_thread() is threading.main_thread():
            self.before = {number: signal.signal(number, self._ask) for number in SIGNALS}
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        for other, handler in self.before.items():
            signal.signal(other, handler)
        # It was asked for after the last poll: a sweep, which is in one process, must not go on to its next job.
        if self.asked and self.world.size == 1 and (kind is None or issubclass(kind, Exception)):
            raise Interrupted(self.asked)

    def poll(self) -> None:
        """Raise Interrupted if any process was asked to end; all processes of a run must call it at the same step."""
        if self.world.any(bool(self.asked)):
            raise Interrupted(self.asked or signal.SIGTERM)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.asked = number
        # torchrun may ask again while processes wait for each other; in the end it kills them.
        if self.world.size == 1:
            # Not what was there before: a command in the background of a script is made deaf to Ctrl-C.
            signal.signal(signal.SIGINT, signal.default_int_handler)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if self.world.first:
            # Not by print: the signal may have come in the middle of one.
            more = b"; once more ends it at once" if self.world.size == 1 else b""
            os.write(2, b"\ninterrupted: ends after this step" + more + b"\n")
