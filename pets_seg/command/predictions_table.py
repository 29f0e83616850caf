"""predictions.csv: a row for each photograph that was segmented."""

import csv
import io
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from pets_seg.command.photo_search import TABLE
from pets_seg.machine.files import write_text

COLUMNS = ("file", "width", "height", "share_of_pet", "confidence", "seconds")


class PredictionsTable:
    """The table in a folder, which is there from the beginning: a killed command's pictures are no photographs."""

    def __init__(self, output: Path) -> None:
        """Write a table without rows where none is."""
        self.path = output / TABLE
        self._new = not os.path.lexists(self.path)
        if self._new:
            self.write([])

    def write(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Replace the table."""
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_text(self.path, text.getvalue())

    def withdraw(self) -> None:
        """Remove the table if it was not there before, as nothing was made."""
        if self._new:
            with suppress(OSError):
                self.path.unlink(missing_ok=True)
