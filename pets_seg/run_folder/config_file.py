"""How a run was made, as its folder, which may be a stranger's, says."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from pets_seg.config.groups import IDENTITY
from pets_seg.errors import InputError, printable, reason
from pets_seg.machine.files import absolute, read_limited
from pets_seg.run_folder.names import CONFIG, HYDRA, STATUS
from pets_seg.run_folder.reading import read_json

LARGEST = 1_000_000
MOST_THREADS = 4096
# The key of config.yaml that keeps paths as the command gave them, which is how they count in the run's name.
GIVEN = "given"
# The folder of all sweeps, in the one where a command starts.
RUNS = "runs"
# LibYAML's, ten times as fast, where PyYAML was built with it.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def find_config(run: str) -> Path:
    """Return the config.yaml of a run folder; `run` is the folder or a file in it."""
    path = absolute(run)
    for folder in (path, *path.parents[:2]):
        if os.path.isfile(folder / CONFIG):
            return folder / CONFIG
    raise InputError(f"replay={run}: holds no {CONFIG}; give a run folder, e.g. replay=runs/default/RUN")


def read_config(file: Path) -> dict[str, Any]:
    """Return a run's config.yaml as plain values, data.root as in `with_absolute_root`; InputError if it is none."""
    try:
        config = load_plain(file)
        for key in IDENTITY:
            if key not in config:
                raise ValueError(f"it has no {key}")
            if key != "seed" and not (isinstance(config[key], dict) and "name" in config[key]):
                raise ValueError(f"its {key} has no name")
    except ValueError as error:
        raise InputError(f"{file}: is not the {CONFIG} of a run ({error}); give another run") from None
    return with_absolute_root(config, file.parent)


def with_absolute_root(config: dict[str, Any], run: Path) -> dict[str, Any]:
    """Return the configuration of a run folder with its data.root absolute, as older versions did not record it.

    A relative one is seen from the folder in which the run was made; if that is not known, it stays as it is.
    """
    data = config.get("data")
    root = data.get("root") if isinstance(data, Mapping) else None
    if not isinstance(data, Mapping) or not isinstance(root, str) or not root or os.path.isabs(root):
        return config
    whole = os.path.expanduser(root)
    if not os.path.isabs(whole):
        made_in = _made_in(run)
        if made_in is None or whole.startswith("~"):
            return config
        whole = str(made_in / whole)
    return {**config, "data": {**data, "root": whole}, GIVEN: {"data.root": root}}


def given_paths(config: Mapping[str, Any]) -> dict[str, str]:
    """Return by dotted key the paths of a read configuration that its command gave in another form than an absolute."""
    given = config.get(GIVEN)
    return {key: path for key, path in given.items() if isinstance(path, str)} if isinstance(given, Mapping) else {}


def root_problem(data: Mapping[str, Any]) -> str:
    """Return why the images of a run's data.root cannot be read, if it is not known or not there; or nothing.

    Those of a folder that happens to have the same name here would be taken for the run's.
    """
    root = data.get("root")
    if not isinstance(root, str):
        return ""
    place = os.path.expanduser(root)
    if not os.path.isabs(place) and not root.startswith("~"):
        return f"data.root={printable(root)} is relative, and the folder in which the run was made is not known"
    missing = not os.path.exists(place) and not data.get("download")
    return f"the run's data.root={printable(root)} is not there" if missing else ""


def load_plain(file: Path) -> dict[str, Any]:
    """Return the plain values of a YAML file, which may be a stranger's; ValueError, saying why, if it has no names."""
    try:
        text = read_limited(file, LARGEST)
        # LibYAML refuses what PyYAML writes of a path that is not UTF-8.
        loader = yaml.SafeLoader if b"\\uDC" in text else LOADER
        # A few aliases can stand for more than fits into memory; a run writes none.
        if b"*" in text and any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, loader)):
            raise ValueError("it has aliases")
        content = yaml.load(text, loader)
    # Beside its own errors PyYAML raises IndexError, KeyError and AttributeError for values that contradict their tag.
    except Exception as error:
        raise ValueError(reason(error)) from None
    if not isinstance(content, dict):
        raise ValueError("it is not a mapping")
    return content


def recorded_threads(run: Path) -> tuple[int, int] | None:
    """Return the threads and the processes that a run was made with; None if its status.json does not say."""
    try:
        status = read_json(run / STATUS)
        counts = status["threads"], status["processes"]
    except (ValueError, KeyError):
        return None
    known = all(isinstance(count, int) and 0 < count <= MOST_THREADS for count in counts)
    return counts if known else None


def _made_in(run: Path) -> Path | None:
    """Return the folder in which the command of a run was started; None if it is not known."""
    try:
        started = load_plain(run / HYDRA)["hydra"]["runtime"]["cwd"]
    except (ValueError, KeyError, TypeError):
        started = None
    if isinstance(started, str) and os.path.isabs(started):
        return Path(started)
    # Without Hydra's files the place of the run says it, unless a link leads to the run from somewhere else.
    shown, place = Path(os.path.abspath(run)), run.resolve()
    if min(len(shown.parents), len(place.parents)) < 3 or place.parents[1].name != RUNS:
        return None
    return place.parents[2] if shown.parents[2].resolve() == place.parents[2] else None
