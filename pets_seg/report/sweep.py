"""What the terminal shows at the end of a sweep: jobs, why any failed, the groups side by side, and their verdicts."""

import textwrap
from collections.abc import Sequence
from pathlib import Path

from pets_seg.machine.terminal import coloured, link, width
from pets_seg.report.columns import groups_table, jobs_table
from pets_seg.report.lines import verdict_lines
from pets_seg.report.sentences import interaction_sentences, remarks
from pets_seg.report.study.study import Study
from pets_seg.report.study.words import count

MOST_LEFT_OUT = 10
# Text is not wrapped to fewer columns, whatever the terminal says.
NARROWEST = 20


def show_sweep(study: Study, names: Sequence[str], page: Path | None, wandb: str | None = None) -> bool:
    """Print the jobs of a sweep, why any did not finish, and their comparison; return whether all did.

    `names` are the run folders of this command's jobs; the sweep's folder may hold runs of earlier ones. Without names,
    where another sweeper chose the jobs, all runs count. `wandb` is the address of the runs or the report in W&B.
    """
    [folder] = study.folders
    jobs = [run for run in study.runs if run.name in names] if names else study.runs
    print(f"\n{count(len(jobs), 'run')} in {folder}, listed in {folder / 'runs.csv'}")
    if jobs:
        print(f"\n{jobs_table(study, names, width())}")
    for run in jobs:
        if not run.finished:
            reason = "another process is at work on it" if run.state == "running" else "no reason recorded"
            print(f"\n{run.name} {run.state}: {run.error or reason}")
    show_comparison(study, page, wandb)
    return bool(jobs) and len(jobs) == len(names or jobs) and all(run.finished for run in jobs)


def show_comparison(study: Study, page: Path | None, wandb: str | None = None) -> None:
    """Print what was left out, the groups, the address of their page (None: it could not be made), and the verdicts."""
    wide = width()
    left_out = [f"left out: {item.what}: {item.why}" for item in study.left_out[:MOST_LEFT_OUT]]
    if len(study.left_out) > MOST_LEFT_OUT:
        left_out.append(f"left out: {len(study.left_out) - MOST_LEFT_OUT} more")
    verdicts = [*verdict_lines(study), *((sentence, "") for sentence in interaction_sentences(study, most=1))]
    parts = [
        left_out,
        [groups_table(study, wide)] if any(run.finished for run in study.runs) else [],
        [_wrapped(remark, wide) for remark in remarks(study)],
        [f"W&B       {wandb.replace(chr(10), chr(10) + ' ' * 10)}"] if wandb else [],
        [f"page      {link(page)}"] if page else [],
        [_wrapped(line, wide, colour) for line, colour in verdicts],
    ]
    for part in parts:
        if part:
            print("\n" + "\n".join(part))


def _wrapped(text: str, wide: int, colour: str = "") -> str:
    lines = textwrap.wrap(text, max(wide, NARROWEST), subsequent_indent="  ", break_on_hyphens=False)
    return "\n".join(coloured(line, colour) if colour else line for line in lines)
