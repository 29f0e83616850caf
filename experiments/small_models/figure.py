"""The plot of the study: test Dice against the milliseconds of a photograph."""

from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
from cells import DISTILLED, PLAIN, TRAININGS, Network
from kept import FORMS
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from matplotlib.transforms import ScaledTranslation

from pets_seg.machine.files import write_whole
from pets_seg.report.plotting.drawing import EDGE, WIDTH, WIDTHS, Drawing, add_text, grid
from pets_seg.report.plotting.files import write_figure
from pets_seg.report.plotting.looks import COLOURS, MUTED, STYLE
from pets_seg.report.plotting.widths import SMALL

NAME = "dice_by_time"
CAPTION = (
    "Test Dice and milliseconds a photograph on one thread. Marks are means over seeds, bars 95 % intervals (Student's "
    "t). A line joins both forms of a network; plain and distilled ones stand a little left and right of their time."
)
# Shape and colour tell how a network was trained; a hollow mark computes in 8 bits.
MARKS = {PLAIN: ("o", COLOURS[0]), DISTILLED: ("^", COLOURS[1])}
# Points by which a mark stands beside its place, so that the intervals of one network do not hide each other.
BESIDE = {PLAIN: -3.0, DISTILLED: 3.0}
# Inches: of the axes, of a row of the legend, and of a line beneath.
TALL, ROW, LINE = 2.6, 0.17, 0.15
DPI = 200


def draw(table: pd.DataFrame, width: float = WIDTH) -> Drawing:
    """Return the plot of the rows of `table.summarised` that have a time; lines name others, and what was refused."""
    drawn, said = table[table["ms"].notna()], notes(table)
    columns = 4 if width >= WIDTH else 2
    head, foot = 0.12 + ROW * (4 // columns), 0.45 + LINE * len(said)
    figure = Figure((width, TALL + head + foot))
    [[axes]] = grid(figure, 1, 1, (0.62, 0.2, foot, head), (0, 0))
    for (_, _, training), rows in drawn.groupby(["network", "width", "training"], sort=False):
        beside = ScaledTranslation(BESIDE[str(training)] / 72, 0, figure.dpi_scale_trans)
        place = axes.transData + beside
        axes.plot(rows["ms"], rows["dice"], color=MUTED, linewidth=0.6, zorder=1.6, transform=place)
        for _, row in rows.iterrows():
            below, above = row["dice"] - row["dice_low"], row["dice_high"] - row["dice"]
            look = _look(row["training"], row["form"])
            axes.errorbar(row["ms"], row["dice"], [[below], [above]], elinewidth=0.9, transform=place, **look)
    axes.set(xscale="log", xlabel="milliseconds a photo, one thread", ylabel="test Dice")
    _fit(axes, drawn)
    _label(axes, drawn)
    handles = [Line2D([], [], label=f"{one}, {form}", **_look(one, form)) for one in TRAININGS for form in FORMS]
    figure.legend(handles=handles, loc="upper left", ncols=columns, frameon=False, fontsize=SMALL, borderaxespad=0.2)
    for number, line in enumerate(reversed(said)):
        add_text(figure, EDGE, EDGE / 2 + LINE * number, line, SMALL, color=MUTED)
    alt = f"Test Dice against milliseconds a photo of {len(drawn)} groups of networks"
    return Drawing(NAME, "Dice and time", CAPTION, alt, figure)


def notes(table: pd.DataFrame) -> list[str]:
    """Return a line for each row of which files were refused, or which has no time and is not drawn."""
    lines = []
    for _, row in table[(table["refused"] > 0) | table["ms"].isna()].iterrows():
        name = f"{Network(row['network'], row['width']).label}, {row['training']}, {row['form']}"
        why = [f"{row['refused']} of {row['seeds']} refused"] if row["refused"] else []
        lines.append(f"{name}: {', '.join(why + ['not drawn'] * bool(pd.isna(row['ms'])))}")
    return lines


def _look(training: str, form: str) -> dict[str, Any]:
    shape, colour = MARKS[training]
    face = colour if form == FORMS[0] else "white"
    return {
        "marker": shape,
        "color": colour,
        "markerfacecolor": face,
        "markersize": 5,
        "linestyle": "none",
        "zorder": 2.5,
    }


def _fit(axes: Axes, drawn: pd.DataFrame) -> None:
    """Set the limits: what stands beside its place does not count by itself."""
    low, high = drawn[["dice", "dice_low"]].min(axis=None), drawn[["dice", "dice_high"]].max(axis=None)
    pad = 0.06 * (high - low) or 0.01
    axes.set_ylim(low - pad, high + pad)
    # There is room for a name on the right.
    axes.set_xlim(drawn["ms"].min() / 1.3, drawn["ms"].max() * (drawn["ms"].max() / drawn["ms"].min()) ** 0.2)
    axes.xaxis.set_major_locator(LogLocator(10, subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _label(axes: Axes, drawn: pd.DataFrame) -> None:
    """Write the name of each network to the right of its slowest form."""
    for (name, width), rows in drawn.groupby(["network", "width"], sort=False):
        slowest = rows.loc[rows["ms"].idxmax()]
        beside = drawn["ms"].between(0.9 * slowest["ms"], slowest["ms"]) & drawn.index.isin(rows.index)
        place = (slowest["ms"], drawn.loc[beside, "dice"].mean())
        text, style = Network(str(name), int(width)).label, {"va": "center", "fontsize": SMALL}
        axes.annotate(text, place, (9, 0), textcoords="offset points", **style)


def write(results: Path, table: pd.DataFrame) -> None:
    """Write the plot as figure.png, and as PDF and SVG at both widths below figures/; nothing without any time."""
    if table["ms"].isna().all():
        return
    with mpl.rc_context(STYLE):
        for width in WIDTHS:
            write_figure(draw(table, width), width, results)
        figure = draw(table).figure
        write_whole(results / "figure.png", lambda file: figure.savefig(file, format="png", dpi=DPI))
