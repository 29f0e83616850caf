"""The files of a run folder, which may be broken or a stranger's, as plain values."""

import io
import json
import math
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pets_seg.errors import escaped, reason
from pets_seg.machine.files import read_limited

if TYPE_CHECKING:
    import pandas as pd

# In bytes; a table of a million images is smaller.
LARGEST_JSON, LARGEST_CSV = 10_000_000, 500_000_000
TEXTS = {"split": str, "stem": str}
# What a table that needs more than a split at commas may have: quotes, returns, a byte order mark, a NUL.
UNUSUAL = (b'"', b"\r", b"\xef\xbb\xbf", b"\0")
WHOLE, FLOAT = {*"0123456789-+"}, {*"0123456789-+.eE"}


def read_json(path: Path) -> dict[str, Any]:
    """Return a JSON file of names and values; ValueError, saying why in a few words, if it is something else."""
    try:
        content = json.loads(read_limited(path, LARGEST_JSON).decode())
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{path.name} cannot be read ({reason(error)})") from None
    if not isinstance(content, dict):
        raise ValueError(f"{path.name} is not what a run writes")
    return content


def read_csv(path: Path, columns: Sequence[str]) -> "pd.DataFrame":
    """Return a table that has `columns`, numbers but for split and stem; ValueError, saying why, if it has not."""
    # Importing it takes half a second.
    import pandas as pd

    return pd.DataFrame(read_columns(path, columns))


def read_columns(path: Path, columns: Sequence[str]) -> dict[str, Any]:
    """Return the columns of such a table: arrays of numbers, and lists of texts."""
    import numpy as np
    import pandas as pd

    # A stem may be "NA" or "1", and a figure missing or not a number.
    numbers = {name: ["", "nan"] for name in (*columns, "val/ece") if name not in TEXTS}
    try:
        content = read_limited(path, LARGEST_CSV)
        if (table := _plain_columns(content, numbers)) is None:
            frame = pd.read_csv(io.BytesIO(content), dtype=TEXTS, keep_default_na=False, na_values=numbers)
            table = {str(name): frame[name].array for name in frame}
    # What pandas raises for a file that is no table: ParserError, EmptyDataError, UnicodeDecodeError, all ValueErrors.
    except (OSError, ValueError) as error:
        raise ValueError(f"cannot be read ({reason(error)})") from None
    for column in columns:
        if column not in table:
            raise ValueError(f"has no column {column}")
        kind = np.asarray(table[column][:0]).dtype.kind
        if column not in TEXTS and kind not in "iuf":
            raise ValueError(f"holds something else than numbers in {column}")
    if not len(next(iter(table.values()))):
        raise ValueError("has no rows")
    return table


def _plain_columns(content: bytes, numbers: Collection[str]) -> dict[str, Any] | None:
    """Return the columns of a table as runs write it, as pandas would read it; None for any other table.

    In `numbers` a cell may be empty. With pandas, each of thousands of small files takes three times as long.
    """
    import numpy as np

    if any(mark in content for mark in UNUSUAL) or not content.endswith(b"\n"):
        return None
    header, *lines = content.decode().split("\n")[:-1]
    names, rows = header.split(","), [line.split(",") for line in lines]
    if not rows or len({*names}) < max(2, len(names)) or {*map(len, rows)} != {len(names)}:
        return None
    table: dict[str, Any] = {}
    for name, cells in zip(names, zip(*rows, strict=True), strict=True):
        if name in TEXTS:
            # The same in thousands of files.
            table[name] = [*map(sys.intern, cells)]
            continue
        empty, letters = "" in cells, {*"".join(cells)}
        if not letters or not letters <= FLOAT or (empty and name not in numbers):
            return None
        try:
            if letters <= WHOLE and not empty:
                table[name] = np.array([*map(int, cells)], dtype=np.int64)
            else:
                table[name] = np.array([float(cell) if cell else math.nan for cell in cells])
        except (ValueError, OverflowError):
            return None
    return table


def tabular(value: Any) -> Any:
    """Return a value of a JSON file as a table can hold it: a number that is too large or not finite is None."""
    if isinstance(value, int | float):
        return value if abs(value) < (2**63 if isinstance(value, int) else math.inf) else None
    return None if value is None else escaped(value if isinstance(value, str) else json.dumps(value))[:1000]


def flat(node: Any, prefix: str = "") -> dict[str, Any]:
    """Return the values of nested dicts and lists by dotted key; a YAML value that is not plain becomes text."""
    if not isinstance(node, dict | list):
        return {prefix: node if isinstance(node, bool | int | float | str | None) else repr(node)}
    values: dict[str, Any] = {}
    for key, value in node.items() if isinstance(node, dict) else enumerate(node):
        values |= flat(value, f"{prefix}.{key}" if prefix else str(key))
    return values
