"""The kept files that figures are bound to: tables as rows of text, whatever they are written in, and plain text."""

import json
import re
import subprocess
import sys
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import pandas as pd
from markdown_pages import Page

ROOT = Path(__file__).resolve().parents[2]
# Of several tables under a heading the number of one.
NUMBERED = re.compile(r"(.*) \((\d+)\)")
# The first of the signs that stands in a condition decides; so those that hold others come first.
CONDITION = re.compile(r"(.+?)(<=|>=|!=|=|<|>)(.*)", re.S)


def read_table(path: Path, part: str = "") -> pd.DataFrame:
    """Return the rows of a kept file, all cells as text.

    A JSON file is one row, its inner keys joined by dots. Of a page in Markdown `part` names the heading of a table,
    with its number if several stand there; of a JSON file the list that holds the rows.
    """
    stat = path.stat()
    return _read_table(path, part, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=64)
def _read_table(path: Path, part: str, time: int, size: int) -> pd.DataFrame:
    """Return the rows; the file's time and size are those for which they hold."""
    if path.suffix == ".json":
        content = json.loads(path.read_text(encoding="utf-8"))
        rows = content[part] if part else [content]
        return pd.DataFrame([{key: _text(value) for key, value in _flat(row).items()} for row in rows])
    if path.suffix == ".md":
        page, numbered = Page(path), NUMBERED.fullmatch(part)
        heading, number = (numbered[1], int(numbered[2])) if numbered else (part, 1)
        [(start, end)] = page.sections(heading)
        tables = [table for table in page.tables if table.rows and start <= table.rows[0][0].start < end]
        table = tables[number - 1]
        return pd.DataFrame([[cell.text for cell in row] for row in table.rows], columns=table.header)
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def read_text(path: Path, file: str) -> str:
    """Return the text of a kept file, or what a command of this repository prints if `file` is one."""
    return printed_by(file) if file.startswith("python ") else path.read_text(encoding="utf-8")


@cache
def printed_by(command: str) -> str:
    """Return what a command of this repository prints."""
    done = subprocess.run([sys.executable, *command.split()[1:]], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise ValueError(f"`{command}` failed: {done.stderr.strip().splitlines()[-1]}")
    return done.stdout


def select(table: pd.DataFrame, conditions: dict[str, Any]) -> pd.DataFrame:
    """Return the rows in which columns have these values, as text or as numbers."""
    for column, value in conditions.items():
        table = keep(table, column, "=", str(value))
    return table


def select_by_text(table: pd.DataFrame, text: str) -> pd.DataFrame:
    """Return the rows that meet conditions such as `epoch<=2; aug=none`."""
    for condition in text.split(";"):
        if not (match := CONDITION.fullmatch(condition.strip())):
            raise ValueError(f"{condition.strip()!r} is no condition such as aug=none")
        table = keep(table, match[1].strip(), match[2], match[3].strip())
    return table


def keep(table: pd.DataFrame, column: str, sign: str, value: str) -> pd.DataFrame:
    """Return the rows whose cell in a column is the value, or is on one side of it."""
    if column not in table:
        raise ValueError(f"there is no column {column}")
    cells = table[column]
    numbers, number = pd.to_numeric(cells, errors="coerce"), pd.to_numeric(value, errors="coerce")
    same = (cells == value) | (numbers == number)
    chosen = {"=": same, "!=": ~same, "<=": numbers <= number, ">=": numbers >= number, "<": numbers < number}
    return table[chosen.get(sign, numbers > number)]


def _flat(value: Any, key: str = "") -> dict[str, Any]:
    if isinstance(value, dict):
        return {name: leaf for part, item in value.items() for name, leaf in _flat(item, _joined(key, part)).items()}
    return {key: value}


def _joined(key: str, part: str) -> str:
    return f"{key}.{part}" if key else part


def _text(value: Any) -> str:
    return "" if value is None else str(value)
