"""The commands that are at work on a sweep, each with its jobs: several may share its folder, and any may be killed."""

import json
import shutil
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from pets_seg.errors import RunError
from pets_seg.machine.files import write_text
from pets_seg.report.progress import Job
from pets_seg.run_folder.lock import is_held
from pets_seg.run_folder.names import LOCK
from pets_seg.run_folder.reading import read_json

# A folder in that of the sweep, which its command holds locked, and the list of its jobs in it.
PREFIX, JOBS = ".live-", "jobs.json"
# The commands of this process, by the folder of the sweep.
_own: dict[Path, tuple[Path, FileLock]] = {}


@dataclass(frozen=True)
class Command:
    """A command at work: when it began, in seconds since 1970, and its jobs, none where they are not known before."""

    began: float
    jobs: tuple[Job, ...]


def enter(folder: Path, jobs: Sequence[Job]) -> None:
    """Say that this process is at work on the sweep in `folder`, until `leave` or its end, however it ends."""
    _remove_dead(folder)
    # No run may fail for the sake of what is shown of it.
    with suppress(OSError, RunError):
        folder.mkdir(parents=True, exist_ok=True)
        own = Path(tempfile.mkdtemp(prefix=PREFIX, dir=folder))
        lock = FileLock(own / LOCK)
        _own[folder] = own, lock
        # Some network file systems have no locks.
        with suppress(Timeout, NotImplementedError, OSError):
            lock.acquire(blocking=False)
        write_text(own / JOBS, json.dumps({"began": time.time(), "jobs": [asdict(job) for job in jobs]}))


def leave(folder: Path) -> None:
    """Say that this process is not at work on the sweep any more; what killed commands left is removed."""
    if folder in _own:
        own, lock = _own.pop(folder)
        lock.release()
        shutil.rmtree(own, ignore_errors=True)
    _remove_dead(folder)


def is_worked_on(folder: Path) -> bool:
    """Return whether any command has said that it is at work on the sweep in `folder`; it may have been killed."""
    return bool(_said(folder))


def commands(folder: Path) -> list[Command]:
    """Return the commands that are at work on the sweep in `folder`, in the order in which they began.

    If none is, or if this machine does not see the locks of another one, it is all that said so.
    """
    said = _said(folder)
    found = []
    for path in [path for path in said if is_held(path)] or said:
        # It may end at this moment.
        with suppress(ValueError, LookupError, TypeError):
            content = read_json(path / JOBS)
            jobs = [Job(item["run"], tuple(item["words"]), item["seed"], item["epochs"]) for item in content["jobs"]]
            found.append(Command(float(content["began"]), tuple(jobs)))
    return sorted(found, key=lambda command: command.began)


def _said(folder: Path) -> list[Path]:
    # One that has no list yet is about to be locked.
    return sorted(path.parent for path in folder.glob(f"{PREFIX}*/{JOBS}"))


def _remove_dead(folder: Path) -> None:
    for path in _said(folder):
        if not is_held(path):
            shutil.rmtree(path, ignore_errors=True)
