"""What the test images of runs are scored against: the same masks, read alike, or others."""

from collections.abc import Callable, Hashable, Sequence
from functools import cache
from pathlib import Path

from pets_seg.report.study.groups import comparable, differing_settings, written
from pets_seg.report.study.runs import Run
from pets_seg.report.study.study import Study
from pets_seg.report.study.words import listed
from pets_seg.run_folder.data_record import TRUTH, read_data

# Settings of the data with any value of which a mask means the same.
READ_ALIKE = ("data.size", "data.normalisation")
# The one setting that decides what masks mean which runs have had since before they recorded it.
BOUNDARY = "data.boundary"


def other_truths(study: Study) -> list[str]:
    """Return a sentence that names the groups which are scored against other masks than their baseline, if any are."""
    pairs = [(item.group, item.baseline) for item in study.differences if item.metric == study.metric]
    # Groups have their baseline in common.
    truths = cache(_truths)
    names = [group.short for group, baseline in pairs if _other_masks(group.finished[0], baseline.finished[0], truths)]
    if not names:
        return []
    if len(names) == 1:
        return [
            f"{names[0]} is scored against other masks than its baseline, so that the difference between them is not "
            "one of predictions alone."
        ]
    return [
        f"{listed(names, 'and')} are scored against other masks than their baseline, so that the differences between "
        "them are not of predictions alone."
    ]


def readings(runs: Sequence[Run]) -> list[tuple[str, int]]:
    """Return the settings that tell apart how runs of the same data read their masks, with the number of such runs.

    Where all read them alike there is one item, without settings.
    """
    alike: dict[Hashable, list[Run]] = {}
    keys = [key for key in differing_settings(runs) if key.startswith("data.") and key not in READ_ALIKE]
    for run in runs:
        alike.setdefault(_truth(run) if keys else None, []).append(run)
    # A setting that differs among runs which read masks alike does not explain it.
    explain = [key for key in keys if all(len(_values(same, key)) == 1 for same in alike.values())]
    return [
        (" ".join(f"{key}={written(same[0].settings.get(key))}" for key in explain if len(alike) > 1), len(same))
        for same in alike.values()
    ]


def _other_masks(run: Run, other: Run, truths: Callable[[Path], dict[str, str]]) -> bool:
    """Return whether some test images of two runs are scored against different masks."""
    if run.data.digest == other.data.digest and _reading(run) == _reading(other):
        return False
    ours, theirs = truths(run.folder), truths(other.folder)
    if ours and theirs:
        return any(ours[stem] != theirs[stem] for stem in ours.keys() & theirs.keys())
    return len(_values([run, other], BOUNDARY)) > 1


def _truth(run: Run) -> Hashable:
    return tuple(sorted(_truths(run.folder).items())) or comparable(run.settings.get(BOUNDARY))


def _truths(run: Path) -> dict[str, str]:
    """Return the digest of what each test image is scored against; nothing if a run did not record it."""
    try:
        rows = read_data(run)
    except ValueError:
        return {}
    return {row["stem"]: truth for row in rows if row["split"] == "test" and (truth := row.get(TRUTH))}


def _reading(run: Run) -> dict[str, Hashable]:
    keys = [key for key in run.settings if key.startswith("data.") and key not in READ_ALIKE]
    return {"data": run.options["data"], **{key: comparable(run.settings[key]) for key in keys}}


def _values(runs: Sequence[Run], key: str) -> set[Hashable]:
    return {comparable(run.settings.get(key)) for run in runs}
