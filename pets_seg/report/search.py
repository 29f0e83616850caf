"""What the terminal and the page say of a search: its trials, the best of them, and what to run next."""

import math
from collections import Counter

from pets_seg.errors import escaped
from pets_seg.machine.terminal import from_here, shell
from pets_seg.report.columns import Column, fitted
from pets_seg.report.study.search import best_trial, disagreeing
from pets_seg.report.study.study import Study
from pets_seg.report.study.words import count, listed
from pets_seg.report.tables import Table
from pets_seg.run_folder.search import Search, Trial

# Of more trials the terminal shows the best.
MOST_TRIALS = 10
# So many seeds are proposed for the best settings.
SEEDS = 5
# Keys that the command for the best settings sets itself.
OWN_KEYS = {"seed", "name", "existing"}
NO_SEEDS = (
    "Trials are no seeds of one another: each has settings of its own, and the best of them is also the luckiest. So "
    "there are no intervals and no verdicts, and no test Dice, for the choice was made on validation. To learn what "
    "the best settings give, run them with seeds that the search has not used; the command stands below."
)


def only_trials(study: Study) -> bool:
    """Whether a study has searches, and no run that is not one of their trials."""
    return bool(study.searches) and not study.groups


def search_sentences(study: Study) -> list[str]:
    """Return what there is to say of the searches of a study, the best trial first."""
    sentences = []
    for search in study.searches:
        best, why = best_trial(search, study.runs)
        if best:
            sentences.append(
                f"The best of {count(len(search.complete), 'trial')} is trial {best.number}: validation Dice "
                f"{best.dice:.4f} with {escaped(shell(best.words))}{_ties(search)}."
            )
        sentences += [why] if why else []
        sentences.append(f"{_heading(search)}.")
        if names := disagreeing(search, study.runs):
            sentences.append(
                f"{listed(names, 'and')}: trained again since, with another validation Dice than the search was told."
            )
        sentences += [NO_SEEDS] if next_command(study, search) else []
    return sentences


def next_command(study: Study, search: Search) -> str:
    """Return the words after `pets_seg.run` of the sweep over seeds with the best settings, "" if there are none."""
    best, _ = best_trial(search, study.runs)
    if best is None or not best.run:
        return ""
    # What a file says is searched would be searched again; the run itself says what it is.
    words = [f"replay={from_here((search.folder / best.run).absolute())}"]
    if search.words is not None:
        words = [*(word for word in search.words if word.lstrip("+").partition("=")[0] not in OWN_KEYS), *best.words]
    seeds = ",".join(str(search.seed + number) for number in range(1, SEEDS + 1))
    return shell(["-m", *words, f"seed={seeds}", f"name={search.folder.resolve().name}-seeds"])


def search_lines(study: Study, search: Search, width: int) -> str:
    """Return a search for a terminal: its trials, the best first, and what the best of them is."""
    # Those without a Dice come last, in their order.
    trials = [*search.complete, *(trial for trial in search.trials if math.isnan(trial.dice))]
    shown = trials[:MOST_TRIALS]
    columns = [
        Column("trial", [str(trial.number) for trial in shown]),
        Column("state", [trial.state for trial in shown]),
        Column("val Dice", [_dice(trial) for trial in shown]),
        *(Column(key, [_setting(trial, key) for trial in shown], 1) for key in search.space),
    ]
    lines = [_heading(search), "", fitted(columns, width)]
    if len(trials) > len(shown):
        lines.append(f"{len(trials) - len(shown)} more trials are in the page")
    best, why = best_trial(search, study.runs)
    if best:
        lines += ["", f"best      trial {best.number}: validation Dice {best.dice:.4f}{_ties(search)}"]
        lines += [f"settings  {shell(best.words)}", f"run       {search.folder / best.run}"]
    return "\n".join([*lines, *(["", why] if why else [])])


def trials_table(search: Search) -> Table:
    """Return all trials of a search, the best first."""
    trials = [*search.complete, *(trial for trial in search.trials if math.isnan(trial.dice))]
    rows = [
        [str(trial.number), trial.state, _dice(trial), *(_setting(trial, key) for key in search.space), trial.run]
        for trial in trials
    ]
    note = (
        "A trial is one run. val Dice is that of its best epoch, by which the search chose; numbers of settings are "
        "rounded, and whole in the run's config.yaml."
    )
    errors = [f"Trial {trial.number}: {trial.error}." for trial in trials if trial.error]
    return Table(
        f"Trials of {search.folder}",
        ["trial", "state", "val Dice", *search.space, "run"],
        rows,
        " ".join([note, *errors]),
    )


def values_of(trial: Trial) -> dict[str, str]:
    """Return the settings of a trial by key, as they were written."""
    return {key: value for key, _, value in (word.partition("=") for word in trial.words)}


def _heading(search: Search) -> str:
    states = Counter(trial.state for trial in search.trials)
    each = ", ".join(f"{number} {state}" for state, number in states.items())
    space = "; ".join(f"{key} {text}" for key, text in search.space.items())
    trials = count(len(search.trials), "trial")
    return f"Search in {search.folder} over {space}: {', '.join([trials, *([each] if each else [])])}"


def _ties(search: Search) -> str:
    """Return how many other trials have the Dice of the best, of which the first is named."""
    same = sum(trial.dice == search.complete[0].dice for trial in search.complete) - 1
    return f"; {count(same, 'later trial')} {'has' if same == 1 else 'have'} the same Dice" if same else ""


def _setting(trial: Trial, key: str) -> str:
    value = values_of(trial).get(key, "")
    try:
        return f"{float(value):.4g}" if "." in value or "e" in value else escaped(value)
    except ValueError:
        return escaped(value)


def _dice(trial: Trial) -> str:
    return "" if math.isnan(trial.dice) else f"{trial.dice:.4f}"
