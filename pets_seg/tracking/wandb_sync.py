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
PATIENCE_SYNC = 120
AT_ONCE = 8


def waiting_runs(folder: Path) -> dict[Path, Path | None]:
    """Return the run folders under `folder` of which the server lacks something, each with its offline W&B run.

    None stands for one whose offline run is gone: an upload of what its folder says was broken off. Runs in progress
    are left out.
    """
    found: dict[Path, Path | None] = {}
    for file in sorted(folder.glob("**/wandb/offline-run-*/*.wandb")):
        if not file.with_suffix(".wandb.synced").exists():
            found[file.parents[2]] = file.parent
    for mark in sorted(folder.glob(f"**/wandb/{PARTLY}")):
        found.setdefault(mark.parents[1], None)
    for run in list(found):
        try:
            check_free(run)
        except InputError as error:
            print(error)
            del found[run]
    return found


def complete(run: Path) -> bool:
    """Send from a run folder what the server lacks of it, be it all; return whether the server took it."""
    # It stays until the server has all: what is broken off now, the next call takes up.
    (run / "wandb" / PARTLY).touch()
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
    runs = waiting_runs(folder)
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
    whole = [offline for run, offline in runs.items() if offline and _is_whole(run)]
    for first in range(0, len(whole), AT_ONCE):
        # A server that has fallen silent would keep every one of them waiting.
        if not _wandb_sync(whole[first : first + AT_ONCE]):
            break
    # Its exit code is 0 where the server took nothing, and it cannot read what a killed process began to write.
    waiting = [run for run, offline in runs.items() if offline is None or not any(offline.glob("*.synced"))]
    left = sum(not _taken(run) for run in waiting)
    if left:
        print(f"{left} offline runs were not taken; the next `make sync` tries them again")
    return int(left > 0)


def _is_whole(run: Path) -> bool:
    """Whether the offline files of a run hold all of it, and the server nothing: a killed process wrote less."""
    with suppress(OSError, ValueError, AttributeError):
        return (
            json.loads(_text(run / "status.json")).get("state") == "finished" and not (run / "wandb" / PARTLY).exists()
        )
    return False


def _taken(run: Path) -> bool:
    try:
        return complete(run)
    # What is wrong with one folder must not keep the others.
    except Exception as error:
        print(f"{run}: {one_line_without_secrets(error)}")
        return False


def _wandb_sync(runs: list[Path]) -> bool:
    """Hand offline runs to `wandb sync`; return whether it came to an end."""
    command = [sys.executable, "-m", "wandb", "sync", *map(str, runs)]
    with tempfile.TemporaryDirectory() as scratch:
        try:
            # Its log would go into a folder wandb/ where the command was started.
            subprocess.run(command, check=False, timeout=PATIENCE_SYNC, env={**os.environ, "WANDB_DIR": scratch})
        except subprocess.TimeoutExpired:
            return False
    return True


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
    except KeyboardInterrupt:
        print("interrupted; the same command goes on", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
