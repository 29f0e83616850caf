"""The figure of the recipe's parts is drawn from the verdicts, and knows which part each group leaves out."""

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

RECIPE = Path(__file__).parents[2] / "experiments" / "recipe"
HEAD = "group,verdict,seeds,difference,low,high"


def parts(work: Path, *rows: str) -> subprocess.CompletedProcess[str]:
    (work / "verdicts.csv").write_text("\n".join([HEAD, *rows]) + "\n")
    command = [sys.executable, str(RECIPE / "parts.py"), "verdicts.csv", "--figure", "figure.png"]
    return subprocess.run(command, cwd=work, check=False, capture_output=True, text=True, timeout=120)


def test_every_group_is_named_and_drawn(tmp_path: Path) -> None:
    rows = ["optimizer=adamw optimizer.lr=0.008,worse,7,-1.104,-1.963,-0.2459"]
    rows.append("aug=none optimizer=muon,equal,5,0.101,-0.9,1.1")
    done = parts(tmp_path, *rows)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[2:] == [
        "| AdamW in place of Muon | worse | 7 | -1.10 (-1.96 to -0.25) |",
        "| no flips | equal | 5 | +0.10 (-0.90 to +1.10) |",
    ]
    with Image.open(tmp_path / "figure.png") as figure:
        assert figure.width == 900
        two = figure.height
    assert parts(tmp_path, *rows, "scheduler=constant,worse,6,-0.8,-1.5,-0.2").returncode == 0
    with Image.open(tmp_path / "figure.png") as figure:
        assert figure.height > two


@pytest.mark.parametrize("group", ["model=unet", "aug=none optimizer=adamw"])
def test_a_group_that_leaves_out_none_or_two_is_refused(tmp_path: Path, group: str) -> None:
    refused = parts(tmp_path, f"{group},equal,5,0.1,-0.9,1.1")
    assert refused.returncode == 1
    assert refused.stderr.strip() == f"verdicts.csv: {group} leaves out no part that parts.py knows, or several"
    assert not (tmp_path / "figure.png").exists()


def test_another_file_is_refused_in_one_line(tmp_path: Path) -> None:
    command = [sys.executable, str(RECIPE / "parts.py"), "missing.csv", "--figure", "figure.png"]
    missing = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True, timeout=120)
    assert (missing.returncode, len(missing.stderr.splitlines())) == (1, 1)
    assert missing.stderr.startswith("missing.csv: ")
    empty = parts(tmp_path)
    assert (empty.returncode, empty.stderr.strip()) == (1, "verdicts.csv: is no verdicts.csv of a sweep that decides")
