"""A page in Markdown: the numbers that a reader sees, its tables, and its sections.

Code, in blocks or between backticks, addresses of links and comments hold no numbers here: what stands there are
commands and names.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

# A version such as 22.05.8 is one number, and so is 3,312.
NUMBER = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)*(?:e[-+]?\d+)?"
# Digits within a name, such as ResNet34 or fp32, are no number.
SEEN = re.compile(rf"(?<![\w.])(?:(?<![\w)])[-+])?{NUMBER}(?!\w|\.\d)")
HIDDEN = (
    # A block between backticks, or one that is indented after an empty line.
    re.compile(r"^```.*\n(?:.*\n)*?```$|(?<=\n\n)(?:(?: {4}.*\n|\n(?= {4}))+)", re.M),
    re.compile(r"<!--.*?-->", re.S),
    re.compile(r"`[^`\n]*`"),
    re.compile(r"(?<=\])\([^)\s]*\)"),
)
HEADING = re.compile(r"^(#+) +(.*?)\s*$", re.M)
ROW = re.compile(r"^\|(.*)\|[ \t]*$", re.M)
RULE = re.compile(r"[\s|:-]+")


@dataclass(frozen=True)
class Span:
    """A piece of the page: a number, or a cell of a table."""

    start: int
    end: int
    text: str

    def holds(self, other: "Span") -> bool:
        """Whether another piece lies within this one."""
        return self.start <= other.start and other.end <= self.end


@dataclass(frozen=True)
class Table:
    """A table with its header as a row of text, and the cells of its body."""

    header: list[str]
    rows: list[list[Span]]

    @property
    def title(self) -> str:
        """Its header as it stands in the page, with one space beside each bar."""
        return f"| {' | '.join(self.header)} |"

    def row(self, cells: Sequence[Span]) -> dict[str, Span]:
        """Return the cells of a row by the heading of their column; of two columns of one heading the last."""
        return dict(zip(self.header, cells, strict=True))


class Page:
    """A page, read from a file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.text = path.read_text(encoding="utf-8")

    @cached_property
    def shown(self) -> str:
        """Its text with spaces for what is hidden, so that places are the same in both."""
        text = self.text
        for pattern in HIDDEN:
            text = pattern.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)
        return text

    @cached_property
    def numbers(self) -> list[Span]:
        """All numbers that a reader sees outside code."""
        return [Span(match.start(), match.end(), match[0]) for match in SEEN.finditer(self.shown)]

    def within(self, start: int, end: int) -> list[Span]:
        """Return the numbers between two places."""
        return [number for number in self.numbers if start <= number.start and number.end <= end]

    def line(self, place: int) -> int:
        """Return the number of the line of a place."""
        return self.text.count("\n", 0, place) + 1

    def around(self, number: Span) -> str:
        """Return a number with the words beside it on its line."""
        start = max(self.text.rfind("\n", 0, number.start) + 1, number.start - 30)
        end = self.text.find("\n", number.end)
        return self.text[start : min(len(self.text) if end < 0 else end, number.end + 30)].strip()

    @cached_property
    def tables(self) -> list[Table]:
        """All tables of the page that stand in no code."""
        return tables_in(self.text, self.shown)

    def sections(self, heading: str) -> list[tuple[int, int]]:
        """Return where the sections of this heading begin and end."""
        headings = [(match.start(), len(match[1]), match[2]) for match in HEADING.finditer(self.shown)]
        raw = {match.start(): match[2] for match in HEADING.finditer(self.text)}
        found = []
        for index, (start, level, _) in enumerate(headings):
            if raw.get(start) == heading:
                later = [place for place, other, _ in headings[index + 1 :] if other <= level]
                found.append((start, later[0] if later else len(self.text)))
        return found


def tables_in(text: str, shown: str | None = None) -> list[Table]:
    """Return the tables of a text; with `shown`, those alone that are not blank there."""
    found: list[list[list[Span]]] = []
    last = None
    for match in ROW.finditer(text):
        if shown is not None and not shown[match.start()].strip():
            continue
        if match.start() - 1 != last:
            found.append([])
        found[-1].append(list(_cells(match[1], match.start(1))))
        last = match.end()
    return [_table(rows) for rows in found if len(rows) > 1]


def _cells(row: str, start: int) -> Iterator[Span]:
    """Return the cells of a row of a table without the spaces around them; a bar in a cell stands after a backslash."""
    for match in re.finditer(r"((?:\\.|[^|\\])*)(?:\||$)", row):
        if match.start() == len(row) and row:
            break
        text = match[1]
        left = start + match.start(1) + len(text) - len(text.lstrip())
        yield Span(left, left + len(text.strip()), text.strip())


def _table(rows: list[list[Span]]) -> Table:
    header = [cell.text for cell in rows[0]]
    body = [row for row in rows[1:] if not all(RULE.fullmatch(cell.text) for cell in row)]
    for row in body:
        if len(row) != len(header):
            raise ValueError(f"a row of the table | {' | '.join(header)} | has {len(row)} cells")
    return Table(header, body)
