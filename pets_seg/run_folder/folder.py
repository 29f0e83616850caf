"""The files of a run, each written whole or not at all."""

import csv
import json
import math
import os
import platform
import shutil
import socket
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import yaml

from pets_seg.errors import InputError
from pets_seg.machine.files import remove_parts, write_text
from pets_seg.machine.processor import instruction_set
from pets_seg.machine.world import this_world
from pets_seg.run_folder import names
from pets_seg.run_folder.growing_table import csv_text
from pets_seg.run_folder.reading import read_json

# What git compares with the commit, seen from the top of the checkout.
MADE_OF = (":/pets_seg", ":/conf")
PACKAGES = ("pets_seg", "torch", "torchvision", "kornia", "hydra-core", "omegaconf", "wandb", "numpy", "pillow")


class RunFolder:
    """`runs/<name>/<run>/`: writes and reads its config, status, metrics, summary and per-image scores."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.best = path / names.BEST
        self.last = path / names.LAST

    def clear(self) -> None:
        """Remove what an earlier run wrote; Hydra's files and the log stay."""
        for name in (names.STATUS, names.CONFIG, names.DATA):
            (self.path / name).unlink(missing_ok=True)
        self.clear_results()
        self.clear_tensorboard()
        for name in (names.CHECKPOINTS, names.EVALUATIONS, names.WANDB):
            shutil.rmtree(self.path / name, ignore_errors=True)

    def clear_results(self) -> None:
        """Remove the figures and the best weights of a run that has no checkpoint from which they follow."""
        tables = (names.METRICS, names.STEPS, names.PER_IMAGE, names.CALIBRATION)
        for name in (names.BEST, *tables, names.PICTURES, names.SUMMARY, names.RESULT):
            (self.path / name).unlink(missing_ok=True)

    def clear_tensorboard(self) -> None:
        """Remove TensorBoard's files of a run that starts anew, perhaps with another tracker."""
        shutil.rmtree(self.path / names.TENSORBOARD, ignore_errors=True)

    def tidy(self) -> None:
        """Remove what killed processes left half-written; the folder must be locked."""
        remove_parts(self.path)
        remove_parts(self.last.parent)

    def write_config(self, config: Mapping[str, Any]) -> None:
        """Write config.yaml: the resolved configuration as plain values."""
        write_text(self.path / names.CONFIG, yaml.safe_dump(dict(config), sort_keys=False))

    def read_status(self) -> dict[str, Any]:
        """Return status.json, or nothing if there is none."""
        return _read_json(self.path / names.STATUS)

    def write_status(self, state: str, error: BaseException | None = None, message: str = "", **facts: Any) -> None:
        """Set the state (running, finished, failed, interrupted) and add `facts` to those that are there."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        running = state == "running"
        status = {"started": now, **self.read_status(), "state": state, "ended": None if running else now, **facts}
        if running:
            status |= {"host": socket.gethostname(), "pid": os.getpid(), "since": now}
        status["error"] = {"type": type(error).__name__, "message": message} if error else None
        _write_json(self.path / names.STATUS, status)

    def note(self, **facts: Any) -> None:
        """Add facts to status.json; state and times stay."""
        _write_json(self.path / names.STATUS, {**self.read_status(), **facts})

    def read_rows(self, table: str) -> list[dict[str, Any]]:
        """Return the rows of a CSV file, e.g. names.METRICS, as texts."""
        path = self.path / table
        try:
            with open(path, encoding="utf-8", newline="") as file:
                return list(csv.DictReader(file))
        except (OSError, ValueError, csv.Error) as error:
            raise InputError(f"{path}: cannot be read ({error}); existing=restart trains the run again") from error

    def write_rows(self, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write a CSV file, e.g. names.METRICS; NaN is an empty cell."""
        write_text(self.path / table, csv_text(rows))

    def read_summary(self) -> dict[str, Any]:
        """Return summary.json, or nothing if there is none."""
        return _read_json(self.path / names.SUMMARY)

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        """Write summary.json; a loss that is not finite becomes null, since JSON has no NaN."""
        _write_json(self.path / names.SUMMARY, summary)

    def write_evaluation(self, name: str, evaluation: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> Path:
        """Write evaluations/<name>/ with evaluation.json and per_image.csv, and return that folder."""
        folder = self.path / names.EVALUATIONS / name
        RunFolder(folder).write_rows(names.PER_IMAGE, rows)
        _write_json(folder / names.EVALUATION, evaluation)
        return folder


def describe_machine(device: str, threads: int) -> dict[str, Any]:
    """Return what status.json says of where a run was made: device, instructions, threads, commit, versions."""
    versions = {"python": platform.python_version(), **_versions()}
    made = {"device": device, "instructions": instruction_set(), "processes": this_world().size, "threads": threads}
    return {**made, "platform": platform.platform(), "git": git_commit(), "versions": versions}


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        # A run does without W&B, and a checkout without being installed.
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def git_commit() -> dict[str, Any] | None:
    """Return the commit that the code was checked out at, and whether it differs from that; None outside a checkout.

    Only the package and its options count: pages, masks and figures in the checkout change no result.
    """
    # Installed into an environment inside somebody's repository, the code is not of that repository.
    if _git("ls-files", "--error-unmatch", Path(__file__).name) is None:
        return None
    commit = _git("rev-parse", "HEAD")
    return {"commit": commit, "dirty": bool(_git("status", "--porcelain", "--", *MADE_OF))} if commit else None


def _git(*arguments: str) -> str | None:
    # The checkout may be another user's, as in containers: whose code runs here is trusted.
    command = ("git", "-c", "safe.directory=*", "-C", str(Path(__file__).parent), *arguments)
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return read_json(path) if os.path.lexists(path) else {}
    except ValueError as error:
        raise InputError(f"{path.parent}: {error}; mend or remove it") from error


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    finite = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in content.items()}
    write_text(path, json.dumps(finite, indent=2) + "\n")
