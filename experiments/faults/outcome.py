"""What a run gives but time, throughput and memory, to be compared with what another gives."""

import csv
import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

OF_TIME = ("seconds", "images_per_second", "train_seconds", "peak_memory_mb")


def outcome(run: Path) -> dict[str, Any]:
    """Return the figures, the weights and the state that a finished run has left in its folder."""
    state = torch.load(run / "checkpoints" / "last.pt", weights_only=True)
    return {
        "metrics": epoch_rows(run),
        "summary": _untimed(json.loads((run / "summary.json").read_text())),
        "per_image": (run / "per_image.csv").read_bytes(),
        "calibration": (run / "calibration.csv").read_bytes(),
        "best": (run / "checkpoints" / "best.safetensors").read_bytes(),
        "state": {**state, "rows": [_untimed(row) for row in state["rows"]]},
        "left over": sorted(path.name for path in run.rglob("*.part")),
        "status": json.loads((run / "status.json").read_text())["state"],
    }


def epoch_rows(run: Path) -> list[dict[str, str]]:
    """Return metrics.csv without time and throughput."""
    with open(run / "metrics.csv") as file:
        return [_untimed(row) for row in csv.DictReader(file)]


def _untimed(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in OF_TIME}


def check_same(first: Any, second: Any, where: str = "") -> None:
    """Raise AssertionError, naming the place, unless two outcomes are equal, tensors bit for bit."""
    if isinstance(first, dict):
        assert first.keys() == second.keys(), where
        for key in first:
            check_same(first[key], second[key], f"{where}/{key}")
    elif isinstance(first, list | tuple):
        assert len(first) == len(second), where
        for index, pair in enumerate(zip(first, second, strict=True)):
            check_same(*pair, f"{where}/{index}")
    elif isinstance(first, torch.Tensor):
        assert torch.equal(first, second), where
    else:
        assert first == second, where


def check_readable(run: Path) -> None:
    """Raise an error unless every file of ours that a run folder holds so far is whole."""
    for path in run.rglob("*"):
        if path.name.endswith(".part") or ".hydra" in path.parts:
            continue
        if path.suffix == ".json":
            json.loads(path.read_text())
        elif path.suffix == ".csv":
            with open(path) as file:
                assert all(None not in row and None not in row.values() for row in csv.DictReader(file)), path
        elif path.suffix == ".safetensors":
            load_file(path)
        elif path.name == "last.pt":
            torch.load(path, weights_only=True)
