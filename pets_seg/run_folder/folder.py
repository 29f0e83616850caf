"""The files of a run, each written whole or not at all."""

import csv
import io
import json
import math
import os
import platform
import shutil
import socket
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from pets_seg.errors import InputError
from pets_seg.machine.files import remove_parts, write_text
from pets_seg.machine.world import this_world

PACKAGES = ("pets_seg", "torch", "torchvision", "kornia", "hydra-core", "omegaconf", "wandb", "numpy", "pillow")

RESULTS = ("metrics.csv", "per_image.csv", "calibration.csv", "summary.json", "result.png")


class RunFolder:
    """`runs/<name>/<run>/`: writes and reads its config, status, metrics, summary and per-image scores."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.best = path / "checkpoints" / "best.safetensors"
        self.last = path / "checkpoints" / "last.pt"

    def clear(self) -> None:
        """Remove what an earlier run wrote; Hydra's files and the log stay."""
        for name in ("status.json", "config.yaml"):
            (self.path / name).unlink(missing_ok=True)
        self.clear_results()
        for name in ("checkpoints", "evaluations", "wandb"):
            shutil.rmtree(self.path / name, ignore_errors=True)

    def clear_results(self) -> None:
        """Remove the figures and the best weights, for there is no state that they follow from."""
        for path in (self.best, *(self.path / name for name in RESULTS)):
            path.unlink(missing_ok=True)

    def tidy(self) -> None:
        """Remove what killed processes left half-written; the folder must be locked."""
        remove_parts(self.path)
        remove_parts(self.last.parent)

    def write_config(self, config: Mapping[str, Any]) -> None:
        """Write config.yaml: the resolved configuration as plain values."""
        write_text(self.path / "config.yaml", yaml.safe_dump(dict(config), sort_keys=False))

    def read_status(self) -> dict[str, Any]:
        """Return status.json, or nothing if there is none."""
        return _read_json(self.path / "status.json")

    def write_status(self, state: str, error: BaseException | None = None, message: str = "", **facts: Any) -> None:
        """Set the state (running, finished, failed, interrupted); `facts` and what was known before are kept."""
        now = _now()
        status = {"started": now, **self.read_status(), "state": state, "ended": None, **facts}
        if state == "running":
            status |= {"host": socket.gethostname(), "pid": os.getpid(), "since": now}
        else:
            status["ended"] = now
        status["error"] = {"type": type(error).__name__, "message": message} if error else None
        _write_json(self.path / "status.json", status)

    def note(self, **facts: Any) -> None:
        """Add facts to status.json; state and times stay."""
        _write_json(self.path / "status.json", {**self.read_status(), **facts})

    def read_metrics(self) -> list[dict[str, Any]]:
        """Return the rows of metrics.csv as texts."""
        return _read_csv(self.path / "metrics.csv")

    def read_per_image(self) -> list[dict[str, Any]]:
        """Return the rows of per_image.csv as texts."""
        return _read_csv(self.path / "per_image.csv")

    def write_metrics(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write metrics.csv, a row an epoch."""
        _write_csv(self.path / "metrics.csv", rows)

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        """Write summary.json; JSON knows no NaN, so that a loss that was not finite becomes null."""
        _write_json(self.path / "summary.json", _finite(summary))

    def read_summary(self) -> dict[str, Any]:
        """Return summary.json, or nothing if there is none."""
        return _read_json(self.path / "summary.json")

    def write_per_image(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write per_image.csv, a row an image."""
        _write_csv(self.path / "per_image.csv", rows)

    def write_calibration(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write calibration.csv, a row a split and bin of probability."""
        _write_csv(self.path / "calibration.csv", rows)

    def write_evaluation(self, name: str, evaluation: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> Path:
        """Write evaluations/<name>/ with evaluation.json and per_image.csv, and return that folder."""
        folder = self.path / "evaluations" / name
        _write_csv(folder / "per_image.csv", rows)
        _write_json(folder / "evaluation.json", _finite(evaluation))
        return folder


def describe_machine(device: str, threads: int) -> dict[str, Any]:
    """Return what status.json says of where a run was made: device, processes, threads, commit, versions."""
    versions = {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}
    where = {"device": device, "processes": this_world().size, "threads": threads}
    return {**where, "platform": platform.platform(), "git": git_commit(), "versions": versions}


def git_commit() -> dict[str, Any] | None:
    """Return the commit that the code was checked out at and whether files differ from it; None outside a checkout."""
    folder = Path(__file__).parent
    # Installed into an environment inside somebody's repository, the code is not of that repository.
    if _git(folder, "ls-files", "--error-unmatch", Path(__file__).name) is None:
        return None
    commit = _git(folder, "rev-parse", "HEAD")
    return {"commit": commit, "dirty": bool(_git(folder, "status", "--porcelain"))} if commit else None


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        # The checkout may be another user's, as in containers: whose code runs here is trusted.
        command = ("git", "-c", "safe.directory=*", "-C", folder, *arguments)
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: cannot be read ({error}); mend or remove it") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: is not what a run writes; mend or remove it")
    return content


def _read_csv(path: Path) -> list[dict[str, Any]]:
    try:
        with open(path, encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read ({error}); existing=restart trains the run again") from error


def _finite(figures: Mapping[str, Any]) -> dict[str, Any]:
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in figures.items()}


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    write_text(path, json.dumps(content, indent=2) + "\n")


def _write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    text = io.StringIO()
    # A run that an older version began has rows with fewer figures.
    names = dict.fromkeys(name for row in rows for name in row)
    writer = csv.DictWriter(text, fieldnames=list(names), lineterminator="\n")
    writer.writeheader()
    # A figure that is not a number says nothing.
    writer.writerows({k: "" if isinstance(v, float) and math.isnan(v) else v for k, v in row.items()} for row in rows)
    write_text(path, text.getvalue())
