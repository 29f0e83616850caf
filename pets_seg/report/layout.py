"""How a table stands on the page: which columns share the line of a row, and below which window rows become blocks."""

import re
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

from pets_seg.report.tables import Table

NUMBER = re.compile(r"[-+<>~\N{MINUS SIGN}]? ?[0-9].*|[-\N{EN DASH}\N{EM DASH}]?")
# In CSS pixels: windows below which the rows of a table become blocks, what is beside it, and a letter of the widest
# usual font. A line has the room of the largest.
WINDOWS = (380, 700, 1080)
BESIDE, LETTER, GAP = 40, 8.8, 16
# Longer words and numbers are broken into lines; where the name of a row is longer, names have lines of their own.
LONGEST, LONGEST_NUMBER, LONGEST_NAME = 22, 26, 36
LONGEST_PAIR = 56
# A title is broken into so many lines.
LINES = 3


@dataclass(frozen=True)
class Column:
    """A column; one of numbers is aligned at the right. That of the `names` of rows may be in lines of its own."""

    name: str
    number: bool
    names: bool
    cells: list[str]

    @cached_property
    def short(self) -> bool:
        """Whether it has room for its cells without a break, or words without a break in one."""
        return all(
            len(part) <= self._longest for cell in self.cells for part in ([cell] if self.number else cell.split())
        )

    @property
    def width(self) -> float:
        """The room that it needs, in pixels."""
        words = [len(word) for word in re.split(r"[ /]|(?<=-)", self.name)]
        cells = 0 if self.apart else min(max(map(len, self.cells), default=0), self._longest)
        return LETTER * max(*words, len(self.name) / LINES, cells) + GAP

    @cached_property
    def kind(self) -> str:
        """The classes of its cells, each after a space."""
        return (" number" if self.number else "") + (" short" if self.short else "")

    @cached_property
    def apart(self) -> bool:
        """Whether its cells are above the rows."""
        return self.names and any(len(cell) > LONGEST_NAME for cell in self.cells)

    @property
    def _longest(self) -> int:
        return LONGEST_NAME if self.names else LONGEST_NUMBER if self.number else LONGEST


@dataclass(frozen=True)
class Layout:
    """The columns of a table: `first`, with the names of rows, are in the line of a row, `more` in a second one.

    `below` is the width of a window below which a row becomes a block.
    """

    first: list[Column]
    more: list[Column]
    below: int

    @property
    def pair(self) -> int:
        """The room, in pixels, of the longest label and value of the second line."""
        longest = max((len(column.name) + 1 + len(cell) for column in self.more for cell in column.cells), default=0)
        return round(LETTER * min(longest, LONGEST_PAIR))

    @property
    def rows(self) -> list[tuple[list[tuple[Column, str]], list[tuple[Column, str]]]]:
        """For each row the columns with its cells, of both lines."""
        number = len(self.first[0].cells)
        return [
            (
                [(column, column.cells[row]) for column in self.first],
                [(column, column.cells[row]) for column in self.more],
            )
            for row in range(number)
        ]


def laid_out(table: Table) -> Layout:
    """Return the layout of a table: where there is no room for all columns, the last ones are in the second line."""
    columns = []
    for index, name in enumerate(table.header):
        cells = [row[index] if index < len(row) else "" for row in table.rows]
        number = index > 0 and any(cells) and all(NUMBER.fullmatch(cell) for cell in cells)
        columns.append(Column(name, number, index == 0, cells))
    widths = [*accumulate(column.width for column in columns)]
    room = WINDOWS[-1] - BESIDE
    fitting = max(1, sum(width <= room for width in widths))
    needed = min(widths[fitting - 1], room)
    below = next(window for window in WINDOWS if needed <= window - BESIDE)
    more = columns[fitting:]
    # What a second line has is read in blocks before it is cut into many lines.
    return Layout(columns[:fitting], more, WINDOWS[-1] if more else below)
