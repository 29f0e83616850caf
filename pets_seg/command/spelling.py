"""What was meant by a word of the command line that Hydra cannot read."""

import re
import shlex
from collections.abc import Sequence
from itertools import accumulate

from pets_seg.command.quoting import one_value, quoted
from pets_seg.config.hints import LONGEST, NUMBER, readable
from pets_seg.config.schema import PATHS

# A word that ends or begins with one of these, beside its neighbour, was one word with it before the shell cut it.
OPEN, CLOSE = ",=:[({", ",=:])}"
CUT = "the shell cuts a command at its spaces, so leave out those beside commas, = and brackets; "
RULE = "write key=value, a value with signs beyond letters, digits, spaces and _-+./ in quotes, e.g. {example}"
EXAMPLE = 'checkpoint="runs/a=b"'
# What people write and what Hydra wants instead, replaced one after the other until the word can be read.
SLIPS: list[tuple[str, str]] = [
    (r"^([\w./@+~]+)\s*(?::|=+)\s*", r"\1="),
    (r"(?<==)[\s,]+|[\s,;]+$|,(?=\s*,)", ""),
    (rf"range\W+({NUMBER})\W+({NUMBER})\W+({NUMBER})\W*$", r"range(\1,\2,\3)"),
    (rf"range\W+({NUMBER})\W+({NUMBER})\W*$", r"range(\1,\2)"),
    (r"=[({<]([^={}:]+)[)}>]$", r"=\1"),
    (r";\s*", ","),
]


def unreadable(words: Sequence[str], index: int) -> str:
    """Return a line about `words[index]`, which Hydra cannot read: what was meant, or else the rule."""
    first = last = index
    while first > 0 and _belong(words[first - 1], words[first]):
        first -= 1
    while last + 1 < len(words) and _belong(words[last], words[last + 1]):
        last += 1
    text = " ".join(words[first : last + 1]) or "''"
    if len(text) > LONGEST:
        return f"{text[:60]}...: has {len(text)} characters, {LONGEST} are the most; shorten it"
    meant = "".join(words[first : last + 1])
    mended = accumulate(SLIPS, lambda word, slip: re.sub(slip[0], slip[1], word), initial=meant)
    for guess in [*map(quoted, mended), re.sub(r"=([^\[\](){}'\"]+)$", r'="\1"', meant)]:
        if readable(guess):
            return f"{text}: cannot be read; {CUT if first < last else ''}write {shlex.quote(guess)}"
    before = words[first - 1] if first and "=" not in text else ""
    more = f"; values of a sweep stand without spaces: {before},{text}" if "=" in before else ""
    rule = RULE.format(example=shlex.quote(one_value(text) if is_path(text) else EXAMPLE))
    return f"{text}: cannot be read; {rule}{more}"


def is_path(word: str) -> bool:
    """Return whether the value of an override is meant as a path, whatever signs it holds."""
    key, equal, value = word.partition("=")
    return bool(equal) and (key in PATHS or "/" in value) and readable(one_value(word))


def _belong(left: str, right: str) -> bool:
    """Whether two words were one before the shell cut it at a space; a word key=value stands for itself."""
    return ("=" not in right or right.startswith("=")) and (left[-1:] in [*OPEN] or right[:1] in [*CLOSE])
