"""The two ways in which a command can end badly, and what may be shown of it."""

from collections.abc import Iterable
from difflib import get_close_matches


class InputError(Exception):
    """What was asked for cannot be done, and that is known before work starts (exit code 2)."""


class RunError(Exception):
    """A run failed while it was working (exit code 1)."""


def escaped(text: str) -> str:
    """Return `text` with control characters and broken UTF-8 written out: a name from data must not move a cursor."""
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)


def nearest(word: str, known: Iterable[str]) -> str:
    """Return " (did you mean X?)" or nothing."""
    close = get_close_matches(word[:100], list(known), n=1, cutoff=0.6)
    return f" (did you mean {close[0]}?)" if close else ""
