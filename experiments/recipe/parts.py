"""What the recipe loses without each of its parts, in one figure from the verdicts of two sweeps.

    python parts.py rates/verdicts.csv parts/verdicts.csv

Prints the table, and writes parts/figure.png beside this file. Differences are in points (0.01) of test Dice, with the
intervals of each sweep, which are valid at every look and count the groups of that sweep.
"""

import argparse
import csv
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from pets_seg.machine.files import write_whole
from pets_seg.report.plotting.drawing import EDGE, add_axes
from pets_seg.report.plotting.forest import TWO_LINES, draw_interval, fit, make_room, name_sides, prepare, write_above
from pets_seg.report.plotting.looks import COLOURS, STYLE
from pets_seg.report.plotting.widths import SMALL

# What takes the place of a part, by the words in the name of its group.
WITHOUT = {
    "optimizer=adamw": "AdamW in place of Muon",
    "scheduler=constant": "a constant learning rate",
    "aug=none": "no flips",
    "data.normalisation=raw": "raw pixel values",
}
COLUMNS = {"group", "verdict", "seeds", "difference", "low", "high"}
WIDTH, BELOW, ABOVE, DPI = 4.5, 0.5, 0.3, 200
Row = dict[str, str]


def main() -> None:
    """Print the table and write the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verdicts", type=Path, nargs="+", help="verdicts.csv of the sweeps")
    parser.add_argument(
        "--figure", type=Path, default=Path(__file__).parent / "parts/figure.png", help="file of the figure"
    )
    given = parser.parse_args()
    try:
        rows = [row for path in given.verdicts for row in read(path)]
    except OSError as error:
        raise SystemExit(f"{error.filename}: {error.strerror}; give verdicts.csv of a sweep that decides") from None
    print("| instead | verdict | seeds | points (95 % joint CI) |\n|---|---|---|---|")
    for row in rows:
        print(f"| {row['name']} | {row['verdict']} | {row['seeds']} | {text(row)} |")
    with mpl.rc_context(STYLE):
        figure = draw(rows)
        write_whole(given.figure, lambda file: figure.savefig(file, format="png", dpi=DPI))


def read(path: Path) -> list[Row]:
    """Return the rows of a file of verdicts, with the `name` of what takes the place of a part."""
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows or not rows[0].keys() >= COLUMNS:
        raise SystemExit(f"{path}: is no verdicts.csv of a sweep that decides")
    for row in rows:
        names = [name for words, name in WITHOUT.items() if words in row["group"].split(" ")]
        if len(names) != 1:
            raise SystemExit(f"{path}: {row['group']} leaves out no part that parts.py knows, or several")
        row["name"] = names[0]
    return rows


def text(row: Row) -> str:
    """Return a difference and its interval as they stand in tables."""
    difference, low, high = (float(row[key]) for key in ("difference", "low", "high"))
    return f"{difference:+.2f} ({low:+.2f} to {high:+.2f})"


def draw(rows: Sequence[Row]) -> Figure:
    """Return the figure: an interval a row, with its name and numbers above it."""
    tall = len(rows) * TWO_LINES
    figure = Figure((WIDTH, BELOW + tall + ABOVE))
    axes = add_axes(figure, EDGE, BELOW, WIDTH - 2 * EDGE, tall)
    prepare(axes, len(rows))
    for number, (row, colour) in enumerate(zip(rows, cycle(COLOURS), strict=False)):
        ends = float(row["low"]), float(row["high"])
        draw_interval(axes, number, ends, (float("-inf"), float("inf")), 2.2, color=colour)
        axes.plot(float(row["difference"]), number, "o", markersize=5, color=colour)
    fit(axes, 5)
    make_room(axes, len(rows))
    for number, row in enumerate(rows):
        write_above(axes, number, row["name"])
        write_above(axes, number, text(row), right=True, size=SMALL)
    axes.set_title("difference in test Dice from the whole recipe, points")
    name_sides(figure, axes)
    return figure


if __name__ == "__main__":
    main()
