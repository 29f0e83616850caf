"""When a sweep ends early: hours of the same error help nobody."""

from collections.abc import Sequence

from .job import Job

# Failures in a row that end a sweep by themselves, and in how many seconds of its start a job must fail to be one.
ALIKE, QUICK = 3, 10.0


class Stopping:
    """Counts failures: `stop_after` of any kind end a sweep; if it is None, three in a row that are quick and alike.

    Those are of the same exception type, raised in the same line, within 10 seconds of the start of their jobs.
    """

    def __init__(self, stop_after: int | None) -> None:
        self.stop_after = stop_after
        self.count = 0
        self.place: tuple[str, ...] = ()
        self.alike: list[Job] = []

    def failed(self, job: Job, place: tuple[str, ...]) -> None:
        """Count a job that failed at `place`."""
        self.count += 1
        if place != self.place:
            self.alike = []
        self.place = place
        # The last of them counts only if it was chosen after the others had failed: jobs of one bad option may have
        # begun side by side.
        chosen = len(self.alike) < ALIKE - 1 or job.given >= self.alike[ALIKE - 2].ended
        if job.ended - job.began < QUICK:
            self.alike += [job] if chosen else []
        else:
            self.alike = []

    def went_well(self) -> None:
        """Count a job that did not fail."""
        self.alike = []

    def choose(self, queue: Sequence[Job]) -> int:
        """Return which job is the next one.

        After two that failed alike it is the one that differs most from them: one bad option is no reason to leave out
        the others.
        """
        if len(self.alike) < ALIKE - 1:
            return 0
        bad = [word for job in self.alike for word in job.words]
        return min(range(len(queue)), key=lambda index: sum(bad.count(word) for word in queue[index].words))

    def reason(self, left: int) -> str:
        """Return why the `left` jobs are not to be started, "" if they are."""
        others = "the other job is" if left == 1 else f"the other {left} jobs are"
        if not left:
            return ""
        if self.stop_after is not None:
            if self.count < self.stop_after:
                return ""
            failed = "1 job has failed" if self.count == 1 else f"{self.count} jobs have failed"
            return f"{failed} (hydra.launcher.stop_after={self.stop_after}), so that {others} not started"
        if len(self.alike) < ALIKE:
            return ""
        return (
            f"{len(self.alike)} jobs in a row failed alike within {QUICK:.0f} s of their start, so that {others} not "
            "started; hydra.launcher.stop_after=N stops after N failures instead"
        )
