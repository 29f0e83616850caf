"""What docs/extending.md shows, for the tests that run it."""

import csv
import re
from collections.abc import Callable
from pathlib import Path

from conftest import tiny

Command = Callable[..., tuple[int, str]]
PAGE = (Path(__file__).parent.parent / "docs" / "extending.md").read_text(encoding="utf-8")
FILES: dict[str, str] = dict(re.findall(r"```\w+ /my/(\S+)\n(.*?)```", PAGE, re.DOTALL))


def small(root: Path) -> list[str]:
    return [word for word in tiny(root) if not word.startswith(("model", "aug"))]


def rows(file: Path) -> list[dict[str, str]]:
    with open(file, encoding="utf-8", newline="") as opened:
        return list(csv.DictReader(opened))
