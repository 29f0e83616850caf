"""What loss, Dice and calibration are at the epoch of the lowest validation loss, of the best Dice, and at the last.

    python stopping.py runs/long_training

Prints two tables of validation figures, and writes epochs.csv, three rows a run, and figure.png into results/ beside
this file.
"""

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

import matplotlib as mpl
import pandas as pd
from groups import runs_of
from matplotlib.figure import Figure
from run_courses import course, draw_courses
from run_groups import sweep_parser

from pets_seg.errors import InputError
from pets_seg.machine.files import write_text, write_whole
from pets_seg.report.plotting.looks import COLOURS, INK, STYLE, Look
from pets_seg.report.study.runs import Run
from pets_seg.report.study.statistics import over_seeds

FIGURES = {"loss": "val/loss", "dice": "val/dice", "ece": "val/ece"}
TITLES = {"val/loss": "validation loss", "val/dice": "validation Dice"}
LAST = "last epoch"
# What all else is compared with.
BASELINE = ("none", LAST)
DPI = 200


def main() -> None:
    """Print the tables and write the results."""
    given = sweep_parser(__file__, __doc__).parse_args()
    try:
        groups = runs_of(given.sweep)
        rows = pd.DataFrame([row for group, runs in groups.items() for run in runs for row in rows_of(group, run)])
    except InputError as error:
        raise SystemExit(str(error)) from None
    print(f"{means(rows)}\n\n{differences(rows)}")
    write_text(given.results / "epochs.csv", rows.to_csv(index=False))
    with mpl.rc_context(STYLE):
        figure = draw(groups)
        write_whole(given.results / "figure.png", lambda file: figure.savefig(file, format="png", dpi=DPI))


def rows_of(group: str, run: Run) -> list[dict[str, Any]]:
    """Return the validation figures of a run at the epoch of each rule; of equal epochs the first."""
    metrics = run.metrics.set_index("epoch", drop=False)
    if metrics.empty or metrics[[*FIGURES.values()]].isna().any(axis=None):
        raise InputError(f"{run.folder}: metrics.csv lacks figures of some epochs")
    epochs = {
        "lowest loss": metrics["val/loss"].idxmin(),
        "best Dice": metrics["val/dice"].idxmax(),
        LAST: metrics["epoch"].max(),
    }
    return [
        {"group": group, "seed": run.seed, "rule": rule, "epoch": int(epoch)}
        | {name: metrics.loc[epoch, column] for name, column in FIGURES.items()}
        | {"run": run.name}
        for rule, epoch in epochs.items()
    ]


def means(rows: pd.DataFrame) -> str:
    """Return a table of the means over seeds."""
    lines = ["| group | stopped at | runs | epoch | loss | Dice | calibration error |", "|---|---|---|---|---|---|---|"]
    for (group, rule), part in rows.groupby(["group", "rule"], sort=False):
        mean = part[["epoch", *FIGURES]].mean()
        figures = f"{mean['loss']:.4f} | {mean['dice']:.4f} | {mean['ece']:.4f}"
        lines.append(f"| {group} | {rule} | {len(part)} | {mean['epoch']:.1f} | {figures} |")
    return "\n".join(lines)


def differences(rows: pd.DataFrame) -> str:
    """Return a table of the differences from no augmentation at the last epoch, paired over the seeds."""
    parts = {key: part.set_index("seed") for key, part in rows.groupby(["group", "rule"], sort=False)}
    lines = [
        "| group | stopped at | seeds | loss (95 % CI) | Dice, points | calibration error |",
        "|---|---|---|---|---|---|",
    ]
    for (group, rule), part in parts.items():
        if (group, rule) == BASELINE or BASELINE not in parts:
            continue
        paired = part[[*FIGURES]] - parts[BASELINE][[*FIGURES]]
        cells = [
            difference((factor * paired[name]).tolist(), digits)
            for name, factor, digits in (("loss", 1, 4), ("dice", 100, 2), ("ece", 1, 4))
        ]
        lines.append(f"| {group} | {rule} | {len(paired)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def difference(values: Sequence[float], digits: int) -> str:
    """Return the mean of paired differences with its 95 % t interval, which two or more have."""
    mean, _, low, high = over_seeds(values)
    interval = f" ({low:+.{digits}f} to {high:+.{digits}f})" if len(values) > 1 else ""
    return f"{mean:+.{digits}f}{interval}"


def draw(groups: Mapping[str, Sequence[Run]]) -> Figure:
    """Return the figure: validation loss and Dice by epoch, a line a group, mean and standard deviation over seeds."""
    looks = [Look(group, colour) for group, colour in zip(groups, cycle((INK, *COLOURS)), strict=False)]
    courses = [course([run.metrics for run in runs]) for runs in groups.values()]
    # The first tenth is far from all that follows.
    return draw_courses(looks, courses, TITLES, unseen=0.1)


if __name__ == "__main__":
    main()
