"""Where bf16 is computed in hardware a run says so, unless its precision was chosen."""

from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import tiny

from pets_seg.command import quicker

Command = Callable[..., tuple[int, str]]
LINE = "train.precision=bf16 may be 1.4 to 1.8 times as fast here (AMX_BF16)"


@pytest.fixture(autouse=True)
def _nothing_said() -> None:
    quicker.tell_of_bf16.cache_clear()


@pytest.mark.slow
def test_the_line_comes_once_in_a_sweep(
    oxford: Path, tmp_path: Path, in_process: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quicker, "bf16_instructions", lambda: ["AMX_BF16"])
    code, shown = in_process("-m", *tiny(oxford), "train.epochs=1", "seed=0,1")
    assert code == 0, shown
    assert shown.count(LINE) == 1


@pytest.mark.parametrize("chosen", [["train.precision=fp32"], []])
def test_no_line_where_it_would_be_wrong(
    chosen: list[str], oxford: Path, in_process: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quicker, "bf16_instructions", lambda: ["AMX_BF16"] if chosen else [])
    code, shown = in_process(*tiny(oxford), "train.epochs=1", *chosen)
    assert code == 0, shown
    assert "bf16" not in shown
