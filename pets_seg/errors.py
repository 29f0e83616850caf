"""The two ways in which a command can end badly, and what may be shown of it."""


class InputError(Exception):
    """What was asked for cannot be done, and that is known before work starts (exit code 2)."""


class RunError(Exception):
    """A run failed while it was working (exit code 1)."""


def escaped(text: str) -> str:
    """Return `text` with control characters and broken UTF-8 written out: a name from data must not move a cursor."""
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)
