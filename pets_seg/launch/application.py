"""What an application may tell the launcher, and is told by it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from omegaconf import DictConfig

DONE, FAILED, DIED, LEFT, NOT_STARTED = "done", "failed", "died", "left", "not started"


@dataclass(frozen=True)
class End:
    """The end of a job: its number and words, one of the five states above and why, unless it is done.

    Of a job whose process died there is also its process id and the last lines that the process printed. `again` says
    that the job will be tried once more.
    """

    number: int
    words: Sequence[str]
    state: str
    reason: str = ""
    pid: int | None = None
    printed: Sequence[str] = field(default=())
    again: bool = False


def _prepare(config: DictConfig, jobs: Sequence[Sequence[str]]) -> None:
    return None


def _reason(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _ended(end: End) -> Sequence[str]:
    return []


def _stops(config: DictConfig) -> str:
    return "the jobs stop after their current step; Ctrl-C again stops them at once"


@dataclass(frozen=True)
class Application:
    """Four functions, each with a default.

    `prepare(config, jobs)` is called once, in the process of the sweep, before any job starts; `jobs` are the words of
    each. It may return how many seconds each job is expected to take (None where that is unknown): the longest start
    first. `reason(error)` says in a line why a job failed that raised or returned an exception, or None if it is no
    failure and the job is left as it is; it is called in the job's process. `ended(end)` is called in the process of
    the sweep for each end of a job; of a job that is tried again it returns the words that are added. `stops(config)`
    says what Ctrl-C and SIGTERM do to the jobs. When they have ended, the application gets KeyboardInterrupt, and says
    itself how the sweep can go on.
    """

    prepare: Callable[[DictConfig, Sequence[Sequence[str]]], Sequence[float | None] | None] = _prepare
    reason: Callable[[BaseException], str | None] = _reason
    ended: Callable[[End], Sequence[str]] = _ended
    stops: Callable[[DictConfig], str] = _stops

    @property
    def is_told(self) -> bool:
        """Whether the application is told how jobs end."""
        return self.ended is not _ended
