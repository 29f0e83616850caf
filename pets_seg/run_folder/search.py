"""The search for settings that a sweep's folder holds: its trials, from the database that Optuna keeps there."""

import json
import math
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pets_seg.errors import InputError, escaped, reason
from pets_seg.run_folder.lock import is_held
from pets_seg.run_folder.names import STUDY

# The attributes of the study and of a trial in which the sweeper writes what it knows of them.
SEARCH, TRIAL = "pets_seg_search", "pets_seg_trial"
COMPLETE, FAILED, RUNNING, INTERRUPTED = "complete", "failed", "running", "interrupted"
STATES = {"COMPLETE": COMPLETE, "FAIL": FAILED, "RUNNING": RUNNING, "WAITING": INTERRUPTED}
# Optuna's schema since version 3; objective 0 is the only one of a study that maximises one value.
TRIALS = """
    SELECT trials.number + 1, trials.state, trial_values.value, trial_user_attributes.value_json
    FROM trials
    LEFT JOIN trial_values ON trial_values.trial_id = trials.trial_id
    LEFT JOIN trial_user_attributes ON trial_user_attributes.trial_id = trials.trial_id AND key = ?
    ORDER BY trials.number
"""


@dataclass(frozen=True)
class Trial:
    """One trial, the first is 1: its `state` (one of the four words above), validation Dice or NaN, and its run.

    `words` are its settings as a command has them; `run` is "" where they could not be composed, and `error` why.
    """

    number: int
    state: str
    dice: float
    words: tuple[str, ...] = ()
    run: str = ""
    error: str = ""


@dataclass(frozen=True)
class Search:
    """A search: `space` says what each searched key may be, `settings` those of a run at one end of the space.

    `words` are those of the command that are not searched, None where a file says what is; `seed` is that of the runs.
    """

    folder: Path
    settings: dict[str, Any]
    space: dict[str, str]
    words: Sequence[str] | None
    seed: int
    trials: list[Trial] = field(default_factory=list)

    @property
    def complete(self) -> list[Trial]:
        """The trials that have a validation Dice, the best first."""
        return sorted((trial for trial in self.trials if trial.state == COMPLETE), key=lambda trial: -trial.dice)


def read_search(folder: Path) -> Search | None:
    """Return the search in the folder of a sweep, None if there is none; InputError if it cannot be understood."""
    path = folder / STUDY
    if not path.exists():
        return None
    try:
        # Not read-only: after a crash the database first takes back what was half-written.
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True)) as database:
            directions = [row[0] for row in database.execute("SELECT direction FROM study_directions")]
            rows = list(database.execute("SELECT value_json FROM study_user_attributes WHERE key = ?", [SEARCH]))
            trials = list(database.execute(TRIALS, [TRIAL]))
        if directions != ["MAXIMIZE"] or len(rows) != 1:
            raise ValueError("it is not a search of this program")
        search = _search(folder, **json.loads(rows[0][0]))
        held = is_held(folder)
        search.trials.extend(_trial(held, *row) for row in trials)
    except (sqlite3.Error, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise InputError(
            f"{path}: cannot be read as a search ({escaped(reason(error))}); without it the runs beside it cannot be "
            "told from seeds, so bring it back, or move these runs and it to another folder"
        ) from None
    return search


def _search(folder: Path, settings: Any, space: Any, words: Any, seed: Any) -> Search:
    texts = [*settings, *space, *space.values(), *(words or [])]
    if not all(isinstance(text, str) for text in texts) or type(seed) is not int:
        raise ValueError("its settings are not what a search writes")
    space = {escaped(key): escaped(text) for key, text in space.items()}
    return Search(folder, dict(settings), space, words, seed)


def _trial(held: bool, number: int, state: str, value: float | None, known: str | None) -> Trial:
    """Return a trial of its row; one that had not got its settings yet when the command was killed has none."""
    given = json.loads(known) if known else {}
    words, run, error = given.get("words", []), given.get("run", ""), given.get("error", "")
    if not all(isinstance(text, str) for text in (*words, run, error)):
        raise ValueError(f"trial {number} is not what a search writes")
    named = STATES[state]
    if named == RUNNING and not held:
        named = INTERRUPTED
    if named == COMPLETE and (value is None or not math.isfinite(value)):
        raise ValueError(f"trial {number} has no value")
    return Trial(number, named, math.nan if value is None else float(value), tuple(words), escaped(run), escaped(error))
