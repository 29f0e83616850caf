"""The process of a slot: it runs one job after the other, and tells the process of the sweep how they are."""

import faulthandler
import importlib
import logging
import math
import os
import pickle
import queue
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from hydra.core.plugins import Plugins
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus, configure_log, run_job, setup_globals
from hydra.types import HydraContext
from omegaconf import DictConfig, open_dict

SIGNALS = {signal.SIGINT, signal.SIGTERM}
# Where the jobs of this process are reported to; None outside of a worker.
_reports: Connection | None = None
_sending = threading.Lock()
log = logging.getLogger(__name__)


def report(**figures: Any) -> None:
    """Report how far the current job is, e.g. `report(epoch="3/10", dice=0.81, done=0.3)`; without a worker, nothing.

    `done` is the part of the job that is behind it, from 0 to 1, and tells how long it will take. The other figures,
    numbers or texts, are shown. Raises TypeError for anything else, and ValueError for another `done`.
    """
    if _reports:
        plain = {name: _plain(name, value) for name, value in figures.items()}
        done = plain.get("done", 0.0)
        if isinstance(done, str) or not 0 <= done <= 1:
            raise ValueError(f"report(done={figures['done']}): must be a number from 0 to 1")
        _send("report", plain)


def _plain(name: str, value: Any) -> float | int | str:
    """Return a figure as a file of JSON can hold it; what is not finite as its name."""
    if isinstance(value, int | str):
        return value
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"report({name}=...): must be a number or a text, not {type(value).__name__}") from None
    return number if math.isfinite(number) else str(number)


@dataclass(frozen=True)
class Task:
    """What a worker needs to run a job.

    The application's function is found in `module` by the attributes `path`. `state` is, pickled, the sweep's
    configuration, what composes a job's, the callbacks, and Hydra's singletons by their classes.
    """

    module: str
    path: Sequence[str]
    state: bytes

    def function(self) -> Callable[[DictConfig], Any]:
        """Return the application's function; its module is imported if it is not the main one."""
        found: Any = importlib.import_module(self.module)
        for name in self.path:
            found = getattr(found, name)
        return found

    def open(self) -> tuple[DictConfig, HydraContext]:
        """Put Hydra into the state that it has in the process of the sweep; return the configuration and the context.

        That comes after all imports: Hydra's search for plugins makes their classes anew.
        """
        Plugins.instance()
        config, loader, callbacks, instances = pickle.loads(self.state)
        Singleton._instances.update(instances)
        setup_globals()
        return config, HydraContext(config_loader=loader, callbacks=callbacks)


@dataclass(frozen=True)
class Failure:
    """Why a job failed, and where: the type of the exception, its file and line; or why it was left as it is."""

    reason: str
    place: tuple[str, ...]
    left: bool = False


def work(connection: Connection, task: Task, printed: Path) -> None:
    """Run the jobs that come through `connection`; what they print goes into the file `printed`."""
    global _reports
    # Ctrl-C reaches the process of the sweep, which passes it on.
    os.setsid()
    stream = os.open(printed, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for number in (1, 2):
        os.dup2(stream, number)
    faulthandler.enable()
    _reports = connection
    jobs: queue.SimpleQueue[tuple[int, list[str], DictConfig | None] | None] = queue.SimpleQueue()
    busy, gone = threading.Event(), threading.Event()
    threading.Thread(target=_receive, args=(connection, jobs, busy, gone), daemon=True).start()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        function = task.function()
        sweep, context = task.open()
        while job := jobs.get():
            busy.set()
            # The other thread does this in the other order, so that one of the two sees what the other did.
            if gone.is_set():
                break
            os.ftruncate(stream, 0)
            _send("begun")
            _send("ended", *_run(function, sweep, context, *job))
            busy.clear()
    except KeyboardInterrupt:
        _send("interrupted")
    sys.stdout.flush()
    sys.stderr.flush()


def _receive(connection: Connection, jobs: queue.SimpleQueue, busy: threading.Event, gone: threading.Event) -> None:
    """Hand jobs to the main thread; if the process of the sweep is gone, end the current one where it can go on."""
    try:
        while True:
            jobs.put(connection.recv())
    except (EOFError, OSError):
        gone.set()
        jobs.put(None)
        if busy.is_set():
            os.kill(os.getpid(), signal.SIGTERM)
    except Exception:
        # A job that cannot be read would be waited for without end.
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)


def _run(
    function: Callable[[DictConfig], Any],
    sweep: DictConfig,
    context: HydraContext,
    number: int,
    words: list[str],
    config: DictConfig | None,
) -> tuple[bytes, Failure | None]:
    """Run a job and return what Hydra returns for it, pickled, and why it failed; `config` may be composed already."""
    # Hydra hands an error on; its callbacks may put something else in the place of one that is returned.
    errors: list[BaseException] = []

    def watched(config: DictConfig) -> Any:
        try:
            value = function(config)
        except Exception as error:
            errors.append(error)
            # Hydra keeps it in the process of the job, and its traceback is lost with that.
            log.error("the job failed", exc_info=True)
            raise
        except SystemExit as stop:
            errors.append(stop)
            raise RuntimeError(f"SystemExit: {stop.code}") from stop
        if isinstance(value, Exception):
            errors.append(value)
        return value

    try:
        config = config or context.config_loader.load_sweep_config(sweep, words)
        with open_dict(config):
            config.hydra.job.id = config.hydra.job.num = number
        result = run_job(
            hydra_context=context,
            task_function=watched,
            config=config,
            job_dir_key="hydra.sweep.dir",
            job_subdir_key="hydra.sweep.subdir",
        )
    except Exception as error:
        errors.append(error)
        result = failed_result(words, error)
    configure_log(sweep.hydra.hydra_logging, sweep.hydra.verbose)
    return _pickled(result, _failure(errors[-1]) if errors else None)


def _failure(error: BaseException) -> Failure:
    from .launcher import LocalLauncher

    if (reason := LocalLauncher.application.reason(error)) is None:
        return Failure(next(iter(str(error).splitlines()), ""), (), left=True)
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    where = (trace.tb_frame.f_code.co_filename, str(trace.tb_lineno)) if trace else ()
    return Failure(reason, (type(error).__name__, *where))


def failed_result(words: Sequence[str], error: BaseException) -> JobReturn:
    """Return what Hydra returns for a job that failed."""
    result = JobReturn(overrides=list(words), status=JobStatus.FAILED)
    result.return_value = error
    return result


def _pickled(result: JobReturn, failure: Failure | None) -> tuple[bytes, Failure | None]:
    """Return the result as bytes and its failure; a value that cannot be sent to another process is one."""
    try:
        content = pickle.dumps(result)
        # An exception with arguments of its own is pickled, and then cannot be read.
        pickle.loads(content)
        return content, failure
    except Exception as error:
        completed = failure and result.status == JobStatus.COMPLETED
        failure = failure or Failure(f"what the job returned cannot be sent to another process ({error})", ())
        bare = failed_result(result.overrides or [], RuntimeError(failure.reason))
        if completed:
            bare.status, bare.return_value = JobStatus.COMPLETED, None
        return pickle.dumps(bare), failure


def _send(*message: Any) -> None:
    try:
        if _reports:
            # A job may report from several threads.
            with _sending:
                _reports.send(message)
    except OSError:
        # The process of the sweep is gone; `_receive` ends the job.
        pass
