"""How a run was made, as its folder, which may be a stranger's, says."""

import os
from pathlib import Path
from typing import Any

import yaml

from pets_seg.config.groups import IDENTITY
from pets_seg.errors import InputError, reason
from pets_seg.machine.files import read_limited
from pets_seg.run_folder.names import CONFIG, STATUS
from pets_seg.run_folder.reading import read_json

LARGEST = 1_000_000
MOST_THREADS = 4096
# LibYAML's, ten times as fast, where PyYAML was built with it.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def find_config(run: str) -> Path:
    """Return the config.yaml of a run folder; `run` is the folder or a file in it."""
    path = Path(os.path.expanduser(run)).absolute()
    for folder in (path, *path.parents[:2]):
        if os.path.isfile(folder / CONFIG):
            return folder / CONFIG
    raise InputError(f"replay={run}: holds no {CONFIG}; give a run folder, e.g. replay=runs/default/RUN")


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
        raise InputError(f"{file}: is not the {CONFIG} of a run ({error}); give another run") from None
    return config


def load_plain(file: Path) -> dict[str, Any]:
    """Return the plain values of a YAML file, which may be a stranger's; ValueError, saying why, if it has no names."""
    try:
        text = read_limited(file, LARGEST)
        # LibYAML refuses what PyYAML writes of a path that is not UTF-8.
        loader = yaml.SafeLoader if b"\\uDC" in text else LOADER
        # A few aliases can stand for more than fits into memory; a run writes none.
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, loader)):
            raise ValueError("it has aliases")
        content = yaml.load(text, loader)
    # Beside its own errors PyYAML raises IndexError, KeyError and AttributeError for values that contradict their tag.
    except Exception as error:
        raise ValueError(reason(error)) from None
    if not isinstance(content, dict):
        raise ValueError("it is not a mapping")
    return content


def recorded_threads(run: str) -> tuple[int, int] | None:
    """Return the threads and the processes that a replayed run was made with; None if its status.json does not say."""
    try:
        status = read_json(find_config(run).with_name(STATUS))
        counts = status["threads"], status["processes"]
    except (ValueError, KeyError):
        return None
    known = all(isinstance(count, int) and 0 < count <= MOST_THREADS for count in counts)
    return counts if known else None
