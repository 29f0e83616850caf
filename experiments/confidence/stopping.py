"""What loss, Dice and calibration are at the epoch of the lowest validation loss, of the best Dice, and at the last.

    python experiments/confidence/stopping.py runs/augmentation_40 runs/confidence

Prints a table of the validation figures, and writes epochs.csv, a row a run, and figure.png into results/ beside this
file.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
from groups import runs_of
from matplotlib.figure import Figure

from pets_seg.errors import InputError
from pets_seg.machine.files import write_text, write_whole
from pets_seg.report.plotting.drawing import WIDTH, end_labels, grid
from pets_seg.report.plotting.looks import COLOURS, INK, STYLE, Look
from pets_seg.report.study.runs import Run
from pets_seg.report.study.statistics import over_seeds

RULES = {"lowest loss": "val/loss", "best Dice": "val/dice", "last epoch": "epoch"}
FIGURES = {"loss": "val/loss", "dice": "val/dice", "ece": "val/ece"}
DPI = 200


def main() -> None:
    """Print the table and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sweeps", nargs="+", type=Path, help="folders of sweeps")
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results", help="folder of the results")
    given = parser.parse_args()
    try:
        groups = runs_of(given.sweeps)
    except InputError as error:
        raise SystemExit(str(error)) from None
    rows = pd.DataFrame([row for group, runs in groups.items() for run in runs for row in rows_of(group, run)])
    print(table(rows))
    write_text(given.results / "epochs.csv", rows.to_csv(index=False))
    with mpl.rc_context(STYLE):
        figure = draw(groups)
        write_whole(given.results / "figure.png", lambda file: figure.savefig(file, format="png", dpi=DPI))


def rows_of(group: str, run: Run) -> list[dict[str, Any]]:
    """Return the validation figures of a run at the epoch of each rule; of equal epochs the first."""
    metrics = run.metrics.set_index("epoch", drop=False)
    epochs = {
        "lowest loss": metrics["val/loss"].idxmin(),
        "best Dice": metrics["val/dice"].idxmax(),
        "last epoch": metrics["epoch"].max(),
    }
    return [
        {"group": group, "seed": run.seed, "rule": rule, "epoch": int(epoch)}
        | {name: metrics.loc[epoch, column] for name, column in FIGURES.items()}
        | {"run": run.name}
        for rule, epoch in epochs.items()
    ]


def table(rows: pd.DataFrame) -> str:
    """Return the means over seeds, and the Dice of each rule against that at the lowest loss, paired over the seeds."""
    lines = [
        "| group | stopped at | epoch | loss | Dice | calibration error | Dice - that at the lowest loss, points |",
        "|---|---|---|---|---|---|---|",
    ]
    for group, of_group in rows.groupby("group", sort=False):
        by_rule = {str(rule): part.set_index("seed") for rule, part in of_group.groupby("rule", sort=False)}
        first = by_rule["lowest loss"]["dice"]
        for rule, part in by_rule.items():
            mean, _, low, high = over_seeds((100 * (part["dice"] - first)).tolist())
            against = "" if rule == "lowest loss" else f"{mean:+.2f} ({low:+.2f} to {high:+.2f})"
            means = part[["epoch", *FIGURES]].mean()
            lines.append(
                f"| {group} | {rule} | {means['epoch']:.1f} | {means['loss']:.4f} | {means['dice']:.4f} "
                f"| {means['ece']:.4f} | {against} |"
            )
    return "\n".join(lines)


def draw(groups: Mapping[str, Sequence[Run]]) -> Figure:
    """Return the figure: means over seeds of validation loss and Dice by epoch, a line a group."""
    figure = Figure((WIDTH, 2.6))
    [panels] = grid(figure, 1, 2, (0.55, 1.5, 0.45, 0.15), (0.75, 0))
    looks = [Look(group, colour) for group, colour in zip(groups, (INK, *COLOURS), strict=False)]
    for axes, (column, name) in zip(
        panels, {"val/loss": "validation loss", "val/dice": "validation Dice"}.items(), strict=True
    ):
        ends = []
        for look, runs in zip(looks, groups.values(), strict=True):
            curves = pd.concat([run.metrics.set_index("epoch")[column] for run in runs], axis=1)
            mean, sd = curves.mean(axis=1), curves.std(axis=1)
            axes.plot(mean.index, mean, color=look.colour, linewidth=1.2)
            axes.fill_between(mean.index, mean - sd, mean + sd, color=look.colour, alpha=0.15, linewidth=0)
            ends.append((float(mean.index[-1]), float(mean.iloc[-1]), look))
        # The first tenth is far from all that follows.
        every = pd.concat([run.metrics for runs in groups.values() for run in runs])
        later = every.loc[every["epoch"] > 0.1 * every["epoch"].max(), column]
        pad = 0.05 * (later.max() - later.min())
        axes.set(xlabel="epoch", ylabel=name, ylim=(later.min() - pad, later.max() + pad))
        if axes is panels[-1]:
            end_labels(axes, ends)
    return figure


if __name__ == "__main__":
    main()
