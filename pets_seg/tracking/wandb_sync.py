"""`make sync`: what runs wrote for W&B while offline is uploaded."""

import json
import logging
import os
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import yaml

from pets_seg.errors import InputError
from pets_seg.machine.home import settle
from pets_seg.run_folder.lock import check_free
from pets_seg.tracking.wandb_account import check_server, key_configured, one_line_without_secrets
from pets_seg.tracking.wandb_names import PARTLY, recorded, upload_command, waiting
from pets_seg.tracking.wandb_sink import copy_to_wandb

# `wandb sync` itself tries for days.
PATIENCE_SYNC = 120
AT_ONCE = 8


def waiting_runs(folder: Path) -> list[tuple[Path, str, Path | None]]:
    """Return the W&B runs of which the server lacks something, by the run folders under `folder`.

    Of each the run folder, its id and its offline files, as `waiting` gives them. Runs in progress are left out.
    """
    found = []
    for run in sorted({place.parent for place in folder.glob("**/wandb")}):
        if not (left := waiting(run)):
            continue
        try:
            check_free(run)
        except InputError as error:
            print(error)
            continue
        found += [(run, key, offline) for key, offline in left.items()]
    return found


def complete(run: Path, key: str) -> bool:
    """Send from a run folder what the server lacks of its W&B run `key`; return whether the server took it."""
    # It stays until the server has all: what is broken off now, the next call takes up.
    (run / "wandb" / (f"{PARTLY}-{key}" if key else PARTLY)).touch()
    # Not what W&B's variables say now, but what they said then.
    about = recorded(run).get(key)
    tracker = yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8"))["tracker"]
    return copy_to_wandb(run, "online", tracker["project"], about).online


def sync(folder: Path) -> int:
    """Upload them, by `wandb sync` where the server has nothing of the run; return the exit code."""
    if not folder.is_dir():
        print(f"{folder}: is not a folder; give one that holds runs, e.g. {upload_command(Path('runs'))}")
        return 2
    runs = waiting_runs(folder)
    if not runs:
        print(f"{folder}: no offline runs that are not uploaded yet")
        return 0
    # They ask for offline runs, of which this is the end, or for none.
    for name in ("WANDB_MODE", "WANDB_DISABLED"):
        os.environ.pop(name, None)
    if not key_configured():
        waits = _offline(len(runs)) + (" waits" if len(runs) == 1 else " wait")
        print(f"{waits}, but no W&B key is configured: `wandb login`, or set WANDB_API_KEY")
        return 2
    check_server()
    print(f"uploading {_offline(len(runs))}")
    whole = [offline for run, key, offline in runs if offline and _is_whole(run, key)]
    for first in range(0, len(whole), AT_ONCE):
        # A server that has fallen silent would keep every one of them waiting.
        if not _wandb_sync(whole[first : first + AT_ONCE]):
            break
    # Its exit code is 0 where the server took nothing, and it cannot read what a killed process began to write.
    rest = [(run, key) for run, key, offline in runs if offline is None or not any(offline.glob("*.synced"))]
    left = sum(not _taken(run, key) for run, key in rest)
    if left:
        were, them = ("was", "it") if left == 1 else ("were", "them")
        print(f"{_offline(left)} {were} not taken; to try {them} again: {upload_command(folder)}")
    return int(left > 0)


def _offline(number: int) -> str:
    return f"{number} offline run{'' if number == 1 else 's'}"


def _is_whole(run: Path, key: str) -> bool:
    """Whether the offline files of a W&B run hold all of it, and the server nothing: a killed process wrote less."""
    if any((run / "wandb" / name).exists() for name in (PARTLY, f"{PARTLY}-{key}")):
        return False
    with suppress(OSError, ValueError, AttributeError):
        return json.loads((run / "status.json").read_text(encoding="utf-8")).get("state") == "finished"
    return False


def _taken(run: Path, key: str) -> bool:
    try:
        return complete(run, key)
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


def main() -> int:
    """Upload what is under the folder that the command names; an error is one line."""
    logging.basicConfig(format="%(message)s")
    try:
        settle()
        if len(sys.argv) != 2:
            print(f"give one folder that holds runs, e.g. {upload_command(Path('runs'))}", file=sys.stderr)
            return 2
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
