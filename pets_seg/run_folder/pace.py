"""How long runs take on this machine, by those that are there already."""

import csv
import json
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from pets_seg.config.identity import settings_of
from pets_seg.run_folder.config_file import load_plain

# The newest runs are read, and of those alike the newest are averaged: a machine's pace changes with what else it does.
MOST_READ = 300
MOST_ALIKE = 8
# What the time of an image depends on, beside the machine; augmentation adds little to it.
SETTINGS = ("batch_size", "precision", "compile", "accumulate", "checkpoint_activations", "deterministic")
COLUMNS = ("seconds", "images_seen", "updates")
# An image that is only predicted takes about a third of the time of one that is trained on.
PREDICTION = 1 / 3


@dataclass(frozen=True)
class Machine:
    """Where runs are made: the device as status.json describes it, threads and processes."""

    device: str
    threads: int
    processes: int = 1


@dataclass(frozen=True)
class Work:
    """What a run has to do: its folder, its resolved configuration, the images of train, valid and test, and where."""

    folder: Path
    config: Mapping[str, Any]
    images: Mapping[str, int]
    machine: Machine


@dataclass(frozen=True)
class Pace:
    """Seconds that an epoch takes for each image of the training split, validation included, and a run beside epochs.

    The copies that aug.keep_original adds are no images of the split.
    """

    image: float
    beside: float | None


class Paces:
    """The paces of the runs under `runs`, a folder of sweeps, that were made on this host; read anew when asked."""

    def __init__(self, runs: Path) -> None:
        self.runs = runs

    def seconds_left(self, work: Sequence[Work]) -> list[float | None]:
        """Return about how many seconds each run will still take; None where no run like it is known."""
        alike: dict[tuple[Machine, str], list[tuple[Any, Pace]]] = {}
        for machine, config, pace in self._known():
            alike.setdefault((machine, _costs(config)), []).append((config.get("aug"), pace))
        return [
            _left(item, _pace(item.config["aug"], alike.get((item.machine, _costs(item.config)), []))) for item in work
        ]

    def _known(self) -> list[tuple[Machine, dict[str, Any], Pace]]:
        found = []
        files = [(_changed(file), file) for file in self.runs.glob("*/*/metrics.csv")]
        for _, file in sorted(files, reverse=True)[:MOST_READ]:
            # A damaged run, or one in the middle of being written, says nothing of the pace.
            with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
                status = json.loads((file.parent / "status.json").read_text(encoding="utf-8"))
                if status["host"] != socket.gethostname():
                    continue
                config = load_plain(file.parent / "config.yaml")
                if pace := _read(file.parent, status, config):
                    machine = Machine(status["device"], status["threads"], status["processes"])
                    found.append((machine, config, pace))
        return found


def _read(folder: Path, status: Mapping[str, Any], config: Mapping[str, Any]) -> Pace | None:
    rows = _rows(folder)
    images = _each_epoch(rows, "images_seen")
    if _copies(config):
        # What was seen counts the copies; the batches are those of the split.
        batches = [updates * config["train"]["batch_size"] for updates in _each_epoch(rows, "updates")]
        images = [*map(min, images, batches)]
    by_image = [row["seconds"] / count for row, count in zip(rows, images, strict=True) if count > 0]
    beside = None
    if status["state"] == "finished" and status["since"] == status["started"]:
        whole = datetime.fromisoformat(status["ended"]) - datetime.fromisoformat(status["started"])
        beside = max(0.0, whole.total_seconds() - sum(row["seconds"] for row in rows))
    return Pace(median(by_image), beside) if by_image else None


def _left(work: Work, pace: Pace | None) -> float | None:
    anew = work.config["existing"] == "restart"
    with suppress(OSError, ValueError, KeyError, TypeError):
        state = json.loads((work.folder / "status.json").read_text(encoding="utf-8"))["state"]
        if state == "finished" and not anew:
            return 0.0
    if pace is None:
        return None
    done = 0
    # What is damaged is trained again.
    with suppress(OSError, ValueError, KeyError, TypeError):
        done = 0 if anew else len(_rows(work.folder))
    epochs = work.config["train"]["epochs"] - done
    beside = pace.beside
    if beside is None:
        beside = pace.image * PREDICTION * (work.images["valid"] + work.images["test"])
    return max(0, epochs) * work.images["train"] * pace.image + beside


def _pace(aug: Any, alike: Sequence[tuple[Any, Pace]]) -> Pace | None:
    """Return the pace by runs with what their augmentation was, the newest first; None if there is none."""
    if not alike:
        return None
    same = [pace for other, pace in alike if other == aug]
    chosen = (same or [pace for _, pace in alike])[:MOST_ALIKE]
    beside = [pace.beside for pace in chosen if pace.beside is not None]
    return Pace(median(pace.image for pace in chosen), median(beside) if beside else None)


def _costs(config: Mapping[str, Any]) -> str:
    """Return what two configurations share just when their images take equally long, but for augmentation."""
    model = config.get("model")
    # Older versions did not write what an option of their own names.
    model = settings_of("model", model) if isinstance(model, Mapping) else model
    parts = [model, config.get("optimizer", {}).get("name"), config.get("data", {}).get("size")]
    parts.append(_copies(config))
    return json.dumps([*parts, *(config.get("train", {}).get(key) for key in SETTINGS)], sort_keys=True, default=str)


def _rows(folder: Path) -> list[dict[str, float]]:
    try:
        with open(folder / "metrics.csv", encoding="utf-8", newline="") as file:
            return [{key: float(row[key]) for key in COLUMNS} for row in csv.DictReader(file)]
    except FileNotFoundError:
        return []


def _each_epoch(rows: Sequence[Mapping[str, float]], column: str) -> list[float]:
    return [after - before for before, after in pairwise([0.0, *(row[column] for row in rows)])]


def _copies(config: Mapping[str, Any]) -> bool:
    return bool((config.get("aug") or {}).get("keep_original"))


def _changed(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0
