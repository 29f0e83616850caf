"""The files of a run folder, which may be broken or a stranger's, as plain values."""

import io
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from pets_seg.errors import escaped
from pets_seg.machine.files import open_regular

# In bytes; a table of a million images is smaller.
LARGEST_JSON, LARGEST_CSV = 10_000_000, 500_000_000
TEXTS = {"split": str, "stem": str}


def read_json(path: Path) -> dict[str, Any]:
    """Return a JSON file of names and values; ValueError, saying why in a few words, if it is something else."""
    try:
        content = json.loads(_read(path, LARGEST_JSON).decode())
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{path.name} cannot be read ({_reason(error)})") from None
    if not isinstance(content, dict):
        raise ValueError(f"{path.name} is not what a run writes")
    return content


def read_csv(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Return a table that has `columns`, numbers but for split and stem; ValueError, saying why, if it has not."""
    # A stem may be "NA" or "1", and a figure missing or not a number.
    numbers = {name: ["", "nan"] for name in (*columns, "val/ece") if name not in TEXTS}
    try:
        content = io.BytesIO(_read(path, LARGEST_CSV))
        table = pd.read_csv(content, dtype=TEXTS, keep_default_na=False, na_values=numbers)
    # What pandas raises for a file that is no table: ParserError, EmptyDataError, UnicodeDecodeError, all ValueErrors.
    except (OSError, ValueError) as error:
        raise ValueError(f"cannot be read ({_reason(error)})") from None
    for column in columns:
        if column not in table:
            raise ValueError(f"has no column {column}")
        kind = table[column].dtype
        if column not in TEXTS and (not pd.api.types.is_numeric_dtype(kind) or pd.api.types.is_bool_dtype(kind)):
            raise ValueError(f"holds something else than numbers in {column}")
    if table.empty:
        raise ValueError("has no rows")
    return table


def tabular(value: Any) -> Any:
    """Return a value of a JSON file as a table can hold it: a number that is too large or not finite is None."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, int):
        return value if abs(value) < 2**63 else None
    return escaped(value if isinstance(value, str) else json.dumps(value))[:1000]


def flat(node: Any, prefix: str = "") -> dict[str, Any]:
    """Return the values of nested names and lists by dotted key; what YAML may hold beside plain values is text."""
    if not isinstance(node, dict | list):
        return {prefix: node if isinstance(node, bool | int | float | str | None) else repr(node)}
    items = node.items() if isinstance(node, dict) else enumerate(node)
    found: dict[str, Any] = {}
    for key, value in items:
        found |= flat(value, f"{prefix}.{key}" if prefix else str(key))
    return found


def _read(path: Path, most: int) -> bytes:
    with open_regular(path) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise ValueError(f"it has more than {most} bytes")
    return content


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or " ".join(str(error).split())[:150] or type(error).__name__
