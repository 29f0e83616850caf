"""What a refusal is: exit code 2, one line, no traceback, no folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest


def cases(wrong: Mapping[str, Mapping[str, str]]) -> list[Any]:
    """Return the parameters of a test: what is wrong and what its line must hold, by the class of error."""
    return [
        pytest.param(*pair, id=f"{kind.replace(' ', '_')}-{ascii(pair[0])[1:-1][:60]}")
        for kind, pairs in wrong.items()
        for pair in pairs.items()
    ]


def refused(code: int, shown: str, reason: str, tmp_path: Path) -> None:
    assert reason in shown, shown
    assert "HYDRA_FULL_ERROR" not in shown, shown
    ends_in_a_line(code, shown, tmp_path)


def ends_in_a_line(code: int, shown: str, tmp_path: Path) -> None:
    assert code == 2, shown
    assert len(shown.strip().splitlines()) == 1, shown
    assert len(shown) < 1000, shown
    assert "Traceback" not in shown, shown
    assert list((tmp_path / "work").iterdir()) == [], shown
