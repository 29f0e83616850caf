"""What a sweep ends with: its jobs, those that failed, and the groups side by side."""

from collections.abc import Sequence

from pets_seg.report.sentences import answer
from pets_seg.report.study import Study
from pets_seg.report.tables import jobs_table, terminal_table, text


def show_sweep(study: Study, names: Sequence[str]) -> bool:
    """Print the jobs of a sweep, their comparison and why any did not finish; return whether all did.

    `names` are the run folders of this command's jobs; the sweep's folder may hold runs of earlier ones. Without names,
    where another sweeper chose the jobs, all runs count.
    """
    [folder] = study.folders
    jobs = [run for run in study.runs if run.name in names] if names else study.runs
    print(f"\n{len(jobs)} runs in {folder}, listed in {folder / 'runs.csv'}\n")
    if not jobs:
        return False
    print(text(jobs_table(study, names)))
    if any(run.finished for run in study.runs):
        print(f"\nmean ± standard deviation over seeds; differences of test Dice in points\n\n{show_groups(study)}")
    for run in jobs:
        if not run.finished:
            reason = "another process is at work on it" if run.state == "running" else "no reason recorded"
            print(f"\n{run.name} {run.state}: {run.error or reason}")
    for item in study.left_out[:10]:
        print(f"\nleft out: {item.what}: {item.why}")
    return len(jobs) == len(names or jobs) and all(run.finished for run in jobs)


def show_groups(study: Study) -> str:
    """Return the comparison and what it says, for a terminal."""
    return "\n\n".join((text(terminal_table(study)), "\n".join(answer(study))))
