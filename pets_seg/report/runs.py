"""A sweep as a table: a row a run."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from pets_seg.config import ADDED_LATER, NO_IDENTITY

# Groups whose option is named in every row, whether it differs or not.
GROUPS = ("model", "aug", "optimizer", "scheduler", "loss", "data")
# Part of a configuration, but not of what a run is.
NOT_COMPARED = ("name", "task", "existing", "tracker", "checkpoint", "split", "replay", "closing", "seed")


def read_runs(sweep: Path, runs: list[str] | None = None) -> pd.DataFrame:
    """Return a row a run folder: run, state, error, seed, groups, the configuration keys that differ, the summary.

    `runs` names the folders to read; None takes all. A folder without a readable status or config is left out.
    """
    folders = [sweep / run for run in runs] if runs is not None else sorted(sweep.glob("*/"))
    read = [row for folder in folders if (row := _read_run(folder))]
    configs = [config for _, config, _ in read]
    differing = [
        key for key in dict.fromkeys(key for config in configs for key in config)
        if len({json.dumps(config.get(key)) for config in configs}) > 1 and not key.endswith(".name")
    ]  # fmt: skip
    rows = []
    for run, config, summary in read:
        groups = {group: config.get(f"{group}.name") for group in GROUPS}
        differs = {key: _cell(config.get(key)) for key in differing}
        rows.append({**run, **groups, **differs, **summary})
    return pd.DataFrame(rows)


def _read_run(folder: Path) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]] | None:
    try:
        status = json.loads((folder / "status.json").read_text())
        config = yaml.safe_load((folder / "config.yaml").read_text())
        path = folder / "summary.json"
        # A summary beside another state is of an earlier life of the folder.
        summary = json.loads(path.read_text()) if status["state"] == "finished" else {}
    except (OSError, ValueError, KeyError, yaml.YAMLError):
        return None
    error = (status.get("error") or {}).get("message")
    run = {"run": folder.name, "state": status["state"], "error": error, "seed": config["seed"]}
    flat = ADDED_LATER | dict(_flat({key: value for key, value in config.items() if key not in NOT_COMPARED}))
    return run, {key: value for key, value in flat.items() if key not in NO_IDENTITY}, summary


def _cell(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, list) else value


def _flat(node: Any, prefix: str = "") -> list[tuple[str, Any]]:
    if not isinstance(node, dict):
        return [(prefix, node)]
    return [pair for key, value in node.items() for pair in _flat(value, f"{prefix}.{key}" if prefix else key)]
