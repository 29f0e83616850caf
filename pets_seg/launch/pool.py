"""The queue of jobs and the workers that take them."""

import atexit
import pickle
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import connection
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from omegaconf import DictConfig

from .application import DIED, DONE, FAILED, LEFT, NOT_STARTED, Application
from .display import Display
from .job import INTERRUPTED, QUEUED, Job
from .process import Worker
from .progress import ProgressFile, sweep_end
from .slots import Slot
from .stopping import Stopping
from .worker import SIGNALS, Failure, Task, failed_result

# In seconds: between two looks at the clock, and how long jobs that were asked twice to end may take for it.
LOOK_EVERY, LAST_CHANCE = 0.5, 10.0
RECKON_EVERY = 1.0
ATTEMPTS = 2


class NotStarted(JobReturn):
    """What stands for the result of a job that was not started, where the application is told how jobs end."""


class Pool:
    """Runs jobs in the slots of this machine; the workers stay until the process of the sweep ends."""

    def __init__(
        self,
        slots: Sequence[Slot],
        task: Task,
        compose: Callable[[list[str]], DictConfig],
        application: Application,
        config: DictConfig,
        stop_after: int | None,
        earlier: Sequence[Job] = (),
    ) -> None:
        self.slots, self.task, self.compose, self.application = slots, task, compose, application
        self.stops = application.stops(config)
        folder = Path(str(config.hydra.sweep.dir))
        self.stopping = Stopping(stop_after)
        self.display, self.progress = Display(), ProgressFile(folder)
        self.workers: dict[int, Worker] = {}
        self.printed = tempfile.TemporaryDirectory(prefix=".jobs-", dir=folder.absolute(), ignore_cleanup_errors=True)
        # Those of this launch and, for progress.json, all of the sweep.
        self.jobs: list[Job] = []
        self.all_jobs = [*earlier]
        self.queue: list[Job] = []
        # When all jobs will have ended, and when that was reckoned.
        self.reckoned: tuple[float, float | None] = (0.0, None)
        # The signals that asked for the end, and when.
        self.asked: list[tuple[int, float]] = []
        self.told = False
        # Before multiprocessing waits for the workers, which wait for jobs.
        atexit.register(self.close)

    def run(self, jobs: list[Job]) -> list[JobReturn]:
        """Run all jobs and return their results; KeyboardInterrupt, with the attribute `signal`, if one ended them."""
        self.jobs = jobs
        self.all_jobs += jobs
        # Those of unknown length come first: they may be long.
        self.queue = sorted(jobs, key=lambda job: -(float("inf") if job.expected is None else job.expected))
        self.reckoned = (0.0, None)
        self.display.begin(jobs, self.slots[: len(jobs)], self._end())
        try:
            with self._listening():
                while self._hand_out() or self._busy():
                    self._wait()
                    self._look()
        finally:
            self.display.close()
            self.progress.write(self.all_jobs, None)
        if self.asked:
            number, _ = self.asked[0]
            interruption: Any = KeyboardInterrupt(f"by {signal.Signals(number).name}")
            interruption.signal = number
            raise interruption
        return [job.result or self._no_result(job) for job in jobs]

    def close(self) -> None:
        """Let the workers end, which have no job; the sweep is over."""
        atexit.unregister(self.close)
        if self.all_jobs:
            self.progress.write(self.all_jobs, None, last=True)
        for worker in self.workers.values():
            worker.close()
        self.workers = {}
        self.printed.cleanup()

    def _busy(self) -> list[Worker]:
        return [worker for worker in self.workers.values() if worker.job]

    def _end(self) -> float | None:
        """Return when all jobs will have ended, if that is known; it is reckoned anew once a second."""
        moment, end = self.reckoned
        if time.time() - moment > RECKON_EVERY:
            end = sweep_end(self.jobs, len(self.slots))
            self.reckoned = time.time(), end
        return end

    def _no_result(self, job: Job) -> JobReturn:
        # An application that is told how jobs end wants no exception of one that never returned.
        if self.application.is_told:
            kind = NotStarted if job.state == NOT_STARTED else JobReturn
            return kind(overrides=list(job.words), status=JobStatus.COMPLETED)
        return failed_result(job.words, RuntimeError(f"{job.name}: {job.reason}"))

    def _hand_out(self) -> bool:
        """Give jobs to the slots that are free; return whether any are left that are to be started."""
        if self.asked:
            self.queue = []
        elif reason := self.stopping.reason(len(self.queue)):
            self.display.say(f"stopped: {reason}")
            for job in self.queue:
                job.end(NOT_STARTED, reason)
                self.application.ended(job.told_end())
            self.queue = []
        for slot in self.slots:
            worker = self.workers.get(slot.number)
            if not self.queue or (worker and worker.job):
                continue
            if worker is None or not worker.process.is_alive():
                printed = Path(self.printed.name) / str(slot.number)
                worker = self.workers[slot.number] = Worker(slot, self.task, printed)
            # A signal may have come while the process started.
            if not self.asked:
                worker.give(self.queue.pop(self.stopping.choose(self.queue)))
        return bool(self.queue)

    def _wait(self) -> None:
        """Wait until a worker tells something or ends, or for a moment."""
        pipes: dict[Any, Worker] = {worker.pipe: worker for worker in self._busy()}
        found = connection.wait([*pipes], 0)
        if not found and (job := next((item for item in self.queue[: len(self.slots)] if not item.config), None)):
            # While it would only wait: the slots are spared the time.
            with suppress(Exception):
                job.config = self.compose(job.words)
                return
        for ready in found or connection.wait([*pipes], LOOK_EVERY):
            worker = pipes[ready]
            try:
                kind, *content = worker.pipe.recv()
            except (EOFError, OSError):
                self._worker_died(worker)
                continue
            if kind == "begun" and worker.job:
                worker.job.begin()
            elif kind == "report" and worker.job:
                worker.job.tell(*content)
            elif kind == "ended":
                self._job_ended(worker, *content)
            elif kind == "interrupted":
                worker.interrupted = True
        for worker in self._busy():
            if worker.is_dead():
                self._worker_died(worker)

    def _look(self) -> None:
        """Show how far the jobs are, and see whether those that were asked to end do so."""
        # Those that began while it came.
        self._pass_on()
        # Not in the handler: the signal may arrive in the middle of a line.
        if self.asked and not self.told:
            self.told = True
            self.display.say(f"interrupted: {self.stops}")
        if self.display.is_due() or self.progress.is_due():
            end = self._end()
            self.display.draw(self.jobs, end)
            if self.progress.is_due():
                self.progress.write(self.all_jobs, end)
        if len(self.asked) > 2 or (len(self.asked) == 2 and time.time() - self.asked[1][1] > LAST_CHANCE):
            for worker in self._busy():
                worker.send_signal(signal.SIGKILL)

    def _job_ended(self, worker: Worker, result: bytes, failure: Failure | None) -> None:
        job, worker.job = worker.job, None
        assert job
        try:
            job.result = pickle.loads(result)
        except Exception as error:
            failure = failure or Failure(f"what the job returned cannot be read ({error})", ())
        if failure and failure.left:
            job.end(LEFT, failure.reason)
        elif failure:
            job.end(FAILED, failure.reason)
            self.stopping.failed(job, failure.place)
            # A fault on a GPU may spoil its process for the jobs that follow.
            if worker.slot.gpu is not None:
                del self.workers[worker.slot.number]
                worker.close()
        else:
            job.end(DONE)
            self.stopping.went_well()
        self.application.ended(job.told_end())
        self.display.ended(job, self.jobs, self._end())

    def _worker_died(self, worker: Worker) -> None:
        """Tell of the job whose process died, and let it be tried once more."""
        del self.workers[worker.slot.number]
        reason, printed = worker.death()
        job = worker.job
        assert job
        if self.asked:
            job.end(INTERRUPTED, reason)
            return
        again = job.attempts < ATTEMPTS
        job.end(DIED, reason if again else f"{reason}, for the second time")
        more_words = self.application.ended(job.told_end(printed, again))
        if again:
            self.display.say(f"{job.name}: {reason}; it is tried once more")
            job.words, job.config = [*job.words, *more_words], None
            job.state = QUEUED
            self.queue.append(job)
        else:
            self.stopping.failed(job, (DIED, reason))
            self.display.ended(job, self.jobs, self._end())

    def _pass_on(self) -> None:
        """Send the last signal that asks for the end to the workers that did not get it."""
        for worker in self._busy():
            if worker.signals < len(self.asked):
                worker.signals = len(self.asked)
                worker.send_signal(self.asked[-1][0])

    @contextmanager
    def _listening(self) -> Iterator[None]:
        """Pass Ctrl-C and SIGTERM on to the jobs."""

        def hear(number: int, frame: Any) -> None:
            self.asked.append((number, time.time()))
            self._pass_on()

        former = {number: signal.signal(number, hear) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)
