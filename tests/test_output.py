"""A command whose output nobody takes, or that has none, ends without a traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

# As at a user's: what is printed is written when there is enough of it, or at the end.
BUFFERED = {**os.environ, "PYTHONUNBUFFERED": ""}


@pytest.mark.parametrize("arguments", ["--help", "--cfg job", "--info all"])
def test_a_reader_that_leaves(arguments: str, tmp_path: Path) -> None:
    line = f"{sys.executable} -m pets_seg.run {arguments}"
    done = subprocess.Popen(line.split(), cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=BUFFERED)
    done.stdout.close()
    assert done.stderr.read() == b""
    assert done.wait() == 1


@pytest.mark.parametrize(
    ("redirection", "code", "shown"), [(">&-", 0, ""), (">/dev/full", 1, "No space left on device")]
)
def test_output_that_is_closed_or_full(redirection: str, code: int, shown: str, tmp_path: Path) -> None:
    line = f"{sys.executable} -m pets_seg.run --cfg job {redirection}"
    done = subprocess.run(line, shell=True, cwd=tmp_path, stderr=subprocess.PIPE, text=True, env=BUFFERED, check=False)
    assert done.returncode == code
    assert shown in done.stderr
    assert len(done.stderr.splitlines()) == bool(shown)
