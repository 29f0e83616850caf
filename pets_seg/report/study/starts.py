"""The weights that runs started from: what a report calls them."""

from collections.abc import Sequence
from pathlib import Path

from pets_seg.config.weights import BEST, DIGEST
from pets_seg.report.study.runs import Run

# The key of these weights among the settings of a run.
KEY = "checkpoint"
# Of a SHA-256, so many digits are shown.
DIGITS = 12


def name_starts(runs: Sequence[Run]) -> None:
    """Let `checkpoint` in the settings of runs be a name of the weights, one for each digest, instead of the digest.

    It is the name of their run or file, with digits of the digest where that is the same for other weights.
    """
    names: dict[str, str] = {}
    for run in runs:
        if digest := run.settings.get(KEY):
            names.setdefault(digest, _name(run))
    for run in runs:
        if digest := run.settings.get(KEY):
            name = names[digest]
            unique = [*names.values()].count(name) == 1
            run.settings[KEY] = name if unique else f"{name}@{digest[:DIGITS]}"


def starts(runs: Sequence[Run]) -> list[str]:
    """Return a text for each file of weights that any of `runs` started from: its name, SHA-256 and path."""
    given = {run.config[DIGEST]: run for run in runs if run.settings.get(KEY)}
    return [f"{run.settings[KEY]} (SHA-256 {digest}, {run.config[KEY]})" for digest, run in given.items()]


def _name(run: Run) -> str:
    path = Path(str(run.config.get(KEY)))
    # Within a run the name of the file says nothing.
    ours = path.parts[-len(Path(BEST).parts) :] == Path(BEST).parts
    return path.parents[1].name if ours else path.name
