"""How long a run will take, estimated from earlier runs on this machine."""

import csv
import json
import socket
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from pets_seg.config.identity import settings_of
from pets_seg.config.weights import TEACHER_DIGEST
from pets_seg.run_folder.config_file import load_plain
from pets_seg.run_folder.names import CONFIG, METRICS, STATUS
from pets_seg.run_folder.reading import read_json

# Only the newest runs are read and, of similar ones, averaged: a machine's speed changes with its other load.
MOST_READ = 300
MOST_ALIKE = 8
# What the time of an image depends on, apart from the machine; augmentation adds little to it.
SETTINGS = ("batch_size", "precision", "compile", "accumulate", "checkpoint_activations", "deterministic")
COLUMNS = ("seconds", "images_seen", "updates")
# Predicting an image takes about a third of the time of training on it.
PREDICTION = 1 / 3
# What a run folder that is damaged, or being written, can raise.
UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError)


@dataclass(frozen=True)
class Machine:
    """Where a run is trained: the device as status.json describes it, threads and processes."""

    device: str
    threads: int
    processes: int = 1


@dataclass(frozen=True)
class Work:
    """A run to be trained: its folder, resolved configuration, number of images in each split, and machine."""

    folder: Path
    config: Mapping[str, Any]
    images: Mapping[str, int]
    machine: Machine


@dataclass(frozen=True)
class Pace:
    """Seconds of an epoch per training image, not counting augmented copies, and of a run outside of its epochs."""

    image: float
    outside: float | None


def seconds_left(runs: Path, work: Sequence[Work]) -> list[float | None]:
    """Return about how many seconds each run will still take; None where no similar run is known.

    Known are the runs under `runs`, a folder of sweeps, that were trained on this host.
    """
    known = _known(runs)
    return [
        _seconds_left(item, _typical_pace(item.config["aug"], known[item.machine, _cost_key(item.config)]))
        for item in work
    ]


def _known(runs: Path) -> defaultdict[tuple[Machine, str], list[tuple[Any, Pace]]]:
    """Return augmentation and pace of the runs on each machine and of each cost key, the newest first."""
    known = defaultdict(list)
    for file in sorted(runs.glob(f"*/*/{METRICS}"), key=_changed, reverse=True)[:MOST_READ]:
        with suppress(*UNREADABLE):
            status = read_json(file.with_name(STATUS))
            if status["host"] != socket.gethostname():
                continue
            config = load_plain(file.with_name(CONFIG))
            if pace := _pace(file.parent, status, config):
                machine = Machine(status["device"], status["threads"], status["processes"])
                known[machine, _cost_key(config)].append((config.get("aug"), pace))
    return known


def _pace(folder: Path, status: Mapping[str, Any], config: Mapping[str, Any]) -> Pace | None:
    rows = _rows(folder)
    images = _increments(rows, "images_seen")
    if _keeps_original(config):
        # images_seen counts the copies, a batch does not.
        in_batches = [updates * config["train"]["batch_size"] for updates in _increments(rows, "updates")]
        images = [*map(min, images, in_batches)]
    by_image = [row["seconds"] / count for row, count in zip(rows, images, strict=True) if count > 0]
    outside = None
    if status["state"] == "finished" and status["since"] == status["started"]:
        whole = datetime.fromisoformat(status["ended"]) - datetime.fromisoformat(status["started"])
        outside = max(0.0, whole.total_seconds() - sum(row["seconds"] for row in rows))
    return Pace(median(by_image), outside) if by_image else None


def _seconds_left(work: Work, pace: Pace | None) -> float | None:
    state, done = None, 0
    if work.config["existing"] != "restart":
        with suppress(*UNREADABLE):
            state = read_json(work.folder / STATUS)["state"]
        # A damaged run is trained again.
        with suppress(*UNREADABLE):
            done = len(_rows(work.folder))
    if state == "finished":
        return 0.0
    if pace is None:
        return None
    outside = pace.outside
    if outside is None:
        outside = pace.image * PREDICTION * (work.images["valid"] + work.images["test"])
    return max(0, work.config["train"]["epochs"] - done) * work.images["train"] * pace.image + outside


def _typical_pace(aug: Any, paces: Sequence[tuple[Any, Pace]]) -> Pace | None:
    """Return the median of the newest `paces`, of those with this augmentation if there are any; None of no paces."""
    if not paces:
        return None
    same = [pace for other, pace in paces if other == aug]
    chosen = (same or [pace for _, pace in paces])[:MOST_ALIKE]
    outside = [pace.outside for pace in chosen if pace.outside is not None]
    return Pace(median(pace.image for pace in chosen), median(outside) if outside else None)


def _cost_key(config: Mapping[str, Any]) -> str:
    """Return a text that two configurations share if their images take equally long, augmentation aside."""
    model = config.get("model")
    # Older versions did not write what an option of their own names.
    model = settings_of("model", model) if isinstance(model, Mapping) else model
    parts = [
        model,
        config.get("optimizer", {}).get("name"),
        config.get("data", {}).get("size"),
        _keeps_original(config),
        # A teacher takes time too.
        config.get(TEACHER_DIGEST),
    ]
    return json.dumps([*parts, *(config.get("train", {}).get(key) for key in SETTINGS)], sort_keys=True, default=str)


def _rows(folder: Path) -> list[dict[str, float]]:
    try:
        with open(folder / METRICS, encoding="utf-8", newline="") as file:
            return [{key: float(row[key]) for key in COLUMNS} for row in csv.DictReader(file)]
    except FileNotFoundError:
        return []


def _increments(rows: Sequence[Mapping[str, float]], column: str) -> list[float]:
    return [after - before for before, after in pairwise([0.0, *(row[column] for row in rows)])]


def _keeps_original(config: Mapping[str, Any]) -> bool:
    return bool((config.get("aug") or {}).get("keep_original"))


def _changed(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0
