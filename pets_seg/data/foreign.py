"""Names that others made: what is shown of them leaves a terminal as it is."""

from pets_seg.errors import escaped

# Longer than any file name; a line of a list may be longer still.
LONGEST_SHOWN = 300


def printable(text: object) -> str:
    """Return `text` for a message: control characters and broken UTF-8 escaped, the end cut off if it is too long."""
    shown = escaped(str(text))
    return shown if len(shown) <= LONGEST_SHOWN else f"{shown[:LONGEST_SHOWN]}..."
