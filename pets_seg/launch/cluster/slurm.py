"""A Hydra launcher for Slurm: each job of a sweep is one of its queue, and queued again if it is cut short."""

import io
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn
from hydra.errors import HydraException

from .remote import Remote, RemoteLauncher, lost

# In seconds: between two looks at the queue, at first and later; how long a file may take to be seen on this machine;
# how long Slurm may take to answer.
FIRST_LOOK, LOOK_EVERY, SEEN_AFTER, LONGEST = 0.5, 10, 15, 60
# States in which a job does nothing any more, and will not.
OVER = {"BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY"}
OVER |= {"PREEMPTED", "REVOKED", "TIMEOUT", GONE := "no longer in the queue"}
# Slurm takes 1001 at most unless it is told otherwise.
LARGEST_ARRAY = 1000


def _asked(name: str) -> str:
    """Return the state of a job, "" if Slurm does not answer."""
    for pause in (0, 1, 2, 4):
        time.sleep(pause)
        if (states := _states(f"--jobs={name}")) is not None:
            return states.get(name, GONE)
    return ""


@dataclass(frozen=True)
class Queued:
    """A job as its process in the cluster runs it."""

    remote: Remote

    def __call__(self, words: Sequence[str], number: int) -> JobReturn:
        """Run the job; one that ends by SIGTERM because its time is up, or for another job, is queued again."""
        from submitit import JobEnvironment

        name = JobEnvironment().job_id
        try:
            return self.remote(words, number, name)
        except KeyboardInterrupt:
            # Slurm queues only jobs again that wait to be killed. One that is cancelled is no longer running. Where
            # Slurm does not answer, one job too many, which finds its run as it is, is better than a run left alone.
            if _asked(name) in ("RUNNING", ""):
                subprocess.run(["scontrol", "requeue", name], timeout=LONGEST, check=False)
            raise


class SlurmLauncher(RemoteLauncher):
    """Hands the jobs of a sweep to sbatch and waits until all of them are over."""

    def __init__(
        self, *, signal_delay_s: int, cpus_per_task: int, additional_parameters: Mapping[str, Any], **settings: Any
    ) -> None:
        given = {**settings, "cpus_per_task": cpus_per_task}
        self.settings = {key: value for key, value in given.items() if value is not None}
        # A run that gets it writes its state and ends.
        ours = {"signal": f"TERM@{signal_delay_s}", "requeue": True}
        self.settings["additional_parameters"] = {**ours, **additional_parameters}
        # Unlike sbatch, srun takes the number from here alone. What a job printed before it was queued again stays.
        self.settings["srun_args"] = [f"--cpus-per-task={cpus_per_task}", "--open-mode=append"]

    @staticmethod
    def check() -> None:
        """Raise ModuleNotFoundError for a package that is missing, HydraException on a machine without Slurm."""
        import_module("submitit")
        if missing := [program for program in ("sbatch", "squeue", "srun") if not shutil.which(program)]:
            raise HydraException(
                f"hydra/launcher=slurm: {' and '.join(missing)} cannot be found; start the sweep on a machine that "
                "hands jobs to Slurm, or leave hydra/launcher out"
            )

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Submit the jobs, wait for all, and return what each gave, in order; HydraException if sbatch refuses."""
        self.begin(job_overrides, initial_job_idx)
        jobs = self._submit(job_overrides, initial_job_idx)
        names = dict.fromkeys(job.job_id.partition("_")[0] for job in jobs)
        print(f"{len(jobs)} jobs in Slurm's queue: squeue --jobs={','.join(names)}", flush=True)
        try:
            states = _wait(jobs)
        except KeyboardInterrupt:
            print(f"the jobs go on without this process; scancel {' '.join(names)} ends them", file=sys.stderr)
            raise
        return [_result(job, words, states) for job, words in zip(jobs, job_overrides, strict=True)]

    def _submit(self, all_words: Sequence[Sequence[str]], first: int) -> list[Any]:
        from submitit import AutoExecutor
        from submitit.core.utils import FailedJobError

        executor = AutoExecutor(Path(self.config.hydra.sweep.dir) / ".submitit" / "%j", cluster="slurm")
        general = {"timeout_min", "mem_gb", "cpus_per_task", "gpus_per_node", "name"}
        executor.update_parameters(
            **{key if key in general else f"slurm_{key}": value for key, value in self.settings.items()}
        )
        jobs: list[Any] = []
        for start in range(0, len(all_words), LARGEST_ARRAY):
            some = [list(words) for words in all_words[start : start + LARGEST_ARRAY]]
            numbers = range(first + start, first + start + len(some))
            try:
                # It prints what sbatch says of an error.
                with redirect_stderr(io.StringIO()):
                    jobs += executor.map_array(Queued(self.remote), some, numbers)
            except FailedJobError as error:
                for job in jobs:
                    job.cancel(check=False)
                lines = [line for line in str(error).splitlines() if "error:" in line] or [str(error)]
                raise HydraException(f"sbatch: {lines[0].partition('error: ')[2] or lines[0]}") from None
        return jobs


def _wait(jobs: Sequence[Any]) -> Mapping[str, str]:
    """Wait until each job has a result, or can have none any more; return the last known states by the jobs' ids."""
    left, pause = [*jobs], float(FIRST_LOOK)
    over_since: dict[str, float] = {}
    known: dict[str, str] = {}
    while left:
        time.sleep(pause)
        pause = min(2 * pause, LOOK_EVERY)
        if (states := _states("--me")) is None:
            # Slurm does not answer; its jobs may go on all the same.
            states = known
        known = {job.job_id: states.get(job.job_id, GONE) for job in jobs}
        now = time.monotonic()
        for job in [*left]:
            if known[job.job_id] not in OVER:
                over_since.pop(job.job_id, None)
            elif _is_there(job) or now - over_since.setdefault(job.job_id, now) > SEEN_AFTER:
                left.remove(job)
                print(f"[{len(jobs) - len(left)}/{len(jobs)}] job {job.job_id}: {known[job.job_id]}", flush=True)
    return known


def _states(which: str) -> dict[str, str] | None:
    """Return the states of jobs by their ids, also of some that are over; None if Slurm does not answer."""
    command = ["squeue", which, "--noheader", "--array", "--states=all", "--format=%i %T"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return dict(line.split() for line in done.stdout.splitlines())


def _is_there(job: Any) -> bool:
    # A network file system shows a folder as it was up to a minute ago, unless it is changed from here.
    folder = job.paths.folder
    if folder.is_dir():
        folder.chmod(folder.stat().st_mode)
    return job.paths.result_pickle.exists()


def _result(job: Any, words: Sequence[str], states: Mapping[str, str]) -> JobReturn:
    """Return what a job gave; of one that gave nothing say what Slurm knows of it."""
    from submitit.core.utils import pickle_load

    if _is_there(job):
        outcome, value = pickle_load(job.paths.result_pickle)
        if outcome == "success":
            return value
        why = value.strip().splitlines()[-1]
    else:
        why = f"ended without a result ({states[job.job_id]})"
    print(f"job {job.job_id}: {why}; its output is in {job.paths.stderr}", file=sys.stderr)
    return lost(words)
