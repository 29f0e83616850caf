"""The first seconds of a command: something is on the screen, and Ctrl-C leaves without a traceback."""

import os
import pty
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = [sys.executable, "-m", "pets_seg.run", "model.width=2", "data.size=32", "train.epochs=1", "aug=strong"]


def test_a_terminal_shows_at_once_that_something_goes_on_and_ctrl_c_leaves(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(COMMAND, cwd=tmp_path, stdout=theirs, stderr=theirs, stdin=theirs)
    os.close(theirs)
    # The first line comes after a tenth of a second; PyTorch itself takes several.
    shown = ""
    while "loading PyTorch ..." not in shown:
        assert select.select([ours], [], [], 60)[0]
        shown += os.read(ours, 1000).decode()
    assert shown.splitlines() == ["starting ...", "loading PyTorch ..."]
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    assert os.read(ours, 1000).decode().strip() == "interrupted"
    os.close(ours)
    assert list(tmp_path.iterdir()) == []


# A module early among those of Hydra, PyTorch and Kornia.
@pytest.mark.parametrize("module", ["hydra.errors", "torch._C", "kornia.constants"])
def test_ctrl_c_while_libraries_are_imported_leaves_without_a_traceback(module: str, tmp_path: Path) -> None:
    traced = [COMMAND[0], "-X", "importtime", *COMMAND[1:]]
    process = subprocess.Popen(traced, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while f"| {module}" not in " ".join((line := process.stderr.readline()).split()):
        assert line
    process.send_signal(signal.SIGINT)
    shown = "".join(process.communicate(timeout=60))
    assert process.returncode == 130
    assert "Traceback" not in shown
    assert shown.endswith("interrupted\n")
    assert list(tmp_path.iterdir()) == []
