"""A piece of a page with the numbers in it left open, as `is {100*difference} points`, and what they must be."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from markdown_pages import NUMBER, Span

OPEN = re.compile(r"\{([^{}]+)\}")
FILLED = rf"([-+]?{NUMBER})(?!\w|\.\d)"
# What may be missing to a half when a binary fraction is rounded.
SLACK = 1e-9


@dataclass(frozen=True)
class Template:
    """A text with expressions between braces; spaces and ends of lines are all the same."""

    text: str

    @cached_property
    def expressions(self) -> list[str]:
        """The expressions in their order."""
        return OPEN.findall(self.text)

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """What finds the text, a group for each expression."""
        literal = OPEN.split(self.text)[::2]
        return re.compile(FILLED.join(r"\s+".join(map(re.escape, re.split(r"\s+", part))) for part in literal))

    def find(self, text: str, offset: int = 0) -> list[list[Span]]:
        """Return for each place in which the text stands the numbers in it."""
        return [list(_groups(match, offset)) for match in self.pattern.finditer(text)]

    def fill(self, text: str, offset: int = 0) -> list[Span] | None:
        """Return the numbers of a text that is this one from its beginning to its end; None if it is another."""
        match = self.pattern.fullmatch(text)
        return list(_groups(match, offset)) if match else None


def _groups(match: re.Match[str], offset: int) -> Iterator[Span]:
    for group in range(1, len(match.groups()) + 1):
        yield Span(match.start(group) + offset, match.end(group) + offset, match[group])


def agrees(written: str, value: float | str) -> bool:
    """Whether a number as it is written is the value, rounded to the digits that are written."""
    if isinstance(value, str):
        return written == value
    number, unit = _read(written)
    return math.isfinite(value) and abs(value - number) <= unit * (0.5 + SLACK) + SLACK * abs(value) * 1e-3


def as_written(written: str, value: float | str) -> str:
    """Return how the value would be written with the digits of what is written."""
    if isinstance(value, str):
        return value
    if not math.isfinite(value):
        return "nothing"
    mantissa, _, exponent = written.partition("e")
    decimals = len(mantissa.partition(".")[2])
    sign = "+" if written.startswith("+") else ""
    power = int(exponent) if exponent else 0
    shown = format(value / 10.0**power, f"{sign}{',' if ',' in mantissa else ''}.{decimals}f")
    return f"{shown}e{exponent}" if exponent else shown


def _read(written: str) -> tuple[float, float]:
    """Return the number and the unit of its last digit."""
    plain = written.replace(",", "")
    mantissa, _, exponent = plain.partition("e")
    try:
        return float(plain), 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))
    except ValueError:
        # A version such as 22.05.8 is no number.
        return math.nan, 0.0
