"""The tab key in bash, for the command and for the module."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import command

# Does what bash does on the tab key: calls the function that is registered for the first word.
TAB = r"""
eval "$(%s -sc install=bash)"
COMP_WORDS=(%s); COMP_LINE="${COMP_WORDS[*]}"; COMP_POINT=${#COMP_LINE}; COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
registered=$(complete -p "${COMP_WORDS[0]}"); registered=${registered##*-F }
${registered%%%% *} "${COMP_WORDS[0]}" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
echo "${COMPREPLY[*]}"
"""
COMPLETED = {
    "aug=el": "aug=elastic aug=elastic_or_crop aug=elastic_stock",
    "-m seed=0 train.ep": "train.epochs=",
    "model=resnet34_unet model.dec": "model.decoder_width=",
    "not-yet-a-setting aug=el": "",
}


@pytest.mark.parametrize("started", ["pets_seg", "python -m pets_seg.run"])
@pytest.mark.parametrize("line", COMPLETED)
def test_a_line_is_completed(started: str, line: str, tmp_path: Path) -> None:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-c", TAB % (started, f"{started} {line}")],
        cwd=tmp_path,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout.strip(), done.stderr) == (COMPLETED[line], "")
    assert list(tmp_path.iterdir()) == []


def test_a_shell_that_is_not_known_is_refused(tmp_path: Path) -> None:
    done = command("-sc", "install=nosuchshell", cwd=tmp_path)
    assert done.returncode == 2
    assert "nosuchshell" in done.stderr
