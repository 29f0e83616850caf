"""Ctrl-C and SIGTERM: the first ends work after the current step, the second at once."""

import os
import signal
import threading
from types import FrameType
from typing import Any

from pets_seg.machine.world import World


class Interrupted(KeyboardInterrupt):
    """Work ended where it can be continued; `signal` is what asked for it, and `then` says how it goes on."""

    def __init__(self, number: int) -> None:
        super().__init__(f"by {signal.Signals(number).name}")
        self.signal = number
        self.then = "the same command continues the run"


class Interruption:
    """Handles the two signals as a context manager: they are noted, and `poll` raises Interrupted.

    `stops` is what the first says of when work ends.
    """

    def __init__(self, world: World, stops: str = "") -> None:
        again = "; Ctrl-C again stops it at once" if world.size == 1 else ""
        self.world, self.stops = world, stops or f"the run stops after this step{again}"
        self.received = 0
        self.former_handlers: dict[int, Any] = {}

    def __enter__(self) -> "Interruption":
        # Python delivers signals to the main thread only.
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self.former_handlers[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        for number, handler in self.former_handlers.items():
            signal.signal(number, handler)
        # A signal after the last poll must still end a sweep, which runs in one process.
        if self.received and self.world.size == 1 and (kind is None or issubclass(kind, Exception)):
            raise Interrupted(self.received)

    def poll(self) -> None:
        """Raise Interrupted if any rank has received a signal; all ranks must call it at the same step."""
        if self.world.any(bool(self.received)):
            raise Interrupted(self.received or signal.SIGTERM)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.received = number
        # torchrun may repeat the signal while ranks wait for each other; in the end it kills them.
        if self.world.size == 1:
            # Not the former handlers: a shell makes the background commands of a script ignore Ctrl-C.
            signal.signal(signal.SIGINT, signal.default_int_handler)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if self.world.first:
            # Not by print: the signal may have arrived in the middle of one.
            os.write(2, f"\ninterrupted: {self.stops}\n".encode())
