"""Do networks with the faults learn as the reference study's log says that its UNet did?

    python logged_curve.py runs/pitfalls

Prints losses and Dice at a few epochs, and in how many runs validation Dice fell after the first. Writes epochs.csv,
a row a group and epoch, and figure.png into results/ beside this file.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

sys.path.insert(0, str(Path(__file__).parents[1]))
from run_groups import grouped

from pets_seg.errors import InputError
from pets_seg.machine.files import write_text, write_whole
from pets_seg.report.plotting.curves import REFERENCE
from pets_seg.report.plotting.drawing import WIDTH, end_labels, grid
from pets_seg.report.plotting.looks import COLOURS, INK, MUTED, STYLE, Look
from pets_seg.report.study.runs import Run

KEYS = ("model.stays_in_evaluation", "model.warps_images_alone", "data.normalisation")
# The groups that are shown, by the values of the keys.
SHOWN = {
    "no fault": (False, False, "imagenet"),
    "stays in evaluation mode": (True, False, "imagenet"),
    "all three faults": (True, True, "raw"),
}
LOGGED = "UNet, none"
COLUMNS = {"train/loss": "training loss", "val/loss": "validation loss", "val/dice": "validation Dice"}
EPOCHS = (1, 2, 10)
DPI = 200


def main() -> None:
    """Print the table and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sweep", type=Path, help="folder of the sweep")
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results", help="folder of the results")
    given = parser.parse_args()
    try:
        courses = {name: course([run.metrics for run in runs]) for name, runs in shown_of(given.sweep).items()}
    except InputError as error:
        raise SystemExit(str(error)) from None
    last = max(rows["epoch"].max() for rows in courses.values())
    logged = pd.read_csv(REFERENCE)
    logged = logged[(logged["curve"] == LOGGED) & (logged["epoch"] <= last)]
    courses[f"reference study: {LOGGED}"] = course([logged])
    print(table(courses))
    rows = pd.concat([rows.assign(group=name) for name, rows in courses.items()])
    write_text(given.results / "epochs.csv", rows.to_csv(index=False))
    with mpl.rc_context(STYLE):
        figure = draw(courses)
        write_whole(given.results / "figure.png", lambda file: figure.savefig(file, format="png", dpi=DPI))


def shown_of(sweep: Path) -> dict[str, list[Run]]:
    """Return the runs of the groups that are shown; raises as `grouped`, and if a group is missing."""
    groups = grouped(sweep, KEYS)
    for name, values in SHOWN.items():
        if values not in groups:
            raise InputError(f"{sweep}: has no runs of the group {name!r}; continue the sweep")
    return {name: groups[values] for name, values in SHOWN.items()}


def course(runs: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return a row an epoch: means over the runs, standard deviations, and in how many Dice fell since the last one."""
    every = pd.concat(runs, keys=range(len(runs)), names=["run"])
    every["fell"] = every.groupby("run")["val/dice"].diff() < 0
    by_epoch = every.groupby("epoch")
    deviations = by_epoch[[*COLUMNS]].std().add_suffix(" sd")
    rows = by_epoch[[*COLUMNS]].mean().join(deviations).join(by_epoch["fell"].sum())
    return rows.assign(runs=len(runs)).reset_index()


def table(courses: Mapping[str, pd.DataFrame]) -> str:
    """Return training loss and validation Dice at a few epochs, and how often Dice fell at the second."""
    heads = [f"{what}, epoch {epoch}" for what in ("training loss", "val Dice") for epoch in EPOCHS]
    lines = [f"| group | {' | '.join(heads)} | Dice fell at epoch 2 |", "|---" * (len(heads) + 2) + "|"]
    for name, rows in courses.items():
        at = rows.set_index("epoch")
        cells = [f"{at[column][epoch]:.3f}" for column in ("train/loss", "val/dice") for epoch in EPOCHS]
        lines.append(f"| {name} | {' | '.join(cells)} | in {at['fell'][2]} of {at['runs'][2]} |")
    return "\n".join(lines)


def draw(courses: Mapping[str, pd.DataFrame]) -> Figure:
    """Return the figure: losses and Dice by epoch, a line a group, mean and standard deviation over seeds."""
    figure = Figure((WIDTH, 2.4))
    [panels] = grid(figure, 1, len(COLUMNS), (0.45, 1.75, 0.45, 0.3), (0.4, 0))
    looks = [Look(name, colour) for name, colour in zip(courses, (INK, *COLOURS[:2], MUTED), strict=True)]
    for axes, (column, title) in zip(panels, COLUMNS.items(), strict=True):
        ends = []
        for look, rows in zip(looks, courses.values(), strict=True):
            axes.plot(rows["epoch"], rows[column], color=look.colour, linewidth=1.2)
            low, high = (rows[column] + sign * rows[f"{column} sd"] for sign in (-1, 1))
            axes.fill_between(rows["epoch"], low, high, color=look.colour, alpha=0.15, linewidth=0)
            ends.append((float(rows["epoch"].iloc[-1]), float(rows[column].iloc[-1]), look))
        axes.set(xlabel="epoch", title=title, xticks=[1, 4, 7, 10])
        if axes is panels[-1]:
            end_labels(axes, ends)
    return figure


if __name__ == "__main__":
    main()
