"""Hold a page to its claims file: each number is as its claim says, or is listed as bound to nothing."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from claim_kinds import Bound, Listed, Printed, Sentence, claims_of, load_claims
from expressions import Source, evaluate
from kept_files import ROOT, printed_by
from markdown_pages import Page, Span, Table, tables_in
from templates import Template, agrees, as_written

Place = Span | re.Match[str]
# A cell that is, as a whole, the text of a cell in the file.
WORDS = re.compile(r"\{text\([^{}]*\)\}")
EVERYWHERE = Path(__file__).with_name("everywhere.yaml")


def shown(path: Path) -> str:
    """Return a path as it is from the repository."""
    path = path.resolve()
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else str(path)


class PageCheck:
    """The check of a page: `failures` are lines, `bound` the numbers that claims cover.

    `listed` are those that are not from runs, and those from runs or measurements whose results were `not_kept`.
    """

    def __init__(self, file: Path, content: Mapping[str, Any]) -> None:
        self.file, self.content = file, content
        self.page = Page(file.parent / content.get("page", "README.md"))
        self.failures: list[str] = []
        self.bound: set[Span] = set()
        self.listed: dict[str, set[Span]] = {"not_from_runs": set(), "not_kept": set()}
        # Entries of everywhere.yaml that covered a number.
        self.used: set[str] = set()

    def run(self) -> None:
        """Check all claims, and that each number is covered."""
        for kind, check in (("sentences", self._sentence), ("tables", self._table), ("printed", self._printed)):
            for claim in claims_of(self.content, kind):
                try:
                    check(claim)
                except ValueError as error:
                    self._stale(str(error))
        for kind, covered in self.listed.items():
            for entry in claims_of(self.content, kind):
                self._list(entry, kind, covered)
        for pattern in load_claims(EVERYWHERE):
            if self._cover(re.finditer(pattern, self.page.shown), self.listed["not_from_runs"]):
                self.used.add(pattern)
        covered = self.bound.union(*self.listed.values())
        for number in self.page.numbers:
            if number not in covered:
                where = f"bind it in {shown(self.file)}, or list it there as not from runs or not kept"
                self._fail(number, f'"{number.text}" in "{self.page.around(number)}" is in no claim; {where}')

    def _fail(self, at: Span, text: str) -> None:
        self.failures.append(f"{shown(self.page.path)}:{self.page.line(at.start)}: {text}")

    def _stale(self, text: str) -> None:
        self.failures.append(f"{shown(self.file)}: {text}")

    def _compare(self, template: Template, numbers: Sequence[Span], source: Source) -> None:
        for expression, number in zip(template.expressions, numbers, strict=True):
            value = evaluate(expression, source)
            if not agrees(number.text, value):
                right = as_written(number.text, value)
                stands = f"{expression} of {source.named()}"
                self._fail(number, f'"{number.text}" in "{self.page.around(number)}" should be {right}: {stands}')
            self._bind(number)

    def _bind(self, span: Span) -> None:
        """Count the numbers in a piece as bound; a sign before it belongs to the first."""
        self.bound.update(self.page.within(span.start - 1, span.end))

    def _sentence(self, claim: Sentence) -> None:
        for text in [claim.text] if isinstance(claim.text, str) else claim.text:
            template = Template(text)
            found = template.find(self.page.text)
            if len(found) != 1:
                raise ValueError(f'"{text}" stands {len(found)} times in {self.page.path.name}, not once')
            self._compare(template, found[0], Source(self.file.parent, claim.file, dict(claim.where)))

    def _tables(self, header: str) -> list[Table]:
        found = [table for table in self.page.tables if table.title.startswith(header)]
        if not found:
            raise ValueError(f'no table of {self.page.path.name} begins with "{header}"')
        return found

    def _table(self, claim: Bound) -> None:
        tables = self._tables(claim.header)
        if len(tables) > 1:
            raise ValueError(f'{len(tables)} tables of {self.page.path.name} begin with "{claim.header}"')
        if missing := {*claim.keys, *claim.cells} - {*tables[0].header}:
            raise ValueError(f'the table "{claim.header}" has no column "{min(missing)}"')
        rows = [row for row in tables[0].rows if not claim.rows or row[0].text in claim.rows]
        if gone := [*{*claim.rows} - {row[0].text for row in rows}]:
            raise ValueError(f'the table "{claim.header}" has no row "{gone[0]}"')
        for row in rows:
            cells = tables[0].row(row)
            words = {column: cell.text.strip("`*") for column, cell in cells.items()}
            where = dict(claim.where)
            for column, how in claim.keys.items():
                words[column] = _key(how, words[column])
                self._bind(cells[column])
                if to := how if isinstance(how, str) else how.get("column"):
                    where[to] = words[column]
            source = Source(self.file.parent, claim.file, where)
            for column, text in claim.cells.items():
                self._cell(Template(_filled(text, words)), cells[column], source)

    def _cell(self, template: Template, cell: Span, source: Source) -> None:
        numbers = template.fill(cell.text, cell.start)
        if WORDS.fullmatch(template.text):
            if cell.text != (right := evaluate(template.text.strip("{}"), source)):
                self._fail(cell, f'"{cell.text}" should be "{right}", which stands in {source.named()}')
            self._bind(cell)
        elif numbers is not None:
            self._compare(template, numbers, source)
        elif cell.text or any(value == value for value in (evaluate(item, source) for item in template.expressions)):
            self._fail(cell, f'"{cell.text}" should be as "{template.text}" of {source.named()}')

    def _printed(self, claim: Printed) -> None:
        printed = [table for table in tables_in(printed_by(claim.command)) if table.rows]
        for header in claim.headers:
            for table in self._tables(header):
                alike = [_rows(other) for other in printed if other.header == table.header]
                if not alike:
                    raise ValueError(f'`{claim.command}` prints no table "{table.title}"')
                mine = _rows(table)
                nearest = max(alike, key=partial(_in_common, mine))
                if len(nearest) != len(mine):
                    raise ValueError(
                        f'`{claim.command}` prints {len(nearest)} rows of "{table.title}", not {len(mine)}'
                    )
                for cells, text, right in zip(table.rows, mine, nearest, strict=True):
                    if text != right:
                        self._fail(cells[0], f'"{text}" should be "{right}", which `{claim.command}` prints')
                    for cell in cells:
                        self._bind(cell)

    def _list(self, entry: Listed, kind: str, covered: set[Span]) -> None:
        for what, places in self._places(entry):
            if not self._cover(places, covered):
                self._stale(f"{kind}: the {what} has no number in {self.page.path.name} that is not bound")

    def _places(self, entry: Listed) -> Iterator[tuple[str, Iterable[Place]]]:
        """Yield what an entry lists, in words, and where in the page it is."""
        for text in entry.texts:
            yield f'text "{text}"', re.finditer(r"\s+".join(map(re.escape, text.split())), self.page.text)
        for pattern in entry.patterns:
            yield f'pattern "{pattern}"', re.finditer(pattern, self.page.text)
        for heading in entry.sections:
            yield f'section "{heading}"', [Span(start, end, "") for start, end in self.page.sections(heading)]
        for header, names in [*entry.columns.items(), *entry.rows.items()]:
            tables = [table for table in self.page.tables if table.title.startswith(header)]
            for name in names:
                cells = [cell for table in tables for cell in _cells(table, name, header in entry.rows)]
                yield f'"{name}" of the table "{header}"', cells

    def _cover(self, places: Iterable[Place], covered: set[Span]) -> bool:
        """Add the numbers in these places that are not bound; return whether there are any."""
        spans = [place if isinstance(place, Span) else Span(*place.span(), "") for place in places]
        numbers = {
            number
            for number in self.page.numbers
            if number not in self.bound and any(span.holds(number) for span in spans)
        }
        covered |= numbers
        return bool(numbers)


def _filled(text: str, words: Mapping[str, str]) -> str:
    """Return a template with the words of a row for the names of its columns between < and >."""
    return re.sub("<([^<>]+)>", lambda match: words.get(match[1], match[0]), text)


def _rows(table: Table) -> list[str]:
    return [f"| {' | '.join(cell.text for cell in row)} |" for row in table.rows]


def _in_common(rows: Sequence[str], others: Sequence[str]) -> int:
    """Return how many words of rows stand at the same place in others."""
    pairs = (zip(row.split(), other.split(), strict=False) for row, other in zip(rows, others, strict=False))
    return sum(word == other for pair in pairs for word, other in pair)


def _cells(table: Table, name: str, of_row: bool) -> Iterator[Span]:
    """Return the cells of a column, or of the rows whose first cell is the name."""
    for row in table.rows:
        if not of_row and name in table.header:
            yield table.row(row)[name]
        elif of_row and row[0].text == name:
            yield from row


def _key(how: Any, text: str) -> str:
    """Return the value in the file that a cell of the table stands for."""
    return text if isinstance(how, str) else how.get("as", "{}").format(how.get("names", {}).get(text, text))
