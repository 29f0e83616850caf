"""Searches: the validation Dice of each trial, and the best so far."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pets_seg.errors import escaped
from pets_seg.report.plotting.drawing import WIDTH, Drawing, Mark, Points, grid, size_inches
from pets_seg.report.plotting.looks import COLOURS, INK, MUTED
from pets_seg.report.plotting.widths import shortened
from pets_seg.report.search import next_command
from pets_seg.report.study.study import Study
from pets_seg.run_folder.search import COMPLETE, Search, Trial

# In inches: the axes of a search.
TALL = 1.85
# Characters of the settings that the pointer shows.
LONGEST = 200
CAPTION = (
    "Dots are trials, one run each; the line is the best so far, the ring the best of all, a cross a trial without "
    "a Dice. The Dice is that of validation, by which the search chooses: the more trials there are, the less the "
    "best of them says of other images. The command runs the best settings with seeds that the search has not used."
)


def draw_search(study: Study, width: float = WIDTH) -> Drawing | None:
    """Return the validation Dice by trial of each search, with the commands to go on; None if no trial has one."""
    searches = [search for search in study.searches if search.complete]
    if not searches:
        return None
    figure, hover = _draw(searches, width)
    commands = [f"python -m pets_seg.run {words}" for search in searches if (words := next_command(study, search))]
    best = [
        f"trial {search.complete[0].number} of {search.folder}, {search.complete[0].dice:.4f}" for search in searches
    ]
    alt = f"Validation Dice by trial; the best is {'; '.join(best)}"
    return Drawing("search", "Search", CAPTION, alt, figure, hover, command="\n".join(commands))


def _draw(searches: Sequence[Search], width: float) -> tuple[Figure, list[Points]]:
    rows = len(searches)
    figure = Figure((width, 0.72 + TALL * rows + 0.65 * (rows - 1)))
    axes = [row[0] for row in grid(figure, rows, 1, (0.62, 0.2, 0.42, 0.3), (0, 0.65))]
    return figure, [_draw_panel(part, search) for part, search in zip(axes, searches, strict=True)]


def _draw_panel(axes: Axes, search: Search) -> Points:
    best = search.complete[0]
    complete = sorted(search.complete, key=lambda trial: trial.number)
    numbers = [trial.number for trial in complete]
    dice = np.array([trial.dice for trial in complete])
    so_far = np.maximum.accumulate(dice)
    last = max(trial.number for trial in search.trials)
    axes.step([*numbers, last], [*so_far, so_far[-1]], where="post", color=INK, linewidth=1.2, zorder=2)
    axes.scatter(numbers, dice, s=16, color=COLOURS[0], linewidths=0, zorder=2.5)
    axes.scatter(best.number, best.dice, s=60, facecolors="none", edgecolors=COLOURS[1], linewidths=1.2, zorder=3)
    # Where all are the same there is no range.
    pad = 0.08 * float(dice.max() - dice.min()) or 0.01
    low, high = dice.min() - pad, dice.max() + pad
    without = [trial.number for trial in search.trials if trial.state != COMPLETE]
    axes.scatter(without, [low] * len(without), s=16, marker="x", color=MUTED, linewidths=0.8, clip_on=False, zorder=3)
    axes.set_ylim(low, high)
    axes.set_xlim(0.5, last + 0.5)
    wide = size_inches(axes)[0]
    axes.xaxis.set_major_locator(MaxNLocator(int(2 * wide), integer=True, min_n_ticks=1))
    axes.set_title(shortened(escaped(str(search.folder)), wide, 8))
    axes.set_xlabel("trial")
    axes.set_ylabel("validation Dice")
    return Points(axes, _marks(complete, best))


def _marks(trials: Sequence[Trial], best: Trial) -> list[Mark]:
    marks = []
    for trial in trials:
        lines = [f"trial {trial.number}", f"validation Dice {trial.dice:.4f}", escaped(" ".join(trial.words))[:LONGEST]]
        marks.append(Mark(trial.number, trial.dice, COLOURS[trial is best], lines))
    return marks
