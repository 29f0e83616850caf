"""Whether a replay, or a continued run, can give the figures of its run: with as many threads, on the same data."""

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from pets_seg.config.identity import identity
from pets_seg.machine.world import this_world
from pets_seg.run_folder.config_file import find_config, read_config, recorded_threads
from pets_seg.run_folder.folder import RunFolder
from pets_seg.run_folder.names import STATUS
from pets_seg.run_folder.paths import recorded
from pets_seg.run_folder.reading import read_json
from pets_seg.run_folder.recorded_data import decoded_alike, describe_other_data

log = logging.getLogger("pets_seg")


def changed_data(config: Mapping[str, Any], now: Mapping[str, Any], files: Sequence[Mapping[str, str]]) -> str:
    """Return a line on how the data of the replayed run have changed since it was trained, "" if they have not.

    `now` and `files` are what status.json and data.csv would say of the data now. Nothing is said where the command
    chooses other data, or the run did not record its own.
    """
    file = find_config(config["replay"])
    # In another place the same files are the same data.
    chosen, former = (
        identity({"data": {**node["data"], "root": None}}) for node in (recorded(config), read_config(file))
    )
    try:
        then = read_json(file.with_name(STATUS)).get("data")
    except ValueError:
        then = None
    if chosen != former or not isinstance(then, Mapping):
        return ""
    if then.get("digest") != now["digest"]:
        change = describe_other_data(file.parent, files)
    elif decoded_alike(then, now):
        return ""
    else:
        change = "the same files are decoded to other pixels; another Pillow?"
    return (
        f"replay={config['replay']}: its data have changed since it was trained ({change}), so that figures will differ"
    )


def use_threads_of(replayed: str) -> None:
    """Compute with as many threads as a replayed run did, for the same rounding; warn if that cannot be."""
    threads, size = recorded_threads(find_config(replayed).parent), this_world().size
    if threads and torch.get_num_threads() != threads[0] <= _cores():
        log.info(f"number of threads: {threads[0]} instead of {torch.get_num_threads()}, as the replayed run had")
        torch.set_num_threads(threads[0])
    if threads == (torch.get_num_threads(), size):
        return
    then = f"processes={threads[1]} threads={threads[0]}" if threads else "neither processes nor threads"
    log.warning(
        f"replay={replayed}: its status.json records {then}; here they are {size} and {torch.get_num_threads()} "
        f"({_cores()} cores), so that figures will differ by rounding"
    )


@contextmanager
def threads_of_begun(folder: Path, existing: str) -> Iterator[None]:
    """Continue a run with as many threads as it was begun with, for the same rounding, if it is begun and not finished.

    A warning says if this machine has fewer cores. Afterwards the process has its own number of threads again.
    """
    own = torch.get_num_threads()
    run = RunFolder(folder)
    continues = existing == "continue" and run.last.exists() and run.read_status().get("state") != "finished"
    begun = recorded_threads(folder) if continues else None
    if begun and begun[0] != own:
        if begun[0] <= _cores():
            log.info(f"number of threads: {begun[0]} instead of {own}, as when the run was begun")
            torch.set_num_threads(begun[0])
        else:
            log.warning(
                f"the run was begun with {begun[0]} threads and is continued with {own} ({_cores()} cores), so that "
                "figures differ by rounding from those of a run that was never stopped"
            )
    try:
        yield
    finally:
        torch.set_num_threads(own)


def earlier_threads(folder: RunFolder) -> list[int]:
    """Return the other numbers of threads with which a run that is continued was computed before."""
    if not folder.last.exists():
        return []
    status = folder.read_status()
    kept = status.get("earlier_threads")
    numbers = [*(kept if isinstance(kept, list) else []), status.get("threads")]
    return sorted({number for number in numbers if isinstance(number, int)} - {torch.get_num_threads()})


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
