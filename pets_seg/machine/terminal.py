"""The terminal, or the file or pipe in its place: width, colours, and output whose failure stops no command."""

import codecs
import io
import os
import select
import shlex
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

COLOURS = {"bold": "1", "red": "31", "green": "32", "yellow": "33", "dim": "2"}
# Replacements for characters that an encoding lacks; others are written as Python's escapes.
PLAIN = {
    "\N{PLUS-MINUS SIGN}": "+-",
    "\N{EN DASH}": "-",
    "\N{MINUS SIGN}": "-",
    "\N{MULTIPLICATION SIGN}": "x",
    "\N{HORIZONTAL ELLIPSIS}": "...",
}
ERRORS = "pets_seg"


def width() -> int:
    """Return the number of columns of the terminal; 80 where there is none."""
    return shutil.get_terminal_size((80, 24)).columns


def coloured(text: str, colour: str) -> str:
    """Return `text` in one of COLOURS where standard output is a terminal that has colours."""
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM", "dumb") == "dumb":
        return text
    return f"\033[{COLOURS[colour]}m{text}\033[0m"


def duration(seconds: float) -> str:
    """Return a length of time in a fitting unit: 0.4 s, 12 s, 6 min, 2.5 h."""
    if seconds < 9.95:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    if seconds < 99.5 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def python() -> str:
    """Return the shell command that starts the interpreter of this process from this folder."""
    # Not compared as files: an environment's python is a link to that of the system.
    if shutil.which("python") == sys.executable:
        return "python"
    return shlex.quote(str(from_here(Path(sys.executable))))


def shell(words: Iterable[str]) -> str:
    """Return the words of a command as a user gives them to bash; what cannot be shown stands as escapes in $'...'."""
    return " ".join(shlex.quote(word) if word.isprintable() else _in_ansi_quotes(word) for word in words)


def _in_ansi_quotes(word: str) -> str:
    signs = (f"\\{char}" if char in "\\'" else char if char.isprintable() else _bytes(char) for char in word)
    return f"$'{''.join(signs)}'"


def _bytes(char: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in char.encode(errors="surrogateescape"))


def from_here(path: Path) -> Path:
    """Return a path as a user in the current folder would write it: relative if it lies under that folder."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


class _Stream(io.FileIO):
    """A file descriptor that keeps its first failure in `problem` and drops all that is written after it."""

    problem: OSError | None = None

    def write(self, content: Any, /) -> int:
        if self.problem is None:
            try:
                # A terminal that another program made non-blocking may be busy.
                while (count := super().write(content)) is None:
                    select.select([], [self], [])
                return count
            except OSError as error:
                self.problem = error
        return len(content)


@contextmanager
def unfailing_output() -> Iterator[None]:
    """Let no print fail in this context, so that what a command does after it is done.

    A closed pipe, a full disk or an encoding that lacks a character would stop it. `output_problem` returns the error.
    """
    codecs.register_error(ERRORS, _in_plain_characters)
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = map(_unfailing, before)
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        sys.stdout, sys.stderr = before


def output_problem() -> OSError | None:
    """Flush standard output and return why something printed on it was lost, if it was."""
    sys.stdout.flush()
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    return raw.problem if isinstance(raw, _Stream) else None


def _unfailing(stream: TextIO | None) -> TextIO:
    # A command may be started with its output closed.
    if stream is None:
        return open(os.devnull, "w", encoding="utf-8")
    # Python's own stream closes the descriptor.
    raw = _Stream(stream.fileno(), "w", closefd=False)
    return io.TextIOWrapper(io.BufferedWriter(raw), stream.encoding, errors=ERRORS, line_buffering=True)


def _in_plain_characters(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(PLAIN.get(char, ascii(char)[1:-1]) for char in text), error.end
