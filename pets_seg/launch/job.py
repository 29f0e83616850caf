"""A job of a sweep, as the process of the sweep knows it."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hydra.core.utils import JobReturn
from omegaconf import DictConfig

from .application import DIED, FAILED, End

QUEUED, RUNNING, INTERRUPTED = "queued", "running", "interrupted"


@dataclass(eq=False)
class Job:
    """A job: its number, its words, what of them differs from other jobs, and the seconds that it is expected to take.

    `state` is queued, running, interrupted or one of the states of an end. Times are those of `time.time`.
    """

    number: int
    words: list[str]
    differs: str
    expected: float | None = None
    state: str = QUEUED
    reason: str = ""
    attempts: int = 0
    pid: int | None = None
    given: float = 0.0
    began: float = 0.0
    ended: float = 0.0
    figures: dict[str, Any] = field(default_factory=dict)
    result: JobReturn | None = None
    # Composed ahead of time, if it is.
    config: DictConfig | None = None
    # When the current attempt told for the first time how much of the job is done, and how much that was.
    first_told: tuple[float, float] | None = None
    last_told: float = 0.0

    @property
    def failed(self) -> bool:
        """Whether the job failed, by an exception or because its process died."""
        return self.state in (FAILED, DIED)

    @property
    def name(self) -> str:
        """What the job is called on the terminal."""
        return self.differs or f"job {self.number}"

    def give(self, pid: int | None) -> None:
        """Note that a worker has the job, which it may begin once it is ready."""
        self.state, self.pid, self.began, self.ended = RUNNING, pid, 0.0, 0.0
        self.given = time.time()
        self.attempts += 1
        self.first_told, self.figures = None, {}

    def begin(self) -> None:
        """Note that the worker has begun the job."""
        self.began = time.time()

    def tell(self, figures: dict[str, Any]) -> None:
        """Note what the job reports."""
        self.figures |= figures
        if "done" in figures:
            self.last_told = time.time()
            self.first_told = self.first_told or (self.last_told, float(figures["done"]))

    def end(self, state: str, reason: str = "") -> None:
        """Note how the job ended."""
        self.state, self.reason, self.ended = state, reason, time.time()
        self.began = self.began or self.ended

    def told_end(self, printed: Sequence[str] = (), again: bool = False) -> End:
        """Return the end of the job as an application is told of it."""
        return End(self.number, self.words, self.state, self.reason, self.pid, printed, again)

    def seconds_left(self) -> float | None:
        """Return about how many seconds the running job will still take; None while nothing shows it."""
        if self.first_told is None:
            elapsed = time.time() - self.began if self.began else 0.0
            return None if self.expected is None else max(0.0, self.expected - elapsed)
        (first, before), done = self.first_told, float(self.figures["done"])
        # What was done before this attempt took no time of it.
        if done > before:
            whole = (self.last_told - first) / (done - before)
        elif self.expected is not None:
            whole = self.expected
        elif before > 0:
            whole = (first - self.began) / before
        else:
            return None
        return max(0.0, whole * (1 - done) - (time.time() - self.last_told))
