"""The measurement of bf16 beside fp32 prints a row for every case."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

SPEED = Path(__file__).parents[2] / "experiments" / "precision" / "speed.py"


@pytest.mark.slow
def test_the_table_has_the_images_per_second_of_both_precisions() -> None:
    cases = ["unet 2 32"]
    command = [sys.executable, str(SPEED), "--seconds", "0.01", "--rounds", "1", "--cases", ",".join(cases)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=True)
    rows = [line.strip("| ").split(" | ") for line in done.stdout.splitlines() if line.endswith("|")][2:]
    assert [row[0] for row in rows] == [f"{case} px" for case in cases]
    for row in rows:
        fp32, bf16, ratio = map(float, row[1:])
        assert abs(bf16 / fp32 - ratio) < 0.02
    assert re.match(r"[A-Z0-9_, ]+; \d+ threads; torch ", done.stdout)
