"""The Hydra application: compose a configuration and hand it to its task."""

import importlib
import logging
import os
import signal
import sys
import warnings
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from pets_seg.command.arguments import check_arguments, for_recorded_data, only_shows, typed
from pets_seg.command.completion import completes, module_script
from pets_seg.command.help import register_help
from pets_seg.command.local import APPLICATION, goes_on
from pets_seg.command.messages import boundary, exit_code, heard, one_line, report, traceback_wanted
from pets_seg.command.replay import expand
from pets_seg.command.sweeps import CONFIG_NAME, CONFIG_PATH, told_apart
from pets_seg.config.register import register
from pets_seg.errors import InputError
from pets_seg.launch import register as register_launcher
from pets_seg.machine.home import settle
from pets_seg.machine.terminal import output_problem, unfailing_output
from pets_seg.machine.world import this_world
from pets_seg.run_folder.lock import HeldError

# OpenMP's threads wait for work by spinning; two runs on the same cores then block each other and come to a near
# standstill. A short spin prevents that and costs a single run little. It must be set before torch is imported.
os.environ.setdefault("GOMP_SPINCOUNT", "5000")
# What train.deterministic needs on CUDA. cuBLAS reads it once, and a job before may have been the first to use it.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
register()
register_help()
register_launcher(APPLICATION)
log = logging.getLogger("pets_seg")
# What `hydra.main` must be told to behave as Hydra 1.3 does, whichever version is installed.
BEHAVIOUR: dict[str, Any] = {"version_base": "1.3"} if hydra.__version__.startswith("1.3.") else {}


@hydra.main(config_path=CONFIG_PATH, config_name=CONFIG_NAME, **BEHAVIOUR)
def run(cfg: DictConfig) -> float | Exception:
    """Run one job and return its figure; in a sweep a failed job is logged, returns its error, and the others go on.

    `hooks` hands None to Hydra in place of the error.
    """
    alone = HydraConfig.get().mode == RunMode.RUN
    if not this_world().first:
        # Rank 0 reports what every rank raises.
        logging.disable(logging.WARNING)
    try:
        return importlib.import_module(f"pets_seg.command.tasks.{cfg.task.name}").run(cfg)
    except Exception as error:
        if isinstance(error, HeldError) and not alone:
            log.info(f"{error.args[0]}; this sweep goes on without it, and waits for it in the end")
            return error
        log.debug("traceback", exc_info=True)
        if alone and traceback_wanted:
            raise
        log.error(one_line(error))
        if alone:
            sys.exit(exit_code(error))
        return error


def main() -> None:
    """Run the command line; end with exit code 0, 1 (failed while working) or 2 (could not start)."""
    # Makes Hydra hand its exceptions on instead of printing them in its own way.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    # A log that cannot be written, on a full disk, must not print tracebacks.
    logging.raiseExceptions = False
    # In every new home it logs that it built its font cache.
    logging.getLogger("matplotlib").setLevel(logging.WARNING)
    # It tells what it leaves out of each font of a PDF.
    logging.getLogger("fontTools").setLevel(logging.WARNING)
    # An option that is not there would be all that is said of a search path that is not there.
    warnings.filterwarnings("error", "provider=hydra.searchpath", UserWarning)
    # A launcher's plugin may have an option of the same name as ours; Hydra warns that it checks ours by it.
    warnings.filterwarnings("ignore", r"\s*'hydra/launcher/", UserWarning)
    words = sys.argv[1:]
    with unfailing_output():
        try:
            # Jobs report their own errors. Those of a command that is still being written do not belong on the screen.
            with boundary(code=2, silent=completes(words, "query=")):
                _start(words)
        except KeyboardInterrupt as interruption:
            if heard():
                # A launcher's has the signal alone.
                going_on = goes_on() if hasattr(interruption, "signal") else ""
                then = getattr(interruption, "then", going_on)
                print(f"interrupted{f'; {then}' if then else ''}", file=sys.stderr)
            sys.exit(128 + getattr(interruption, "signal", signal.SIGINT))
        finally:
            if problem := output_problem():
                # Help or a configuration may be piped into `head`, which closes the pipe.
                if not (isinstance(problem, BrokenPipeError) and only_shows(words)):
                    print(f"standard output: could not be written ({problem.strerror})", file=sys.stderr)
                sys.exit(1)


def _start(words: list[str]) -> None:
    """Put the words of the command line into the form that Hydra wants, and let it take over."""
    typed[:] = words
    if script := module_script(words):
        print(script)
        return
    if not this_world().first:
        # Hydra's own files are written once.
        words = [*words, "hydra.output_subdir=null", "hydra/job_logging=terminal"]
    sys.argv[1:] = told_apart(check_arguments(for_recorded_data(expand(words))))
    if only_shows(sys.argv[1:]):
        run()
        return
    if "${" in (folder := os.getcwd()):
        raise InputError(f"{folder}: holds ${{, which a configuration takes for a reference; start elsewhere")
    settle()
    # Hydra imports it too, but not for what only shows.
    from pets_seg.command import tables_due
    from pets_seg.command.hooks import Hooks

    try:
        run()
    except Exception as error:
        # A launcher raises this for a job whose process died. What became of the other jobs is to be seen too, if any
        # began.
        if not Hooks.elsewhere or not Hooks.elsewhere[0].outcomes.read():
            tables_due.at_end()
            raise
        report(error)
    # Ctrl-C, or what ends a process.
    except BaseException:
        tables_due.at_end()
        raise
    if Hooks.elsewhere:
        hooks, config = Hooks.elsewhere
        try:
            hooks.on_multirun_end(config)
        except BaseException:
            tables_due.at_end()
            raise
