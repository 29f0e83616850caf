"""The weights that runs started or learned from: what a report calls them."""

from collections.abc import Sequence
from pathlib import Path

from pets_seg.config.weights import BEST, DIGESTS, Weights, named_weights
from pets_seg.report.study.runs import Run

# The key of the weights, among the settings of a run, that it started from.
KEY = "checkpoint"
# Of a SHA-256, so many digits are shown.
DIGITS = 12


def name_starts(runs: Sequence[Run]) -> None:
    """Let the settings of runs that are weights be names of them, one for each digest, instead of the digest.

    It is the name of their run or file, with digits of the digest where that is the same for other weights.
    """
    for key in DIGESTS:
        known = _known(runs, key)
        names = {weights.digest: _name(weights.path) for _, weights in reversed(known)}
        for run, weights in known:
            name = names[weights.digest]
            unique = [*names.values()].count(name) == 1
            run.settings[key] = name if unique else f"{name}@{weights.digest[:DIGITS]}"


def starts(runs: Sequence[Run], key: str = KEY) -> list[str]:
    """Return a text for each file of weights that any of `runs` has for `key`: its name, SHA-256 and path."""
    given = {weights.digest: (run, weights.path) for run, weights in _known(runs, key)}
    return [f"{run.settings[key]} (SHA-256 {digest}, {path})" for digest, (run, path) in given.items()]


def _known(runs: Sequence[Run], key: str) -> list[tuple[Run, Weights]]:
    found = [(run, named_weights(run.config).get(key)) for run in runs if run.settings.get(key)]
    return [(run, weights) for run, weights in found if weights]


def _name(path: Path) -> str:
    # Within a run the name of the file says nothing.
    ours = path.parts[-len(Path(BEST).parts) :] == Path(BEST).parts
    return path.parents[1].name if ours else path.name
