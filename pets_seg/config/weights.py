"""The weights that `checkpoint=` names: where they are, and the digest by which they are part of a run's name."""

import hashlib
import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from pets_seg.errors import InputError, reason
from pets_seg.machine.files import absolute, open_regular

# Below a run folder, the weights of its best epoch.
BEST = "checkpoints/best.safetensors"
# In config.yaml, beside the path of the weights that a run started from.
DIGEST = "checkpoint_sha256"


def find_run(checkpoint: str) -> Path:
    """Return the run folder with a best epoch that `checkpoint` names, by its path or by that of a file in it.

    The path is absolute. Raises InputError if there is none.
    """
    path = absolute(checkpoint)
    if not os.path.exists(path):
        raise InputError(f"checkpoint={checkpoint}: {path} is not there; give a run folder or a file in it")
    for folder in (path, *path.parents[:2]):
        if (folder / BEST).is_file():
            return folder
    raise InputError(f"checkpoint={checkpoint}: holds no {BEST}; give a run that finished an epoch")


def find_weights(checkpoint: str) -> Path:
    """Return the absolute path of the weights that training starts from with `checkpoint`; InputError without any.

    They are those of the best epoch of a run (`find_run`), or a file of weights itself, which need not be in a run.
    """
    path = absolute(checkpoint)
    return path if path.suffix == ".safetensors" and os.path.isfile(path) else find_run(checkpoint) / BEST


def run_of(weights: Path) -> Path | None:
    """Return the run folder that a file of weights is the best epoch of, None if it is of none."""
    folder = weights.parent.parent
    return folder if weights == folder / BEST else None


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal digits; InputError if it cannot be read."""
    try:
        status = os.stat(path)
        return _sha256(path, (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino))
    except OSError as error:
        raise InputError(f"checkpoint={path}: cannot be read ({reason(error)}); make it readable") from error


@lru_cache
def _sha256(path: Path, stamp: tuple[int, ...]) -> str:
    # Every job of a sweep asks for it several times; another `stamp` is another file.
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def with_digest(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration of plain values with what a run records of the weights that it starts from, if of any.

    That is their absolute path as `checkpoint` and their SHA-256 as `checkpoint_sha256`. Raises InputError if they are
    not there.
    """
    if config.get("checkpoint") is None:
        return dict(config)
    weights = find_weights(config["checkpoint"])
    return {**config, "checkpoint": str(weights), DIGEST: sha256(weights)}
