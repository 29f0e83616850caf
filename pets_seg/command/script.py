"""Runs from a notebook or a script, without the command line."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import hydra
from omegaconf import DictConfig, open_dict, read_write

from pets_seg.command.messages import one_line
from pets_seg.command.quoting import quoted
from pets_seg.command.reads import check_files, check_words
from pets_seg.command.replay import expand
from pets_seg.command.sweeps import listed
from pets_seg.config.identity import run_name
from pets_seg.config.register import register
from pets_seg.errors import InputError
from pets_seg.machine.home import settle
from pets_seg.machine.world import this_world
from pets_seg.run_folder.names import LOG

# After this import, Hydra's own functions can compose a configuration too.
register()


def compose(*overrides: str) -> DictConfig:
    """Return the configuration of a command line, e.g. `compose("model=unet", "aug=elastic", "train.epochs=2")`.

    Raises Hydra's errors for unknown settings, and InputError for a sweep and for a key without effect on a run.
    """
    with hydra.initialize_config_module("pets_seg.conf", version_base="1.3"):
        words = [quoted(word) for word in expand(overrides)]
        cfg = hydra.compose("config", overrides=words, return_hydra_config=True)
    if sweep := listed(cfg):
        raise InputError(f"{', '.join(sweep)}: is swept over by a chosen file; a script loops over it, run by run")
    check_words(cfg.task.name, [*cfg.hydra.overrides.task], sweep=False)
    with read_write(cfg), open_dict(cfg):
        del cfg["hydra"]
    return cfg


def run_config(cfg: DictConfig) -> Path:
    """Train or continue the run of a composed configuration, and return its folder `runs/<name>/<run>/`.

    It is the run of the same command line; a finished one is not trained again. Raises InputError for what is known to
    be wrong before work starts and RunError for what fails during it.
    """
    from pets_seg.command.after_run import show_files
    from pets_seg.command.one_run import train_run
    from pets_seg.command.tasks.train import checked, prepare

    if cfg.task.name != "train":
        raise InputError(f"task={cfg.task.name}: run_config trains; other tasks are run by the command line")
    if this_world().size > 1:
        raise InputError("run_config: runs in one process; torchrun starts the command line, python -m pets_seg.run")
    if cfg.dry_run:
        raise InputError("dry_run=true: run_config trains; a dry run is one of the command line, or of a sweep there")
    check_files(cfg)
    settle()
    prepare(cfg, overrides=[])
    folder = Path("runs") / cfg.name / run_name(cfg)
    folder.mkdir(parents=True, exist_ok=True)
    with _logged(folder / LOG):
        train_run(*checked(cfg), folder, end=lambda where: show_files(folder, where))
    return folder


@contextmanager
def _logged(path: Path) -> Iterator[None]:
    """Show the messages of a run, as the command line does, and keep them in `path`."""
    log = logging.getLogger("pets_seg")
    file = logging.FileHandler(path, encoding="utf-8")
    file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    handlers: list[logging.Handler] = [file]
    level = log.level
    log.setLevel(logging.INFO)
    # A script that has set up logging shows them itself.
    if not log.hasHandlers():
        log.setLevel(logging.DEBUG)
        handlers.append(logging.StreamHandler(sys.stdout))
        handlers[-1].setLevel(logging.INFO)
    for handler in handlers:
        log.addHandler(handler)
    try:
        yield
    except Exception as error:
        # Into the file alone: the caller gets the error itself.
        file.handle(log.makeRecord(log.name, logging.ERROR, __file__, 0, one_line(error), (), sys.exc_info()))
        raise
    finally:
        log.setLevel(level)
        for handler in handlers:
            log.removeHandler(handler)
        file.close()
