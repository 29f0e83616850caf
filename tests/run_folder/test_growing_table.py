"""A table that gets rows is the file that would be written of all of them, at every moment."""

import csv
from pathlib import Path
from typing import Any

import pytest

from pets_seg.run_folder import growing_table
from pets_seg.run_folder.folder import RunFolder
from pets_seg.run_folder.growing_table import GrowingTable


def rows(first: int, last: int) -> list[dict[str, Any]]:
    return [{"step": step, "step/loss": float("nan") if step == 3 else 1 / step} for step in range(first, last + 1)]


def test_it_is_the_file_of_all_rows_however_they_come(tmp_path: Path) -> None:
    table = GrowingTable(tmp_path / "steps.csv")
    RunFolder(tmp_path).write_rows("steps.csv", rows(1, 9))
    # What an earlier process left is no part of it.
    table.add([])
    assert not table.path.exists()
    for first, last in ((1, 4), (5, 5), (6, 5), (6, 9)):
        table.add(rows(first, last))
        RunFolder(tmp_path).write_rows("whole.csv", rows(1, last))
        assert table.path.read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert len(list(csv.DictReader(table.path.open()))) == 9


def test_only_new_rows_are_rendered_and_a_full_disk_leaves_the_former_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, rendered = GrowingTable(tmp_path / "steps.csv"), []
    render = growing_table.csv_text
    monkeypatch.setattr(growing_table, "csv_text", lambda new, header: rendered.append(len(new)) or render(new, header))
    table.add(rows(1, 4))
    before = table.path.read_text()

    def fail(path: Path, text: str) -> None:
        raise OSError("full")

    with monkeypatch.context() as broken:
        broken.setattr(growing_table, "write_text", fail)
        with pytest.raises(OSError, match="full"):
            table.add(rows(5, 6))
    assert table.path.read_text() == before
    table.add(rows(7, 8))
    assert rendered == [4, 2, 2]
    RunFolder(tmp_path).write_rows("whole.csv", rows(1, 8))
    assert table.path.read_bytes() == (tmp_path / "whole.csv").read_bytes()
