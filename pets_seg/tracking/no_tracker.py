"""tracker=none: nobody gets a copy."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any


class NoTracker:
    """Takes what every tracker must, and keeps nothing."""

    def __init__(self, config: Mapping[str, Any], folder: Path) -> None:
        pass

    def log(self, row: Mapping[str, Any]) -> None:
        """Take the row of an epoch."""

    def finish(self, summary: Mapping[str, Any], failed: bool) -> None:
        """Take the summary."""
