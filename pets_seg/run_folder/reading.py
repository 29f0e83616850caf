"""The files of a run folder, which may be broken or a stranger's, as plain values."""

import io
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pets_seg.errors import escaped, reason
from pets_seg.machine.files import read_limited

if TYPE_CHECKING:
    import pandas as pd

# In bytes; a table of a million images is smaller.
LARGEST_JSON, LARGEST_CSV = 10_000_000, 500_000_000
TEXTS = {"split": str, "stem": str}


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

    # A stem may be "NA" or "1", and a figure missing or not a number.
    numbers = {name: ["", "nan"] for name in (*columns, "val/ece") if name not in TEXTS}
    try:
        content = io.BytesIO(read_limited(path, LARGEST_CSV))
        table = pd.read_csv(content, dtype=TEXTS, keep_default_na=False, na_values=numbers)
    # What pandas raises for a file that is no table: ParserError, EmptyDataError, UnicodeDecodeError, all ValueErrors.
    except (OSError, ValueError) as error:
        raise ValueError(f"cannot be read ({reason(error)})") from None
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
