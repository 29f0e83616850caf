"""The ways in which a command can end badly, and how errors and foreign text are shown."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

# Longer than any file name; a line of a list may be longer still.
LONGEST_SHOWN = 300


class InputError(Exception):
    """What was asked for cannot be done, and that is known before work starts (exit code 2)."""


class RunError(Exception):
    """A run failed while it was working (exit code 1)."""


class DivergedError(RunError):
    """A run failed because its loss is not finite any more: repeated, it would fail again."""


def escaped(text: str) -> str:
    """Return `text` with control characters and broken UTF-8 written out, so that printing it cannot move a cursor."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def printable(text: object) -> str:
    """Return `text`, which may be foreign, for a message: escaped, and cut off if it is too long."""
    shown = escaped(str(text))
    return shown if len(shown) <= LONGEST_SHOWN else f"{shown[:LONGEST_SHOWN]}..."


def named(names: Sequence[str]) -> str:
    """Return the first ten of foreign names for a message, and the number of the others."""
    return ", ".join(map(printable, names[:10])) + (f" and {len(names) - 10} more" if len(names) > 10 else "")


def reason(error: BaseException) -> str:
    """Return in a few words why something failed: the system's message, else the error's text, else its type."""
    return getattr(error, "strerror", None) or " ".join(str(error).split())[:200] or type(error).__name__


def nearest(word: str, known: Iterable[str]) -> str:
    """Return " (did you mean X?)" or nothing."""
    close = get_close_matches(word[:100], list(known), n=1, cutoff=0.6)
    return f" (did you mean {close[0]}?)" if close else ""
