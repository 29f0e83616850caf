"""The origin of a comparison: its runs, their code and their machines."""

import math
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from pets_seg.config.weights import TEACHER
from pets_seg.errors import escaped
from pets_seg.machine.terminal import duration, shell
from pets_seg.report.data_remarks import data_of_runs
from pets_seg.report.provenance import commit_of, trained_by
from pets_seg.report.search import only_trials
from pets_seg.report.study.starts import starts
from pets_seg.report.study.study import Study

METHOD = (
    "Groups are the runs that differ in nothing but the seed. Differences are paired over seeds and test images; the "
    "interval is the wider of two t intervals, over seeds alone and over seeds and images (Obuchowski and Rockette "
    "1995, degrees of freedom by Satterthwaite), p belongs to it, and Holm's correction is over the groups of a "
    "metric, over all main effects, or over all interactions. With one seed there is no p, and only the difference of "
    "a group has an interval, over images alone. How many seeds would be needed is a rough figure: it rests on how "
    "much these few differ."
)


def origin(study: Study, arguments: list[str]) -> list[tuple[str, str]]:
    """Return pairs of a name and a text, with the `arguments` of the command line first."""
    statuses = [run.status for run in study.runs]
    seconds = sum(number for run in study.runs if not math.isnan(number := run.number("train_seconds")))
    pairs = [
        ("Trained by", trained_by(study)),
        ("Compared by", f"python -m pets_seg.run {shell(arguments)}"),
        ("Runs", f"{len(study.runs)} in {', '.join(map(str, study.folders))}, {duration(seconds)} of training"),
        ("Data", _listed(data_of_runs(study))),
        ("Started from", _listed(starts(study.runs))),
        ("Learned from", _listed(starts(study.runs, TEACHER))),
        ("Code", _listed(map(commit_of, study.runs))),
        ("Device", _listed(_device(status) for status in statuses)),
        ("System", _listed(status.get("platform") for status in statuses)),
        ("Versions", _listed(_versions(status.get("versions")) for status in statuses)),
        ("Written", datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")),
        ("Design", f"{study.design.hash}, declared {study.design.when}" if study.design else ""),
        ("Method", "" if only_trials(study) else study.design.method if study.design else METHOD),
    ]
    return [(name, escaped(text)) for name, text in pairs if text]


def _listed(values: Iterable[Any]) -> str:
    different = list(dict.fromkeys(str(value)[:300] for value in values if value))
    return "; ".join(different[:5]) + (f"; and {len(different) - 5} more" if len(different) > 5 else "")


def _device(status: dict[str, Any]) -> str | None:
    if "device" not in status:
        return None
    count = status.get("processes", 1)
    processes = f"{count} processes of " if isinstance(count, int) and count > 1 else ""
    instructions = f" ({status['instructions']})" if status["device"] == "cpu" and "instructions" in status else ""
    return f"{status['device']}{instructions}, {processes}{status.get('threads', '?')} threads"


def _versions(versions: Any) -> str | None:
    if not isinstance(versions, dict):
        return None
    names = ("python", "pets_seg", "torch", "torchvision", "kornia")
    return ", ".join(f"{name} {versions[name]}" for name in names if name in versions)
