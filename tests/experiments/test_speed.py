"""`make bench` measures and keeps what it measured."""

import json
import sys
from pathlib import Path

import pytest

SPEED = Path(__file__).parents[2] / "experiments" / "speed"


def test_the_augmentation_benchmark_prints_and_keeps_its_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(SPEED))
    import augmentation
    import timing

    monkeypatch.setattr(timing, "RESULTS", tmp_path)
    monkeypatch.setattr(augmentation, "ELASTIC_SIZE", 64)
    monkeypatch.setattr(augmentation, "STEP_SIZE", 32)
    monkeypatch.setattr(sys, "argv", ["augmentation.py", "--device", "cpu", "--seconds", "0"])
    augmentation.main()
    shown = capsys.readouterr().out
    kept = {path.name.split("-")[0]: json.loads(path.read_text()) for path in tmp_path.iterdir()}
    assert set(kept) == {"elastic", "step"}
    for table in kept.values():
        assert {"device", "threads", "torch", "kornia"} <= table["machine"].keys()
        for row in table["rows"]:
            assert f"| {' | '.join(row.values())} |" in shown
    assert len(kept["elastic"]["rows"]) == 5
    assert [next(iter(row.values())) for row in kept["step"]["rows"]] == ["aug=none", "aug=elastic", "aug=strong"]
