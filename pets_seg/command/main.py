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

from pets_seg.command.arguments import check_arguments, only_shows, typed
from pets_seg.command.completion import asks_what_follows, module_script
from pets_seg.command.help import register_help
from pets_seg.command.messages import exit_code, one_line, traceback_wanted
from pets_seg.command.replay import expand
from pets_seg.command.sweeps import CONFIG_NAME, CONFIG_PATH, told_apart
from pets_seg.config.register import register
from pets_seg.errors import InputError
from pets_seg.machine.home import settle
from pets_seg.machine.terminal import output_problem, unfailing_output
from pets_seg.machine.world import begun_by_torchrun, this_world

# OpenMP's threads wait for work by spinning; two runs on the same cores then block each other and come to a near
# standstill. A short spin prevents that and costs a single run little. It must be set before torch is imported.
os.environ.setdefault("GOMP_SPINCOUNT", "5000")
register()
register_help()
log = logging.getLogger("pets_seg")


def behaviour() -> dict[str, Any]:
    """Return what `hydra.main` must be told to behave as Hydra 1.3 does, whichever version is installed."""
    return {"version_base": "1.3"} if hydra.__version__.startswith("1.3.") else {}


@hydra.main(config_path=CONFIG_PATH, config_name=CONFIG_NAME, **behaviour())
def run(cfg: DictConfig) -> float | None:
    """Run one job and return its figure; in a sweep a failed job is logged, returns None, and the others go on."""
    alone = HydraConfig.get().mode == RunMode.RUN
    if not this_world().first:
        # The first process speaks for all; of the others only what ends them is heard.
        logging.disable(logging.WARNING)
    try:
        return importlib.import_module(f"pets_seg.command.tasks.{cfg.task.name}").run(cfg)
    except Exception as error:
        log.debug("traceback", exc_info=True)
        if alone and traceback_wanted:
            raise
        log.error(one_line(error))
        if alone:
            sys.exit(exit_code(error))
        return None


def main() -> None:
    """Run the command line; end with exit code 0, 1 (failed while working) or 2 (could not start)."""
    # Makes Hydra hand its exceptions on instead of printing them in its own way.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    # A log that cannot be written, on a full disk, must not print tracebacks.
    logging.raiseExceptions = False
    # It says in every new home that it has looked for fonts.
    logging.getLogger("matplotlib").setLevel(logging.WARNING)
    # An option that is not found would be all that is said of a search path that is not there.
    warnings.filterwarnings("error", "provider=hydra.searchpath", UserWarning)
    first = True
    with unfailing_output():
        try:
            typed[:] = sys.argv[1:]
            if script := module_script(sys.argv[1:]):
                print(script)
                return
            if not (first := this_world().first):
                # Hydra's own files are written once.
                sys.argv += ["hydra.output_subdir=null", "hydra/job_logging=terminal"]
            sys.argv[1:] = told_apart(check_arguments(expand(sys.argv[1:])))
            if not only_shows(sys.argv[1:]):
                _check_start_folder()
                settle()
            run()
        except KeyboardInterrupt as interruption:
            if first:
                ended = hasattr(interruption, "signal")
                print(f"interrupted{'; the same command continues the run' if ended else ''}", file=sys.stderr)
            sys.exit(128 + getattr(interruption, "signal", signal.SIGINT))
        except Exception as error:
            if traceback_wanted:
                raise
            # A job reports its own errors, so this one is from before any job.
            # What is wrong with a command that is still being written does not belong on the screen.
            if (first or not begun_by_torchrun()) and not asks_what_follows(sys.argv[1:]):
                print(one_line(error), file=sys.stderr)
            sys.exit(2)
        finally:
            if problem := output_problem():
                # Who shows help or a configuration in `head` has seen what he wanted.
                if not (isinstance(problem, BrokenPipeError) and only_shows(sys.argv[1:])):
                    print(f"standard output: could not be written ({problem.strerror})", file=sys.stderr)
                sys.exit(1)


def _check_start_folder() -> None:
    if "${" in (folder := os.getcwd()):
        raise InputError(f"{folder}: holds ${{, which a configuration takes for a reference; start from another folder")
