"""The finished run that a new one differs from in nothing but fewer epochs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pets_seg.config.identity import identity
from pets_seg.run_folder.config_file import read_config
from pets_seg.run_folder.names import CONFIG, STATUS
from pets_seg.run_folder.reading import read_json


def find_shorter(folder: Path, config: Mapping[str, Any]) -> tuple[Path, int] | None:
    """Return the longest finished run beside `folder` that has fewer epochs and else the identity of `config`.

    `config` has its precision resolved. Returns the run's folder and its epochs, None if there is no such run.
    """
    epochs, others = _parted(config)
    found: dict[int, Path] = {}
    # All but the hash of such a run's name is the same, so that few files are read.
    for run in sorted(folder.parent.glob(f"{folder.name.rpartition('-')[0]}-*")):
        # Whatever is wrong with another run, this one is to be trained.
        try:
            then, theirs = _parted(read_config(run / CONFIG))
            if then < epochs and theirs == others and read_json(run / STATUS)["state"] == "finished":
                found.setdefault(then, run)
        except Exception:
            continue
    return (found[max(found)], max(found)) if found else None


def _parted(config: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
    part = identity(config)
    train = dict(part["train"])
    return train.pop("epochs"), {**part, "train": train}
