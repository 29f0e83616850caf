"""What a run folder, which may be a stranger's, says of how it was made."""

import json
import os
from pathlib import Path
from typing import Any

import yaml

from pets_seg.config.groups import IDENTITY
from pets_seg.errors import InputError
from pets_seg.machine.files import open_regular

LARGEST = 1_000_000
MOST_THREADS = 4096
# LibYAML's, ten times as fast, where PyYAML was built with it.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def find_config(run: str) -> Path:
    """Return the config.yaml of a run folder; `run` is the folder or a file in it."""
    path = Path(os.path.expanduser(run)).absolute()
    for folder in (path, *path.parents[:2]):
        if os.path.isfile(folder / "config.yaml"):
            return folder / "config.yaml"
    raise InputError(f"replay={run}: holds no config.yaml; give a run folder, e.g. replay=runs/default/RUN")


def read_config(file: Path) -> dict[str, Any]:
    """Return a run's config.yaml as plain values; InputError if it is something else."""
    try:
        config = load_plain(file)
        for key in IDENTITY:
            if key not in config:
                raise ValueError(f"it has no {key}")
            if key != "seed" and not (isinstance(config[key], dict) and "name" in config[key]):
                raise ValueError(f"its {key} has no name")
    except ValueError as error:
        raise InputError(f"{file}: is not the config.yaml of a run ({error}); give a run that has it") from None
    return config


def load_plain(file: Path) -> dict[str, Any]:
    """Return a YAML file of plain values under names; ValueError, saying why in a few words, if it is something else.

    The file may be a stranger's.
    """
    try:
        with open_regular(file) as opened:
            text = opened.read(LARGEST + 1)
        if len(text) > LARGEST:
            raise ValueError(f"it has more than {LARGEST} bytes")
        # A few of them can stand for more than fits into memory; a run writes none.
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, LOADER)):
            raise ValueError("it has aliases")
        content = yaml.load(text, LOADER)
    # Beside its own errors PyYAML raises IndexError, KeyError and AttributeError for values that contradict their tag.
    except Exception as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())[:150] or type(error).__name__
        raise ValueError(reason) from None
    if not isinstance(content, dict):
        raise ValueError("it holds no names")
    return content


def recorded_threads(run: str) -> tuple[int, int] | None:
    """Return the threads and the processes that a replayed run was made with; None if its status.json does not say."""
    try:
        with open_regular(find_config(run).with_name("status.json")) as file:
            status = json.loads(file.read(LARGEST))
        counts = status["threads"], status["processes"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    known = all(isinstance(count, int) and 0 < count <= MOST_THREADS for count in counts)
    return counts if known else None
