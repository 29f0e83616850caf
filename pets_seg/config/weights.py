"""The weights that a command names: where they are, and the digest by which they are part of a run's name."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from pets_seg.errors import InputError, reason
from pets_seg.machine.files import absolute, open_regular

# Below a run folder, the weights of its best epoch.
BEST = "checkpoints/best.safetensors"
# Those that ship with the package, for tasks that need a network and are given none.
SHIPPED = Path(__file__).parents[1] / "models" / "shipped" / "pets_unet.safetensors"
# In config.yaml, beside the path of the weights that a run started from.
DIGEST = "checkpoint_sha256"
# The setting of the weights that a run learns from, and in config.yaml their digest.
TEACHER, TEACHER_DIGEST = "train.teacher", "teacher_sha256"
DIGESTS = {"checkpoint": DIGEST, TEACHER: TEACHER_DIGEST}


@dataclass(frozen=True)
class Weights:
    """A file of weights, and its SHA-256."""

    path: Path
    digest: str


def find_run(checkpoint: str, key: str = "checkpoint") -> Path:
    """Return the run folder with a best epoch that `checkpoint` names, by its path or by that of a file in it.

    The path is absolute. Raises InputError if there is none, with the `key` that has it.
    """
    path = absolute(checkpoint)
    if not os.path.exists(path):
        raise InputError(f"{key}={checkpoint}: {path} is not there; give a run folder or a file in it")
    for folder in (path, *path.parents[:2]):
        if (folder / BEST).is_file():
            return folder
    raise InputError(f"{key}={checkpoint}: holds no {BEST}; give a run that finished an epoch")


def find_weights(checkpoint: str | None, key: str = "checkpoint") -> Path:
    """Return the absolute path of the weights that `checkpoint`, given for `key`, names; InputError without any.

    They are those of the best epoch of a run (`find_run`), or a file of weights itself, which need not be in a run;
    for None those that ship with the package.
    """
    if checkpoint is None:
        return SHIPPED
    path = absolute(checkpoint)
    return path if path.suffix == ".safetensors" and os.path.isfile(path) else find_run(checkpoint, key) / BEST


def run_of(weights: Path) -> Path | None:
    """Return the run folder that a file of weights is the best epoch of, None if it is of none."""
    folder = weights.parent.parent
    return folder if weights == folder / BEST else None


def sha256(path: Path, key: str = "checkpoint") -> str:
    """Return the SHA-256 of a file, given for `key`, in hexadecimal digits; InputError if it cannot be read."""
    try:
        status = os.stat(path)
        return _sha256(path, (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino))
    except OSError as error:
        raise InputError(f"{key}={path}: cannot be read ({reason(error)}); make it readable") from error


@lru_cache
def _sha256(path: Path, stamp: tuple[int, ...]) -> str:
    # Every job of a sweep asks for it several times; another `stamp` is another file.
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def with_digest(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration of plain values with what a run records of the weights that it names, if of any.

    That is their absolute path in place of the one that was given, and their SHA-256 under a key of DIGESTS. Raises
    InputError if they are not there.
    """
    made = dict(config)
    for key, digest in DIGESTS.items():
        if (given := _path_in(made, key)) is None:
            continue
        weights = find_weights(given, key)
        group, _, name = key.rpartition(".")
        made |= {group: {**made[group], name: str(weights)}} if group else {name: str(weights)}
        made[digest] = sha256(weights, key)
    return made


def named_weights(config: Mapping[str, Any]) -> dict[str, Weights]:
    """Return by their key the weights that a configuration has with their digest; it may be a stranger's."""
    digests = {key: config.get(digest) for key, digest in DIGESTS.items()}
    return {
        key: Weights(Path(str(_path_in(config, key))), digest)
        for key, digest in digests.items()
        if isinstance(digest, str) and digest
    }


def _path_in(config: Mapping[str, Any], key: str) -> Any:
    group, _, name = key.rpartition(".")
    node = config.get(group) if group else config
    return node.get(name) if isinstance(node, Mapping) else None
