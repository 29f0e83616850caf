"""The command that shows how masks are read can be pasted, whatever the command was that printed it."""

import shlex
from pathlib import Path

import pytest
from conftest import only_run
from processes import forked
from test_other_data import SETTINGS, write


def look(shown: str) -> list[str]:
    """Return the words after `python -m pets_seg.run` of the command that is shown."""
    return shlex.split(shown.partition("; look: ")[2].splitlines()[0])[3:]


@pytest.mark.slow
@pytest.mark.parametrize("more", [[], ["data.normalisation=raw"]])
def test_the_command_that_is_shown_works(tmp_path: Path, more: list[str]) -> None:
    done = forked(*SETTINGS, f"data.root={write(tmp_path / 'data')}", *more, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    again = forked(f"replay={only_run(tmp_path)}", "tracker.mode=disabled", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    for shown in (done.stdout, again.stdout):
        pasted = forked(*look(shown), cwd=tmp_path)
        assert pasted.returncode == 0, pasted.stderr
        assert pasted.stdout.strip().endswith(".png")
