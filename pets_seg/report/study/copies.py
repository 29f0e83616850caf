"""Which runs are copies of one another, and of which data those are that lie in several places."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pets_seg.run_folder.config_file import given_paths

if TYPE_CHECKING:
    from pets_seg.report.study.runs import Run

# Settings that are places of files: where the digest of the data is the same, they say nothing.
PLACES = ("data.root", "data.lists")


def drop_copies(runs: "Sequence[Run]") -> "tuple[list[Run], list[tuple[Run, Run]]]":
    """Return runs without the copies of one, of which the first finished one is taken; and each copy with that.

    Runs of one name are copies if they record the same data, or, where one records none, lie at the same place. Runs of
    a folder that was moved between them get its first place.
    """
    _take_first_place(runs)
    found: dict[tuple[str, Any], list[Run]] = {}
    copies = []
    for run in runs:
        # In two projects the same command names different data, and makes runs of the same name.
        namesakes, digest = found.setdefault((run.name, run.settings.get("data.root")), []), run.data.digest
        first = next((one for one in namesakes if digest is None or one.data.digest in (None, digest)), None)
        if first is None:
            namesakes.append(run)
        elif run.folder.resolve() != first.folder.resolve():
            kept, other = (run, first) if run.finished and not first.finished else (first, run)
            copies.append((other, kept))
            namesakes[namesakes.index(first)] = kept
    return [run for namesakes in found.values() for run in namesakes], copies


def _take_first_place(runs: "Sequence[Run]") -> None:
    places: dict[tuple[str | None, str], Any] = {}
    for run in runs:
        for key in PLACES:
            if run.data.digest and key in run.settings:
                run.settings[key] = places.setdefault((run.data.digest, key), run.settings[key])


def write_places_as_given(runs: "Sequence[Run]") -> None:
    """Let settings of runs have the place of data as their commands gave it, if that tells those of all runs apart."""
    for key in PLACES:
        whole = {run.folder: run.settings.get(key) for run in runs}
        given = {run.folder: given_paths(run.config).get(key, whole[run.folder]) for run in runs}
        first: dict[Any, Any] = {}
        for folder, place in whole.items():
            first.setdefault(place, given[folder])
        # The same place may have been given in two ways.
        if len(set(map(str, first.values()))) == len(first):
            for run in runs:
                if key in run.settings:
                    run.settings[key] = first[whole[run.folder]]
