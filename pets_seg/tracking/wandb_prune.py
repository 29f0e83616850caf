"""`make sync PRUNE=1`: remove W&B's files of runs that its server has wholly."""

import os
import shutil
from pathlib import Path

from pets_seg.errors import InputError, reason
from pets_seg.run_folder.lock import locked
from pets_seg.run_folder.names import WANDB
from pets_seg.run_folder.pictures import FORMER
from pets_seg.tracking.wandb_names import is_finished, partly_mark, waiting, whole_mark

# What files are called from the moment on at which they are to go. `wandb sync` takes them for nothing.
REMOVED = ".removed-"


def prune(folder: Path) -> None:
    """Remove W&B's files of the finished runs under `folder` that are uploaded wholly; print how much that frees."""
    freed, runs = 0, 0
    for run in sorted({place.parent for place in folder.glob(f"**/{WANDB}") if place.is_dir()}):
        try:
            size = _prune_run(run)
        # A run at work, or one that cannot be written; the others are pruned.
        except (InputError, OSError) as error:
            said = str(error).removeprefix(f"{run}: ") if isinstance(error, InputError) else reason(error)
            print(f"{run}: {said}; its files for W&B stay")
            continue
        freed, runs = freed + size, runs + (size > 0)
    print(f"freed {freed / 1e6:.3g} MB: files for W&B of {runs} {'run' if runs == 1 else 'runs'}, which its server has")


def _prune_run(run: Path) -> int:
    """Remove the files of one run, if the server has them; return their bytes."""
    if not _files(run):
        return 0
    # No process may begin to write them meanwhile.
    with locked(run):
        # The names and addresses of its W&B runs stay.
        files = _files(run)
        size = sum(map(_bytes, files))
        for path in files:
            # A half-removed folder would be taken for one that is still to be uploaded.
            gone = path if path.name.startswith(REMOVED) else path.rename(path.with_name(f"{REMOVED}{path.name}"))
            if gone.is_dir() and not gone.is_symlink():
                shutil.rmtree(gone)
            else:
                gone.unlink()
    return size


def _files(run: Path) -> list[Path]:
    """Return what is to be removed of a run: all but names, once it is finished and nothing of it is to be uploaded."""
    place = run / WANDB
    begun = [*place.glob(f"{REMOVED}*")]
    # A run that is sent again from its folder needs the pictures of an older version.
    if not is_finished(run) or waiting(run) or partly_mark(run, "").exists():
        return begun
    files = [path for pattern in ("run-*-*", "offline-run-*-*") for path in place.glob(pattern) if path.is_dir()]
    # What a killed process or an older version sent may not be all.
    if any(not whole_mark(run, path.name.removeprefix("offline-").split("-", 2)[2]).exists() for path in files):
        return begun
    links = [path for path in place.iterdir() if path.is_symlink()]
    pictures = run / FORMER
    return [*begun, *files, *links, *([pictures] if pictures.exists() else [])]


def _bytes(path: Path) -> int:
    if path.is_symlink() or not path.is_dir():
        return path.lstat().st_size
    return sum(os.lstat(Path(folder) / name).st_size for folder, _, names in os.walk(path) for name in names)
