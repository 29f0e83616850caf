"""A Hydra launcher for a Ray cluster: each job of a sweep is a task, which Ray starts again where its process dies."""

import logging
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from hydra.core.utils import JobReturn
from hydra.errors import HydraException

from .remote import Remote, RemoteLauncher, lost


class RayLauncher(RemoteLauncher):
    """Hands the jobs of a sweep to Ray and waits until all of them are over."""

    def __init__(self, ray: Mapping[str, Any]) -> None:
        self.init, self.options = ray["init"], ray["remote"]

    @staticmethod
    def check() -> None:
        """Raise ModuleNotFoundError if Ray is not installed."""
        import_module("ray")

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run the jobs, and return what each gave, in order; HydraException where the cluster cannot be had."""
        import ray

        self.begin(job_overrides, initial_job_idx)
        self._connect()
        remote = ray.put(self.remote)
        run = ray.remote(**self.options)(_run)
        tasks = {
            run.remote(remote, list(words), number): (number, words)
            for number, words in enumerate(job_overrides, initial_job_idx)
        }
        results, left = {}, [*tasks]
        while left:
            [task], left = ray.wait(left)
            number, words = tasks[task]
            try:
                results[number], how = ray.get(task), "ended"
            except ray.exceptions.RayError as error:
                results[number], how = (
                    lost(words),
                    f"died ({(str(error).strip().splitlines() or [type(error).__name__])[-1]})",
                )
            print(f"[{len(results)}/{len(tasks)}] job {number}: {how}", flush=True)
        return [results[number] for number in sorted(results)]

    def _connect(self) -> None:
        """Join the cluster at the address, or else that of RAY_ADDRESS or of this machine, or else begin one here."""
        import ray

        if ray.is_initialized():
            return
        known = self.init.get("address") or os.environ.get("RAY_ADDRESS")
        begins = known == "local"
        # What a job prints is in its run's train.log; Ray would leave out what looks alike.
        settings = {"log_to_driver": False, "logging_level": logging.ERROR, **self.init}
        try:
            ray.init(**{**settings, "address": known or "auto"})
        except (ConnectionError, RuntimeError, ValueError) as error:
            if known or not isinstance(error, ConnectionError):
                why = str(error).strip().splitlines()[0]
                raise HydraException(f"ray.init(address={known or 'auto'}): {why}") from None
            begins = True
            ray.init(**{**settings, "address": "local"})
        wanted = self.options.get("num_gpus") or 0
        most = max(node["Resources"].get("GPU", 0) for node in ray.nodes() if node["Alive"])
        if wanted > most:
            line = f"hydra.launcher.ray.remote.num_gpus={wanted}: no node has so many GPUs (at most {most:g} now)"
            if begins:
                raise HydraException(f"{line}; hydra.launcher.ray.remote.num_gpus=0 uses none")
            print(f"{line}; jobs wait until one has", file=sys.stderr, flush=True)


def _run(remote: Remote, words: list[str], number: int) -> JobReturn:
    import ray

    try:
        return remote(words, number, str(ray.get_runtime_context().get_task_id()))
    except KeyboardInterrupt as interruption:
        # Ray does not start a task again that raises this, but one whose process dies, as long as someone waits for it.
        if hasattr(interruption, "signal"):
            os._exit(1)
        raise
