"""What stands in a claims file; README.md explains it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True)
class Sentence:
    """Figures of a text that stands once in the page, or of several texts."""

    text: str | Sequence[str]
    file: str
    where: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Bound:
    """Cells of a table, by the heading of their column; `keys` say which row of the file a row of the table is.

    A table is named by the beginning of its `header`. Of its rows all are meant, or those whose first cell is in
    `rows`. In an expression `<column>` is what stands in that column of the row.
    """

    header: str
    file: str
    cells: Mapping[str, str]
    keys: Mapping[str, Any] = field(default_factory=dict)
    where: Mapping[str, Any] = field(default_factory=dict)
    rows: Sequence[str] = ()


@dataclass(frozen=True)
class Printed:
    """Tables whose rows are those that a command prints beneath the same header, text for text."""

    command: str
    headers: Sequence[str]


@dataclass(frozen=True)
class Listed:
    """Numbers that no kept file holds, by text, pattern, section, or by columns or rows of a table; and why not."""

    why: str
    texts: Sequence[str] = ()
    patterns: Sequence[str] = ()
    sections: Sequence[str] = ()
    columns: Mapping[str, Sequence[str]] = field(default_factory=dict)
    rows: Mapping[str, Sequence[str]] = field(default_factory=dict)


KINDS: dict[str, type] = {
    "sentences": Sentence,
    "tables": Bound,
    "printed": Printed,
    "not_from_runs": Listed,
    "not_kept": Listed,
}


def load_claims(file: Path) -> Any:
    """Return the content of a claims file."""
    return yaml.safe_load(file.read_text(encoding="utf-8")) or {}


def claims_of(content: Mapping[str, Any], kind: str) -> list[Any]:
    """Return the entries of one kind."""
    return [KINDS[kind](**entry) for entry in content.get(kind, ())]
