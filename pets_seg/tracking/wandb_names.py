"""What a run is called in W&B: by its settings, by W&B's own variables, or by the agent whose trial it is."""

import glob
import hashlib
import json
import os
import shlex
import shutil
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pets_seg.errors import escaped
from pets_seg.machine.files import write_text
from pets_seg.machine.terminal import from_here, python
from pets_seg.run_folder.names import STATUS, WANDB
from pets_seg.run_folder.reading import read_json

PROJECT = "pets_seg"
# Files in wandb/ of a run folder, each name followed by the id of a W&B run: the names of that run, and a mark that the
# server has a part of it, to which `wandb sync` would append the whole.
ABOUT = "about"
PARTLY = "partly-uploaded"
WHOLE = "uploaded"
# What numbers the lines of a W&B run's history, as the first kind of file says. Without the word it is their order,
# as in runs that an older version began: the server takes no line beside one that it has.
HISTORY, BY_STEPS, BY_ORDER = "history", "steps", "order"
# Whether a W&B run got the summary of a finished run, as the first kind of file says: another tracker may see the end.
ENDED = "ended"
# Whether the server refused pictures of lines that it has, as that file says.
LOST = "pictures_refused"
NO_FILE = "file transfer: upload: failed"
GIVEN_UP = ("filestream: fatal error", NO_FILE)


def in_trial() -> bool:
    """Return whether this process is a trial of a W&B sweep: `wandb agent` sets both variables."""
    return bool(os.environ.get("WANDB_SWEEP_ID") and os.environ.get("WANDB_RUN_ID"))


def project_name(given: str | None) -> str:
    """Return the project of a run whose tracker.project is `given`; that of a trial is its agent's."""
    variable = os.environ.get("WANDB_PROJECT")
    return (variable or given if in_trial() else given or variable) or PROJECT


def names(config: Mapping[str, Any], folder: Path, project: str | None) -> dict[str, Any]:
    """Return id, project, entity, group, name, job_type, tags, notes and sweep_id of the W&B run of a run folder."""
    tags = [*(config[group]["name"] for group in ("model", "aug", "optimizer")), f"seed {config['seed']}"]
    tags += [tag.strip() for tag in os.environ.get("WANDB_TAGS", "").split(",")]
    return {
        "id": os.environ["WANDB_RUN_ID"] if in_trial() else _run_id(config["name"], folder),
        "project": project_name(project),
        "entity": os.environ.get("WANDB_ENTITY"),
        "group": os.environ.get("WANDB_RUN_GROUP") or config["name"],
        "name": os.environ.get("WANDB_NAME") or folder.name,
        "job_type": os.environ.get("WANDB_JOB_TYPE") or config["task"]["name"],
        "tags": list(dict.fromkeys(filter(None, tags))),
        "notes": os.environ.get("WANDB_NOTES"),
        "sweep_id": os.environ["WANDB_SWEEP_ID"] if in_trial() else None,
    }


def with_history(about: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return the names of a W&B run that begins or goes on, with what is known of its history.

    What numbers its lines is None if wandb/ does not say whether the run is new.
    """
    known = recorded(folder).get(about["id"])
    history = {HISTORY: None, LOST: False} if known is None else {HISTORY: BY_ORDER, LOST: False, **known}
    return {**about, HISTORY: history[HISTORY], LOST: history[LOST], ENDED: False}


def history_of(lines: int, summary: Mapping[str, Any]) -> str:
    """Return what numbers the lines of a W&B run, given the number behind its last one and its summary.

    By steps, the updates of its last epoch are below it. In the order of epochs they are not: an epoch has an update or
    more.
    """
    return BY_ORDER if 0 < lines <= (summary.get("updates") or 0) else BY_STEPS


def pictures_refused(folder: Path, run_id: str) -> bool:
    """Return whether W&B's log of a run that was online says that its server did not take a picture."""
    logs = (folder / WANDB).glob(f"run-*-{glob.escape(run_id)}/logs/debug-internal.log")
    return any(NO_FILE in log.read_text("utf-8", "replace") for log in logs)


def refused(log: str) -> list[str]:
    """Return the lines of W&B's log in which it gives up sending something, which it tells nobody else."""
    return [line for line in log.splitlines() if any(words in line for words in GIVEN_UP)]


def record(folder: Path, about: Mapping[str, Any]) -> None:
    """Save the names of a W&B run in its run folder, so that a later upload has the same ones."""
    write_text(folder / WANDB / f"{ABOUT}-{about['id']}.json", json.dumps(dict(about), indent=2) + "\n")


def recorded(folder: Path) -> dict[str, dict[str, Any]]:
    """Return what `record` saved, by the id of the W&B run; files that cannot be read are left out."""
    runs = {}
    for path in sorted((folder / WANDB).glob(f"{ABOUT}-*.json")):
        with suppress(ValueError, KeyError, TypeError):
            about = read_json(path)
            # The file may be a stranger's, and the id becomes part of paths.
            if path.name == f"{ABOUT}-{about['id']}.json":
                runs[about["id"]] = {"entity": None, **about}
    return runs


def partly_mark(folder: Path, run_id: str) -> Path:
    """Return the mark that the server has a part of a W&B run; older versions had one for the folder, of the id ""."""
    return folder / WANDB / (f"{PARTLY}-{run_id}" if run_id else PARTLY)


def whole_mark(folder: Path, run_id: str) -> Path:
    """Return the mark that the server has all of a W&B run, as far as W&B's log says."""
    return folder / WANDB / f"{WHOLE}-{run_id}"


def waiting(folder: Path) -> dict[str, Path | None]:
    """Return the W&B runs that are not wholly uploaded, by id, with their offline files; None if these are gone."""
    runs: dict[str, Path | None] = {}
    for file in sorted((folder / WANDB).glob("offline-run-*/*.wandb")):
        # offline-run-<time>-<id>
        parts = file.parent.name.split("-", 3)
        if len(parts) == 4 and not file.with_suffix(".wandb.synced").exists():
            runs[parts[3]] = file.parent
    for mark in sorted((folder / WANDB).glob(f"{PARTLY}*")):
        run_id = mark.name.removeprefix(PARTLY).removeprefix("-")
        if run_id or not runs:
            runs.setdefault(run_id, None)
    return runs


def behind(folder: Path) -> list[str]:
    """Return the ids of W&B runs of a finished run that did not get its end: it went on with another tracker."""
    # Older versions did not say it.
    ids = [run_id for run_id, about in recorded(folder).items() if about.get(ENDED) is False]
    return ids if ids and is_finished(folder) else []


def is_finished(folder: Path) -> bool:
    """Return whether the status of a run folder says that the run is finished."""
    try:
        return read_json(folder / STATUS).get("state") == "finished"
    except ValueError:
        return False


def remove_files(folder: Path, run_id: str) -> None:
    """Remove W&B's files of a run that is sent again from its first row; mark it if the server has a part of it."""
    for files in (folder / WANDB).glob(f"*run-*-{glob.escape(run_id)}"):
        if files.name.startswith("run-") or any(files.glob("*.synced")):
            partly_mark(folder, run_id).touch()
        shutil.rmtree(files, ignore_errors=True)


def shown(path: Path) -> str:
    """Return a path as a user would write it in a shell command given in this folder."""
    return escaped(shlex.quote(str(from_here(path))))


def upload_command(folder: Path) -> str:
    """Return the command that uploads the offline files under `folder`, from a checkout or an installed package."""
    return f"{python()} -m pets_seg.tracking.wandb_sync {shown(folder)}"


def sweep_place(folder: Path) -> str | None:
    """Return where W&B has the runs in the folder of a sweep, and how offline files are uploaded; None if nowhere."""
    offline, addresses = 0, []
    for run in sorted(folder.glob(f"*/{WANDB}")):
        left = waiting(run.parent)
        offline += bool(left)
        addresses += [about.get("address") for key, about in recorded(run.parent).items() if key not in left]
    projects = Counter(address.rpartition("/runs/")[0] for address in addresses if address)
    parts = [f"{_runs(count)} in {project}" for project, count in projects.items()]
    parts += [f"offline files of {_runs(offline)}\nupload with {upload_command(folder)}"] if offline else []
    return "; ".join(parts) or None


def _runs(count: int) -> str:
    return "1 run" if count == 1 else f"{count} runs"


def _run_id(sweep: str, folder: Path) -> str:
    """Return an id that a run keeps when it is continued; a run that is restarted gets another one."""
    try:
        started = read_json(folder / STATUS).get("started")
    except ValueError:
        started = None
    return hashlib.sha256(json.dumps([sweep, folder.name, started]).encode()).hexdigest()[:16]
