"""`make sync`: what runs wrote for W&B while offline is uploaded."""

import csv
import json
import logging
import os
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from pets_seg.errors import InputError
from pets_seg.tracking.lock import check_free
from pets_seg.tracking.wandb_account import check_server, key_configured, one_line_without_secrets
from pets_seg.tracking.wandb_sink import PARTLY, WandbSink, saved_pictures

# `wandb sync` itself tries for days.
PATIENCE_A_RUN = 120


def offline_runs(folder: Path) -> list[Path]:
    """Return the offline W&B runs under `folder` that were not uploaded yet, those of runs in progress left out."""
    found = []
    for file in sorted(folder.glob("**/wandb/offline-run-*/*.wandb")):
        if file.with_suffix(".wandb.synced").exists():
            continue
        try:
            check_free(file.parents[2])
        except InputError as error:
            print(error)
        else:
            found.append(file.parent)
    return found


def complete(run: Path) -> bool:
    """Send from a run folder what the server lacks of it, be it all; return whether the server took it."""
    # Not by RunFolder, which needs torch, and so a second more.
    read = {name: json.loads(_text(run / f"{name}.json") or "{}") for name in ("status", "summary")}
    config = yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8"))
    rows = csv.DictReader(_text(run / "metrics.csv").splitlines())
    pictures = saved_pictures(run)
    sink = WandbSink({**config, "tracker": {**config["tracker"], "mode": "online"}}, run)
    for row in rows:
        sink.log({key: _number(value) for key, value in row.items()})
    if pictures:
        sink.log_pictures(pictures)
    sink.finish(read["summary"], failed=read["status"].get("state") != "finished")
    return sink.online


def sync(folder: Path) -> int:
    """Upload them, by `wandb sync` where the server has nothing of the run; return the exit code."""
    if not folder.is_dir():
        print(f"{folder}: is not a folder; RUNS=FOLDER names one that holds runs")
        return 2
    runs = offline_runs(folder)
    if not runs:
        print(f"{folder}: no offline runs that are not uploaded yet")
        return 0
    # They ask for offline runs, of which this is the end.
    os.environ.pop("WANDB_MODE", None)
    if not key_configured():
        print(f"{len(runs)} offline runs wait, but no W&B key is configured: `wandb login`, or set WANDB_API_KEY")
        return 2
    check_server()
    print(f"uploading {len(runs)} offline runs")
    partly = [run for run in runs if (run.parent / PARTLY).exists()]
    whole = [run for run in runs if run not in partly]
    if whole:
        _wandb_sync(whole)
    # Its exit code is 0 where the server took nothing, and it cannot read what a killed process began to write.
    waiting = [run for run in whole if not any(run.glob("*.synced"))]
    taken = [complete(run.parents[1]) for run in (*partly, *waiting)]
    if not all(taken):
        print(f"{taken.count(False)} offline runs were not taken; the next `make sync` tries them again")
    return int(not all(taken))


def _wandb_sync(runs: list[Path]) -> None:
    patience = PATIENCE_A_RUN * len(runs)
    command = [sys.executable, "-m", "wandb", "sync", *map(str, runs)]
    with tempfile.TemporaryDirectory() as scratch, suppress(subprocess.TimeoutExpired):
        # Its log would go into a folder wandb/ where the command was started.
        subprocess.run(command, check=False, timeout=patience, env={**os.environ, "WANDB_DIR": scratch})


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _number(text: str) -> Any:
    if not text:
        return None
    return int(text) if text.lstrip("-").isdigit() else float(text)


def main() -> int:
    """Upload what is under the folder that the command names; an error is one line."""
    logging.basicConfig(format="%(message)s")
    try:
        return sync(Path(sys.argv[1]))
    # W&B's and ours: a key that is none, a server that does not answer, a run folder that is damaged.
    except Exception as error:
        print(one_line_without_secrets(error), file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
