"""Losses and Dice by epoch, averaged over the runs of a group, for the scripts of several questions."""

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.figure import Figure

from pets_seg.report.plotting.drawing import WIDTH, end_labels, grid
from pets_seg.report.plotting.looks import Look

COLUMNS = ["train/loss", "val/loss", "val/dice"]


def course(runs: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return a row an epoch from the metrics of runs.

    It has the means over the runs, standard deviations (`val/dice sd`), in how many runs Dice `fell` since the epoch
    before, and the number of `runs`.
    """
    every = pd.concat(runs, keys=range(len(runs)), names=["run"])
    every["fell"] = every.groupby("run")["val/dice"].diff() < 0
    by_epoch = every.groupby("epoch")
    deviations = by_epoch[COLUMNS].std().add_suffix(" sd")
    rows = by_epoch[COLUMNS].mean().join(deviations).join(by_epoch["fell"].sum())
    return rows.assign(runs=len(runs)).reset_index()


def draw_courses(
    looks: Sequence[Look], courses: Sequence[pd.DataFrame], titles: Mapping[str, str], unseen: float = 0.0
) -> Figure:
    """Return a panel for each column of `titles`: a line a course by epoch, its standard deviation around it.

    The vertical axes are fitted to what comes after the share `unseen` of the epochs.
    """
    figure = Figure((WIDTH, 2.4))
    [panels] = grid(figure, 1, len(titles), (0.5, 1.75, 0.45, 0.3), (0.45, 0))
    for axes, (column, title) in zip(panels, titles.items(), strict=True):
        ends = []
        for look, rows in zip(looks, courses, strict=True):
            low, high = (rows[column] + sign * rows[f"{column} sd"] for sign in (-1, 1))
            axes.plot(rows["epoch"], rows[column], color=look.colour, linewidth=1.2)
            axes.fill_between(rows["epoch"], low, high, color=look.colour, alpha=0.15, linewidth=0)
            ends.append((float(rows["epoch"].iloc[-1]), float(rows[column].iloc[-1]), look))
        if unseen:
            every = pd.concat(courses)
            seen = every[every["epoch"] > unseen * every["epoch"].max()]
            low, high = (seen[column] + sign * seen[f"{column} sd"].fillna(0) for sign in (-1, 1))
            axes.set_ylim(low.min(), high.max())
        axes.set(xlabel="epoch", title=title)
        axes.xaxis.get_major_locator().set_params(integer=True)
        if axes is panels[-1]:
            end_labels(axes, ends)
    return figure
