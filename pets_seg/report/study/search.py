"""The searches that a study's folders hold, whose trials are compared by validation Dice, and with nothing else."""

import math
from collections.abc import Sequence
from pathlib import Path

from pets_seg.errors import escaped
from pets_seg.report.study.runs import LeftOut, Run
from pets_seg.report.study.words import count
from pets_seg.run_folder.names import STUDY
from pets_seg.run_folder.search import Search, Trial, read_search


def find_searches(folders: Sequence[Path], runs: Sequence[Run]) -> list[Search]:
    """Return the searches in `folders` and in those that `runs` lie in; InputError if one cannot be understood."""
    places = {place.resolve(): place for place in [*(run.folder.parent for run in runs), *folders]}
    return [search for place in places.values() if (search := read_search(place))]


def without_trials(runs: Sequence[Run], searches: Sequence[Search]) -> tuple[list[Run], list[LeftOut]]:
    """Return the runs that are no trials, and of each search, unless there are only trials, that it was left out."""
    trials = {run.folder: search for search in searches for run in runs_of(search, runs)}
    others = [run for run in runs if run.folder not in trials]
    left_out = []
    for search in searches if others else ():
        number = [*trials.values()].count(search)
        if number:
            why = f"{count(number, 'run')} beside it: trials of a search, which are not compared with other runs"
            left_out.append(LeftOut(escaped(str(search.folder / STUDY)), why))
    return others, left_out


def runs_of(search: Search, runs: Sequence[Run]) -> list[Run]:
    """Return those of `runs` that are trials of a search."""
    names, place = {trial.run for trial in search.trials}, search.folder.resolve()
    return [run for run in runs if run.name in names and run.folder.parent.resolve() == place]


def best_trial(search: Search, runs: Sequence[Run]) -> tuple[Trial | None, str]:
    """Return the trial of the greatest validation Dice, or None and why there is none that can be named."""
    if not search.complete:
        return None, "No trial has ended with a Dice yet."
    if len({run.data.digest for run in runs_of(search, runs) if run.data.digest}) > 1:
        return None, (
            "The trials are of different data, because files changed during the search, so that none can be called "
            "the best; search again under another name."
        )
    return search.complete[0], ""


def disagreeing(search: Search, runs: Sequence[Run]) -> list[str]:
    """Return the names of finished runs whose validation Dice is no longer the one that the search was told."""
    told = {trial.run: trial.dice for trial in search.complete}
    return [
        run.name
        for run in runs_of(search, runs)
        if run.finished and run.name in told and not math.isclose(run.number("best_val_dice"), told[run.name])
    ]
