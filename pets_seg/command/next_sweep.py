"""What is proposed after a sweep that tells nothing apart: the sequential sweep, which adds seeds until it can."""

import textwrap
from collections.abc import Sequence
from datetime import datetime

from omegaconf import DictConfig

from pets_seg.command.arguments import key_of
from pets_seg.command.jobs import chosen_later
from pets_seg.command.sweeps import listed
from pets_seg.machine.terminal import duration, python, shell, width
from pets_seg.report.study.runs import Run
from pets_seg.report.study.study import Study
from pets_seg.report.study.verdicts import Verdict, compared, verdict

# In points; the difference that is not worth having is the user's to say.
MARGIN = 1
MOST_SEEDS = 20
NOT_NEXT = {"seed", "name", "existing", "dry_run", "hydra/sweeper"}


def proposal(study: Study, config: DictConfig, runs: Sequence[str], typed: Sequence[str]) -> str:
    """Return the command that would tell the groups of a sweep apart, "" if some are or if that is not known.

    `typed` are the words of the command that ends, and `runs` the names of its runs. Of a command that has not all
    groups no other follows.
    """
    if chosen_later(config.hydra) or not all({*runs} & {run.name for run in group.runs} for group in study.groups):
        return ""
    differences = compared(study)
    undecided = (Verdict.UNDECIDED, Verdict.UNCORRECTED)
    if study.design or study.searches or not differences or any(verdict(item) not in undecided for item in differences):
        return ""
    seeds = [run.seed for group in study.groups for run in group.runs]
    words = [word for word in typed if word not in ("-m", "--multirun") and not _is_left_out(key_of(word))]
    words += [
        "hydra/sweeper=sequential",
        f"hydra.sweeper.margin={MARGIN}",
        f"hydra.sweeper.first_seed={max(seeds) + 1}",
    ]
    words += ["~hydra.sweeper.params.seed"] if "seed" in listed(config) else []
    words += [f"name={config.name}_decided"]
    seconds = sum(_mean([*filter(None, map(_seconds, group.finished))]) for group in study.finished) * MOST_SEEDS
    time = f", about {duration(round(seconds))} of computing at most" if seconds else ""
    text = (
        f"These seeds tell nothing apart. Add seeds until every group is better, worse, or equal within {MARGIN} point "
        f"(at most {MOST_SEEDS} each{time}):"
    )
    # The command is not wrapped, so that it can be copied.
    return f"{textwrap.fill(text, width())}\n\n  {python()} -m pets_seg.run -m {shell(words)}"


def _is_left_out(key: str) -> bool:
    """Whether a word of the command says which seeds, where and how, or what only its own sweeper knows."""
    return key in NOT_NEXT or key.startswith("hydra.sweep.") or key.startswith("hydra.sweeper.max_batch")


def _seconds(run: Run) -> float | None:
    """Return how long a run took that was not interrupted."""
    try:
        started, ended = (datetime.fromisoformat(run.status[key]) for key in ("started", "ended"))
    except (KeyError, TypeError, ValueError):
        return None
    return (ended - started).total_seconds() if run.status.get("since") == run.status["started"] else None


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
