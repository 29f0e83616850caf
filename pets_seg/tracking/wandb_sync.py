"""`make sync`: upload what runs wrote for W&B while offline."""

import logging
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from pets_seg.errors import InputError
from pets_seg.machine.home import settle
from pets_seg.run_folder.config_file import load_plain
from pets_seg.run_folder.lock import check_free
from pets_seg.run_folder.names import CONFIG, WANDB
from pets_seg.tracking.wandb_account import check_server, key_configured, one_line_without_secrets
from pets_seg.tracking.wandb_names import (
    ENDED,
    LOST,
    NO_FILE,
    behind,
    is_finished,
    partly_mark,
    record,
    recorded,
    refused,
    upload_command,
    waiting,
    whole_mark,
)
from pets_seg.tracking.wandb_prune import prune
from pets_seg.tracking.wandb_sink import copy_to_wandb

# `wandb sync` itself tries for days.
PATIENCE_SYNC = 120
# The word of the command line that has uploaded files removed.
PRUNE = "--prune"
AT_ONCE = 8


def waiting_runs(folder: Path) -> list[tuple[Path, str, Path | None]]:
    """Return run folder, id and offline files (see `waiting`) of the W&B runs to be uploaded, none in progress.

    Among them are those that a finished run left behind when it went on with another tracker.
    """
    runs = []
    for run in sorted({place.parent for place in folder.glob(f"**/{WANDB}")}):
        if left := dict.fromkeys(behind(run)) | waiting(run):
            try:
                check_free(run)
            except InputError as error:
                print(error)
                continue
            runs += [(run, run_id, offline) for run_id, offline in left.items()]
    return runs


def sync(folder: Path) -> int:
    """Upload the runs under `folder`, by `wandb sync` if the server has nothing of them; return the exit code."""
    if not folder.is_dir():
        print(f"{folder}: is not a folder; give one that holds runs, e.g. {upload_command(Path('runs'))}")
        return 2
    runs = waiting_runs(folder)
    if not runs:
        print(f"{folder}: no offline runs that are not uploaded yet")
        return 0
    # Variables that ask for offline runs, or for none, do not concern the upload.
    for name in ("WANDB_MODE", "WANDB_DISABLED"):
        os.environ.pop(name, None)
    if not key_configured():
        wait = "waits" if len(runs) == 1 else "wait"
        print(f"{_offline(len(runs))} {wait}, but no W&B key is configured: `wandb login`, or set WANDB_API_KEY")
        return 2
    check_server()
    print(f"uploading {_offline(len(runs))}")
    whole = [offline for run, run_id, offline in runs if offline and _is_whole(run, run_id)]
    for first in range(0, len(whole), AT_ONCE):
        # The server has stopped answering, and would keep each of the others waiting too.
        if not _wandb_sync(whole[first : first + AT_ONCE]):
            break
    for run, run_id, offline in runs:
        if offline and any(offline.glob("*.synced")):
            whole_mark(run, run_id).touch()
    # `wandb sync` exits with 0 even if the server took nothing, and cannot read the files of a killed process.
    rest = [(run, run_id) for run, run_id, offline in runs if not (offline and any(offline.glob("*.synced")))]
    left = sum(not _complete(run, run_id) for run, run_id in rest)
    if left:
        were, them = ("was", "it") if left == 1 else ("were", "them")
        print(f"{_offline(left)} {were} not taken; to try {them} again: {upload_command(folder)}")
    return int(left > 0)


def _offline(number: int) -> str:
    return f"{number} offline run{'' if number == 1 else 's'}"


def _is_whole(run: Path, run_id: str) -> bool:
    """Return whether the offline files have all of a W&B run and the server nothing; a killed process wrote a part."""
    if partly_mark(run, "").exists() or partly_mark(run, run_id).exists():
        return False
    return is_finished(run) and bool(recorded(run).get(run_id, {}).get(ENDED))


def _complete(run: Path, run_id: str) -> bool:
    """Send from a run folder what the server lacks of one of its W&B runs; return whether the server took it."""
    try:
        # The mark stays until the server has everything, so that the next call takes up an upload that is broken off.
        partly_mark(run, run_id).touch()
        # The run may have gone on with a tracker that has no projects.
        project = load_plain(run / CONFIG)["tracker"].get("project")
        # The names are those of W&B's variables when the run was made.
        return copy_to_wandb(run, "online", project, recorded(run).get(run_id)).online
    # An error in one folder must not stop the upload of the others.
    except Exception as error:
        print(f"{run}: {one_line_without_secrets(error)}")
        return False


def _wandb_sync(runs: list[Path]) -> bool:
    """Hand offline runs to `wandb sync`; return whether it came to an end."""
    command = [sys.executable, "-m", "wandb", "sync", *(str(run.absolute()) for run in runs)]
    with tempfile.TemporaryDirectory() as scratch:
        try:
            # Without WANDB_DIR its log would go into a folder wandb/ of the current folder.
            subprocess.run(command, check=False, timeout=PATIENCE_SYNC, env={**os.environ, "WANDB_DIR": scratch})
        except subprocess.TimeoutExpired:
            return False
        finally:
            _take_back(Path(scratch), runs)
    return True


def _take_back(scratch: Path, runs: list[Path]) -> None:
    """Mark offline runs that W&B calls uploaded although the server refused something of them, as its log says."""
    said: dict[Path, list[str]] = {}
    for log in scratch.glob("**/*.log"):
        for line in refused(log.read_text("utf-8", "replace")):
            # Where the line does not say which run it is about, it may be any.
            named = [offline for offline in runs if str(offline.absolute()) in line]
            for offline in named or runs:
                said.setdefault(offline, []).append(line)
    for offline, lines in said.items():
        run, run_id = offline.parents[1], offline.name.split("-", 3)[3]
        for synced in offline.glob("*.synced"):
            synced.unlink()
            partly_mark(run, run_id).touch()
            if any(NO_FILE in line for line in lines) and (about := recorded(run).get(run_id)):
                record(run, {**about, LOST: True})


def main() -> int:
    """Upload what is under the folder that the command names; an error is one line."""
    logging.basicConfig(format="%(message)s")
    try:
        settle()
        words = [word for word in sys.argv[1:] if word != PRUNE]
        if len(words) != 1:
            print(f"give one folder that holds runs, e.g. {upload_command(Path('runs'))}", file=sys.stderr)
            return 2
        folder = Path(words[0])
        code = sync(folder)
        # What the server did not take is left alone.
        if PRUNE in sys.argv and folder.is_dir():
            prune(folder)
        return code
    # W&B's errors and ours: an invalid key, a server that does not answer, a damaged run folder.
    except Exception as error:
        print(one_line_without_secrets(error), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; the same command goes on", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
