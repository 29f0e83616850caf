"""What a sweep ends with: runs.csv, the jobs that failed, and the groups side by side."""

from pathlib import Path

import pandas as pd

from pets_seg.files import write_text
from pets_seg.report.runs import GROUPS, read_runs

REACHED = {"epochs_to_080": "epochs to 0.80", "epochs_to_085": "to 0.85"}


def report_sweep(sweep: Path, runs: list[str]) -> bool:
    """Write `sweep`/runs.csv over all its runs, print the jobs and their comparison; return whether all finished.

    `runs` names the jobs of this command; a sweep folder may hold runs of earlier ones.
    """
    table = read_runs(sweep)
    if not table.empty:
        write_text(sweep / "runs.csv", table.to_csv(index=False))
    jobs = read_runs(sweep, runs) if runs else table
    print(f"\n{len(jobs)} runs in {sweep}, listed in {sweep / 'runs.csv'}\n")
    if jobs.empty:
        return False
    print(jobs_table(jobs))
    finished = jobs[jobs["state"] == "finished"]
    if not finished.empty:
        print(f"\nmean ± standard deviation over seeds\n\n{comparison_table(finished)}")
    for _, job in jobs[jobs["state"] != "finished"].iterrows():
        print(f"\n{job['run']} {job['state']}: {job['error'] or 'no reason recorded'}")
    return len(jobs) == len(runs or jobs) and bool((jobs["state"] == "finished").all())


def jobs_table(jobs: pd.DataFrame) -> str:
    """Return a line a job: its name, state and best figures."""
    shown = pd.DataFrame({"run": jobs["run"], "state": jobs["state"]})
    for key, title in (("best_val_dice", "val dice"), ("test_dice", "test dice")):
        if key in jobs:
            shown[title] = jobs[key].map(lambda value: "" if pd.isna(value) else f"{value:.4f}")
    return _text(shown)


def comparison_table(finished: pd.DataFrame) -> str:
    """Return a line a group, a group being the runs that differ in nothing but the seed."""
    by = differing_keys(finished) or ["model"]
    lines = []
    for values, group in finished.groupby(by, sort=False, dropna=False):
        line = {"group": " ".join(f"{key}={value}" for key, value in zip(by, values, strict=True))}
        line["seeds"] = str(len(group))
        line["val dice"] = _spread(group["best_val_dice"])
        line["test dice"] = _spread(group["test_dice"])
        for key, title in REACHED.items():
            line[title] = _reached(group[key])
        line["minutes a run"] = f"{group['train_seconds'].mean() / 60:.1f}"
        lines.append(line)
    return _text(pd.DataFrame(lines))


def differing_keys(runs: pd.DataFrame) -> list[str]:
    """Return what sets groups of runs apart: the groups whose options differ, and the keys that these do not decide."""
    groups = [group for group in GROUPS if runs[group].nunique() > 1]
    keys = [key for key in runs.columns if "." in key]
    # With optimizer=adam,sgd the weight decay differs too, but the optimizer's name says so.
    decided = [
        key
        for key in keys
        if key.partition(".")[0] in groups
        and runs.groupby(key.partition(".")[0])[key].agg(lambda values: values.astype(str).nunique()).max() == 1
    ]
    return [*groups, *(key for key in keys if key not in decided)]


def _spread(values: pd.Series) -> str:
    return f"{values.mean():.4f} ± {values.std():.4f}" if len(values) > 1 else f"{values.mean():.4f}"


def _reached(epochs: pd.Series) -> str:
    known = epochs.dropna()
    if known.empty:
        return "not reached"
    return f"{known.mean():.1f}" + (f" ({len(known)} of {len(epochs)})" if len(known) < len(epochs) else "")


def _text(table: pd.DataFrame) -> str:
    widths = [max(len(name), *table[name].map(len)) for name in table]
    lines = [table.columns, *table.itertuples(index=False)]
    return "\n".join(
        "  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )
