"""Run folders as they are now: what each says of its configuration, its course and its result."""

import json
import math
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from pets_seg.config import ADDED_LATER, IDENTITY, NO_IDENTITY
from pets_seg.errors import InputError, escaped
from pets_seg.replay import load_plain

# Groups whose option is named in every row, whether it differs or not.
GROUPS = ("model", "aug", "optimizer", "scheduler", "loss", "data")
STATES = ("running", "finished", "failed", "interrupted")
# Of a sweep folder, beside its runs.
NO_RUNS = {"figures", "preview"}
# Without them a run has no result to compare.
NEEDED = ("test_dice", "best_val_dice")
COLUMNS = {
    "metrics.csv": ("epoch", "train/loss", "val/loss", "val/dice", "seconds"),
    "per_image.csv": ("split", "stem", "dice", "iou", "loss", "pixels"),
    "calibration.csv": ("split", "bin", "pixels", "probability", "pet_share"),
}


@dataclass(frozen=True, eq=False)
class Run:
    """One run folder; `settings` are its configuration's values by dotted key, as far as they can change a result.

    `metrics`, `per_image` and `calibration` are the files of these names, None if missing or damaged; only a finished
    run has them and a `summary`. `damage` says what of a finished run could not be read.
    """

    folder: Path
    state: str
    error: str | None
    seed: int
    options: dict[str, str | None]
    settings: dict[str, Any]
    config: dict[str, Any]
    status: dict[str, Any]
    summary: dict[str, Any] = field(default_factory=dict)
    metrics: pd.DataFrame | None = None
    per_image: pd.DataFrame | None = None
    calibration: pd.DataFrame | None = None
    damage: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def finished(self) -> bool:
        return self.state == "finished"

    @cached_property
    def images(self) -> dict[str, pd.DataFrame]:
        """The scores of each split's images, by stem."""
        if self.per_image is None:
            return {}
        return {
            split: part.drop_duplicates("stem").set_index("stem").sort_index()
            for split, part in self.per_image.groupby("split")
        }


@dataclass(frozen=True)
class LeftOut:
    """A folder, or a part of one, that was not used, and why."""

    what: str
    why: str


def read_runs(folders: Sequence[Path]) -> tuple[list[Run], list[LeftOut]]:
    """Return the runs in `folders`, each the folder of a sweep or of a run, and what was left out of them.

    Raises InputError if a folder is not there.
    """
    runs: dict[str, Run] = {}
    left_out = []
    for folder in folders:
        for path in _run_folders(folder):
            try:
                run = read_run(path)
            except ValueError as error:
                left_out.append(LeftOut(escaped(str(path)), escaped(str(error))))
                continue
            if first := runs.get(run.name):
                if path.resolve() != first.folder.resolve():
                    left_out.append(LeftOut(escaped(str(path)), f"is the same run as {first.folder}"))
                continue
            runs[run.name] = run
            left_out += [LeftOut(escaped(str(path)), escaped(damage)) for damage in run.damage]
    return list(runs.values()), left_out


def _run_folders(folder: Path) -> list[Path]:
    if not os.path.isdir(folder):
        raise InputError(f"runs={folder}: is not there; give the folder of a sweep, e.g. runs=runs/default")
    if (folder / "config.yaml").exists():
        return [folder]
    names = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir() and not entry.name.startswith("."))
    return [folder / name for name in names if name not in NO_RUNS]


def read_run(folder: Path) -> Run:
    """Return the run in `folder`; ValueError, saying why in a few words, if it holds none that can be read."""
    status = _read_json(folder / "status.json")
    state = status.get("state")
    if state not in STATES:
        raise ValueError(f"status.json: {str(state)[:50]!r} is not a state of a run")
    try:
        config = load_plain(folder / "config.yaml")
    except ValueError as error:
        raise ValueError(f"config.yaml cannot be read ({error})") from None
    seed = config.get("seed")
    if not isinstance(seed, int):
        raise ValueError(f"config.yaml: seed={str(seed)[:50]!r} is not a whole number")
    error = status.get("error")
    message = str(error.get("message"))[:1000] if isinstance(error, dict) else None
    if state == "running" and _is_dead(status):
        state, message = "interrupted", "its process ended without a word; the same command continues it"
    parts = {group: config[group] for group in IDENTITY if group != "seed" and isinstance(config.get(group), dict)}
    settings = {key: value for key, value in (ADDED_LATER | _flat(parts)).items() if key not in NO_IDENTITY}
    options = {group: _word(parts.get(group, {}).get("name")) for group in GROUPS}
    known = (folder, state, message and escaped(message), seed, options, settings, config, status)
    return _with_results(Run(*known)) if state == "finished" else Run(*known)


def _with_results(run: Run) -> Run:
    known = {name: getattr(run, name) for name in ("folder", "seed", "options", "settings", "config", "status")}
    try:
        summary = _read_json(run.folder / "summary.json")
        for key in NEEDED:
            if not _is_number(summary.get(key)):
                raise ValueError(f"summary.json: {key}={str(summary.get(key))[:50]} is not a number")
    except ValueError as error:
        return Run(**known, state="damaged", error=escaped(f"it finished, but {error}"))
    tables, damage = {}, []
    for name, columns in COLUMNS.items():
        try:
            tables[name.removesuffix(".csv")] = _read_csv(run.folder / name, columns)
        except ValueError as error:
            # Runs from before there was one are whole without it.
            if name != "calibration.csv" or (run.folder / name).exists():
                damage.append(f"{name}: {error}; its other files are used")
    return Run(**known, state="finished", error=None, summary=summary, **tables, damage=tuple(damage))


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())[:150]
        raise ValueError(f"{path.name} cannot be read ({reason})") from None
    if not isinstance(content, dict):
        raise ValueError(f"{path.name} is not what a run writes")
    return content


def _read_csv(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    try:
        # A stem may be "NA" or "1".
        texts = {"split": str, "stem": str}
        table = pd.read_csv(path, dtype=texts, keep_default_na=False, na_values={"val/ece": [""]})
    # What pandas raises for a file that is no table: ParserError, EmptyDataError, UnicodeDecodeError, all ValueErrors.
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())[:150]
        raise ValueError(f"cannot be read ({reason})") from None
    for column in columns:
        if column not in table:
            raise ValueError(f"has no column {column}")
        if column not in texts and not pd.api.types.is_numeric_dtype(table[column]):
            raise ValueError(f"holds something else than numbers in {column}")
    if table.empty:
        raise ValueError("has no rows")
    return table


def _is_dead(status: dict[str, Any]) -> bool:
    """Whether a run that says it is running can be known not to be: its process, on this machine, is no more."""
    pid = status.get("pid")
    if status.get("host") != socket.gethostname() or not isinstance(pid, int) or not 0 < pid < 2**31:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _flat(node: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(node, dict | list):
        return {prefix: node}
    items = node.items() if isinstance(node, dict) else enumerate(node)
    flat: dict[str, Any] = {}
    for key, value in items:
        flat |= _flat(value, f"{prefix}.{key}" if prefix else str(key))
    return flat


def _word(value: Any) -> str | None:
    return None if value is None else escaped(str(value))[:100]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
