"""When a run writes last.pt: often enough to lose little, and seldom enough to cost little."""

import time
from pathlib import Path

from pets_seg.machine.world import World
from pets_seg.training.state import State

# In seconds. What a stopped run has to train again.
INTERVAL = 30.0
# Of the time between two writings, so that they take a twentieth of it at most.
TIMES_ITS_DURATION = 20


class Saving:
    """Writes the state of a run after some time, and every `every_steps` steps (0 for never)."""

    def __init__(self, path: Path, every_steps: int, world: World) -> None:
        self.path, self.every_steps, self.world = path, every_steps, world
        self.written, self.duration = time.monotonic(), 0.0

    def write(self, state: State) -> None:
        """Write the state now; a collective operation of all ranks."""
        started = time.monotonic()
        state.save(self.path)
        self.written = time.monotonic()
        self.duration = self.written - started

    def write_if_due(self, state: State, steps_done: int, asks_the_ranks: bool = True) -> None:
        """Write the state after a step if it is time to, which all ranks ask rank 0 where `asks_the_ranks`."""
        due = bool(self.every_steps) and steps_done % self.every_steps == 0
        if not due and asks_the_ranks:
            waited = time.monotonic() - self.written
            due = self.world.any(self.world.first and waited >= max(INTERVAL, TIMES_ITS_DURATION * self.duration))
        if due:
            self.write(state)
