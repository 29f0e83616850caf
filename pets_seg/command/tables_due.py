"""When a sweep's tables are written anew from all its run folders: seldom enough to cost little, and at its end."""

import time
from contextlib import suppress
from pathlib import Path

from omegaconf import DictConfig

from pets_seg.errors import InputError, RunError
from pets_seg.report import live

# Of the time between two writings, so that they take a fiftieth of it at most.
TIMES_ITS_DURATION = 50


class TablesDue:
    """Writes runs.csv and comparison.csv of a sweep, in the process of the sweep alone."""

    # Those of the sweep that is going on in this process.
    current: "TablesDue | None" = None

    def __init__(self, config: DictConfig) -> None:
        self.config = config
        self.folder = Path(config.hydra.sweep.dir)
        self.written, self.duration = time.monotonic(), 0.0
        # From the folder of the sweep upwards.
        self.missing = [folder for folder in (self.folder, *self.folder.parents) if not folder.exists()]

    def write(self) -> None:
        """Write the tables now."""
        from pets_seg.command.tasks.report import read_sweep
        from pets_seg.report.tables import write_tables

        started = time.monotonic()
        # They follow from the run folders: what cannot be written now, on a full disk, can be later.
        with suppress(RunError, InputError):
            write_tables(read_sweep(self.config)[0], self.folder)
        self.written = time.monotonic()
        self.duration = self.written - started

    def remove_empty(self) -> None:
        """Remove the folders that the sweep made, as far as they are empty: it ended before its first job."""
        with suppress(OSError):
            for folder in self.missing:
                folder.rmdir()

    def write_if_cheap(self) -> None:
        """Write the tables, unless it took so long the last time that more time must pass first."""
        if time.monotonic() - self.written >= TIMES_ITS_DURATION * self.duration:
            self.write()


def begin(config: DictConfig) -> None:
    """Remember the sweep that begins in this process, so that its tables are written at its end, whatever ends it."""
    TablesDue.current = TablesDue(config)


def after_job(config: DictConfig) -> None:
    """Bring the tables of a sweep up to date if that is cheap; for the process of the sweep, after any of its jobs.

    `config` is that of the sweep or of the job.
    """
    if TablesDue.current is None or TablesDue.current.folder != Path(config.hydra.sweep.dir):
        begin(config)
    if TablesDue.current:
        TablesDue.current.write_if_cheap()


def at_end(written: bool = False) -> None:
    """Write the tables of the sweep that ends now, unless its report has `written` them."""
    due, TablesDue.current = TablesDue.current, None
    if due and not written:
        live.end(due.folder, stopped=True)
        # Nothing may take the place of what ends the sweep.
        with suppress(Exception):
            due.write()
        due.remove_empty()
