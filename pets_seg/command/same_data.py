"""Whether a run was trained on the data that there are now."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pets_seg.data import ensure_decoded
from pets_seg.data.decoded import look_at
from pets_seg.run_folder.folder import RunFolder
from pets_seg.run_folder.recorded_data import check_same_data


def check_recorded(config: Mapping[str, Any], path: Path) -> str:
    """Raise InputError if the run in a folder was trained on other data than there are now, unless it starts again.

    Returns what has to be said of how the data are decoded now, "" if nothing.
    """
    folder = RunFolder(path)
    status = folder.read_status()
    if config["existing"] == "restart" or not (status.get("state") == "finished" or folder.last.exists()):
        return ""
    return check_same_data(path, status.get("data"), *data_now(config))


def data_now(config: Mapping[str, Any]) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """Return what status.json and data.csv of a run would say of the data now; nothing if a dry run cannot know it."""
    index = look_at(config["data"]).index if config["dry_run"] else ensure_decoded(config["data"])[1]
    return (index.record(config["data"]["boundary"]), [file._asdict() for file in index.files]) if index else ({}, [])
