"""Tables for a terminal: columns that do not fit its width are left out."""

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from pets_seg.machine.terminal import duration
from pets_seg.report.study.study import MARKS, Reached, Study, plus_minus, reached, spread
from pets_seg.report.tables import difference, epochs_cell

# The least width of the first column: what is longer is broken into lines.
NARROWEST = 12
GAP = "  "
NOTES = {
    "±": "±: one standard deviation over seeds",
    "difference": "difference: paired over seeds and test images, in points (0.01 of Dice)",
    "epochs to": "epochs to a validation Dice: median over seeds",
    " of ": "(2 of 3): so many runs reached it",
}
LOOKED = "difference: paired over seeds and images, at the last look, in points (hundredths)"
ONE_SEED = "difference: paired over test images alone, with one seed, in points (0.01 of Dice)"


@dataclass(frozen=True)
class Column:
    """A column of text. Where there is no room, the column of the highest `rank` goes first; those of 0 stay."""

    header: str
    cells: Sequence[str]
    rank: int = 0


def groups_table(study: Study, width: int) -> str:
    """Return the groups side by side, and beneath them what the columns mean."""
    groups = study.finished
    columns = [
        Column("group", [group.name for group in groups]),
        Column("seeds", [str(len(group.finished)) for group in groups], 4),
        Column("val Dice", [plus_minus(spread(group, "val_dice")) for group in groups], 2),
        Column("test Dice", [plus_minus(spread(group, "test_dice")) for group in groups], 1),
        Column(f"difference ({study.level} CI)", [difference(study, group) for group in groups]),
    ]
    for rank, mark in ((5, MARKS[0]), (6, MARKS[1])):
        columns.append(Column(f"epochs to {mark:.2f}", [_epochs(reached(group, mark)) for group in groups], rank))
    seconds = [spread(group, "train_seconds").mean for group in groups]
    columns.append(Column("time a run", ["" if math.isnan(mean) else duration(mean) for mean in seconds], 3))
    table = fitted(columns, width)
    one_seed = all(len(group.finished) < 2 for group in groups)
    known = NOTES | ({"difference": LOOKED} if study.design else {})
    notes = [ONE_SEED if sign == "difference" and one_seed else note for sign, note in known.items() if sign in table]
    return f"{table}\n\n{textwrap.fill('; '.join(notes), width)}" if notes else table


def jobs_table(study: Study, names: Sequence[str], width: int) -> str:
    """Return one line per run, or one per name in `names`: its state and best figures."""
    known = {run.name: run for run in study.runs}
    # Runs of several projects may have the same name.
    runs = [known.get(name) for name in names] if names else list(study.runs)
    states = [run.state if run else "not made" for run in runs]
    columns = [Column("run", list(names) or [run.name for run in study.runs]), Column("state", states)]
    for header, key, rank in (("val Dice", "best_val_dice", 2), ("test Dice", "test_dice", 1)):
        values = [run.number(key) if run else math.nan for run in runs]
        columns.append(Column(header, ["" if math.isnan(value) else f"{value:.4f}" for value in values], rank))
    return fitted(columns, width)


def fitted(columns: Sequence[Column], width: int) -> str:
    """Return a table of at most `width` columns of a terminal, if that can be; empty columns are left out."""
    shown = [columns[0], *(column for column in columns[1:] if any(column.cells))]
    while sum(map(_wide, shown)) + len(GAP) * (len(shown) - 1) > width and any(column.rank for column in shown):
        shown.remove(max(shown, key=lambda column: column.rank))
    widths = list(map(_wide, shown))
    widths[0] = min(widths[0], max(NARROWEST, width - sum(widths[1:]) - len(GAP) * (len(shown) - 1)))
    lines = []
    for row in zip(*([column.header, *column.cells] for column in shown), strict=True):
        first, *more = textwrap.wrap(row[0], widths[0], break_on_hyphens=False) or [""]
        cells = [f"{cell:<{wide}}" for cell, wide in zip((first, *row[1:]), widths, strict=True)]
        lines += [GAP.join(cells).rstrip(), *more]
    return "\n".join(lines)


def _wide(column: Column) -> int:
    return max(map(len, (column.header, *column.cells)))


def _epochs(mark: Reached) -> str:
    return epochs_cell(mark) + (f" ({mark.reached} of {mark.runs})" if 0 < mark.reached < mark.runs else "")
