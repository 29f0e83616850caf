"""What a terminal, a pipe or a file shows, and output that ends no command."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import tiny

from pets_seg.machine.terminal import duration, python, shell


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        *((0.04, "0 s"), (0.42, "0.4 s"), (9.0, "9 s"), (9.94, "9.9 s"), (9.96, "10 s"), (12, "12 s"), (99.4, "99 s")),
        *((99.6, "2 min"), (2880, "48 min"), (5969, "99 min"), (5971, "1.7 h"), (360000, "100.0 h")),
    ],
)
def test_durations_read_well(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


def test_the_interpreter_is_called_as_the_shell_of_the_user_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "an env" / "bin" / "python"
    program.parent.mkdir(parents=True)
    program.touch(mode=0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert python() == f"'{program}'"
    monkeypatch.chdir(tmp_path)
    assert python() == "'an env/bin/python'"
    # The environment is active.
    monkeypatch.setenv("PATH", str(program.parent))
    assert python() == "python"


SHOW = "from pets_seg.machine.terminal import coloured; print(coloured('word', 'green'))"


def on_terminal(**environment: str) -> str:
    """Return what SHOW prints on a terminal."""
    ours, theirs = pty.openpty()
    bare = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
    subprocess.run([sys.executable, "-c", SHOW], stdout=theirs, env={**bare, **environment}, check=True)
    os.close(theirs)
    shown = os.read(ours, 1000).decode()
    os.close(ours)
    return shown.strip()


def test_colours_go_to_terminals_that_know_them() -> None:
    plain = subprocess.run([sys.executable, "-c", SHOW], capture_output=True, text=True, check=True).stdout.strip()
    assert plain == "word"
    assert on_terminal(TERM="xterm") == "\033[32mword\033[0m"
    assert on_terminal(TERM="xterm", NO_COLOR="1") == plain
    assert on_terminal(TERM="dumb") == plain


@pytest.mark.parametrize(("encoding", "shown"), [("ascii", "1 +- 2 \\u6f22 -"), ("latin-1", "1 ± 2 \\u6f22 -")])
def test_a_sign_that_the_encoding_lacks_is_written_otherwise(encoding: str, shown: str) -> None:
    code = (
        "from pets_seg.machine.terminal import unfailing_output\n"
        "with unfailing_output(): print('1 \\N{PLUS-MINUS SIGN} 2 \\u6f22 \\N{EN DASH}')"
    )
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment, check=True)
    assert done.stdout.decode(encoding).strip() == shown


@pytest.mark.slow
def test_a_sweep_whose_reader_has_left_writes_its_page(oxford: Path, tmp_path: Path) -> None:
    small = " ".join([*tiny(oxford), "train.epochs=1", "name=study"])
    line = f"{sys.executable} -m pets_seg.run -m {small} aug=hflip | head -1"
    done = subprocess.run(line, shell=True, cwd=tmp_path, stderr=subprocess.PIPE, text=True, check=True)
    assert done.stderr == "standard output: could not be written (Broken pipe)\n"
    assert (tmp_path / "runs" / "study" / "report.html").exists()
    line = f"{sys.executable} -m pets_seg.run task=report runs=runs/study >/dev/full"
    (tmp_path / "runs" / "study" / "report.html").unlink()
    done = subprocess.run(line, shell=True, cwd=tmp_path, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "standard output: could not be written (No space left on device)\n"
    assert (tmp_path / "runs" / "study" / "report.html").exists()


def test_a_command_that_is_shown_gives_its_words_again() -> None:
    words = ["a", "data.root=Fotos Jürgen", "b\udcff's \\x", "c\nd", "猫\u3000\x1b0", ""]
    line = shell(words)
    assert line.isprintable()
    done = subprocess.run(["bash", "-c", f"printf '%s\\0' {line}"], capture_output=True, check=True)
    assert [os.fsdecode(word) for word in done.stdout.split(b"\0")[:-1]] == words
