"""A CSV file that a run adds rows to."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pets_seg.machine.files import write_text


def csv_text(rows: Sequence[Mapping[str, Any]], header: bool = True) -> str:
    """Return rows as the text of a CSV file; NaN is an empty cell."""
    text = io.StringIO()
    # A run that an older version began has rows with fewer figures.
    columns = dict.fromkeys(name for row in rows for name in row)
    writer = csv.DictWriter(text, fieldnames=list(columns), lineterminator="\n")
    if header:
        writer.writeheader()
    for row in rows:
        writer.writerow({k: "" if isinstance(v, float) and math.isnan(v) else v for k, v in row.items()})
    return text.getvalue()


class GrowingTable:
    """A CSV file that is written whole each time, while only what is new of its rows is rendered.

    It begins without rows, whatever is in the file. All rows have the same figures.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.parts: list[str] = []

    def add(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write the file with further rows; without any row there is none."""
        if rows:
            self.parts.append(csv_text(rows, header=not self.parts))
        if not self.parts:
            self.path.unlink(missing_ok=True)
        elif rows:
            write_text(self.path, "".join(self.parts))
