"""Values of the command line that Hydra reads only in quotes: letters of any script, and paths with a ~."""

import re

from hydra.core.override_parser.types import Quote, QuotedString

from pets_seg.config.hints import readable

# Parts of a value: what is quoted already, text with Hydra's escapes and references in it, and a sign of its grammar.
PART = re.compile(
    r"""(?P<quoted>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
    r"""|(?P<text>(?:\$\{[^{}]+\}|\\[\\()\[\]{}:=, \t]?|[^\x00-\x08\x0a-\x1f\x7f-\x9f"'\\()\[\]{},=:;])+)"""
    r"""|(?P<sign>.)""",
    re.DOTALL,
)
ESCAPE = re.compile(r"\\([\\()\[\]{}:=, \t])")
CHOICE = re.compile(r"choice\(([^()]*)\)")
# What Hydra's grammar has no place for outside quotes, and no meaning either.
NEEDS_QUOTES = re.compile(r"[^\x00-\x9f]|~")


def quoted(word: str) -> str:
    """Return an override with quotes around those of its values that Hydra cannot read without them.

    Lists, dictionaries, sweeps and references keep their meaning, and so does every word that Hydra can read as it is.
    A word that stays unreadable is returned unchanged.
    """
    key, _, value = word.partition("=")
    if not NEEDS_QUOTES.search(value) or readable(word):
        return word
    # Hydra forgets the quotes of a function's arguments, and cannot read again what it then writes for the jobs.
    if choice := CHOICE.fullmatch(value):
        value = choice[1]
    opened: list[str] = []
    written = ""
    text = ""
    for part in PART.finditer(value):
        sign = part["sign"]
        # In a dictionary a colon ends a key, elsewhere it is a sign like any other.
        if part["text"] or (sign == ":" and opened[-1:] != ["{"]):
            text += part[0]
            continue
        written, text = written + (text if "(" in opened else _in_quotes(text)) + part[0], ""
        if sign and sign in "([{":
            opened.append(sign)
        elif sign and sign in ")]}":
            opened = opened[:-1]
    guess = f"{key}={written}{_in_quotes(text)}"
    return guess if readable(guess) else word


def one_value(word: str) -> str:
    """Return an override with all that follows its first = as one value in quotes, whatever signs it holds."""
    key, _, value = word.partition("=")
    return f"{key}={QuotedString(value, Quote.double).with_quotes()}"


def _in_quotes(text: str) -> str:
    """Return a part of a value in quotes if it needs them; the spaces around it, which Hydra ignores, stay outside."""
    if not NEEDS_QUOTES.search(text):
        return text
    bare = re.sub(r"(?<!\\)[ \t]+$", "", text.lstrip(" \t"))
    return QuotedString(ESCAPE.sub(r"\1", bare), Quote.double).with_quotes()
