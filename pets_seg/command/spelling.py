"""What was meant by a word that Hydra cannot read, or that holds several values where one is wanted."""

import re
from collections.abc import Callable, Sequence

from pets_seg.config.hints import LONGEST, NUMBER, readable

# A word that ends or begins with one of these, beside its neighbour, was one word with it before the shell cut it.
OPEN, CLOSE = ",=:[({", ",=:])}"
PAIRS = {"(": ")", "[": "]", "{": "}"}
EXAMPLE = "'checkpoint=\"runs/a=b\"'"
RULE = "write key=value, a value with signs beyond letters, digits and _-+./ in quotes, e.g. "

# What is wrong with a word, the reason, and what was meant: tried in this order, and said if that can be read.
Mend = Callable[[re.Match[str]], str]
SLIPS: list[tuple[str, str, Mend]] = [
    (r"([^=:]+?)\s*:\s*([^=]*)", "a value follows =, not a colon", lambda m: f"{m[1]}={m[2]}"),
    (r"([^=]+?)\s*={2,}\s*(.+)", "one = is enough", lambda m: f"{m[1]}={m[2]}"),
    (r"([^=]+?)\s+=\s*(.*)", "= stands without spaces", lambda m: f"{m[1]}={m[2]}"),
    (r"([^=]+=.*?)(?:\s*,)+\s*", "a comma at the end has no value behind it", lambda m: m[1]),
    (r"([^=]+=)(?:\s*,)+(.+)", "a comma at the beginning has no value before it", lambda m: m[1] + m[2]),
    (r"([^=]+=.+),\s*,+.*", "between two commas a value is missing", lambda m: re.sub(r",(\s*,)+", ",", m[0])),
    (
        rf"(.+=)range\W+({NUMBER})\W+({NUMBER})(?:\W+({NUMBER}))?\W*",
        "a range is written range(start,stop) or range(start,stop,step) and ends before stop",
        lambda m: f"{m[1]}range({','.join(part for part in m.groups()[1:] if part)})",
    ),
    (r"([^=]+=)[({<]([^={}:]+)[)}>]", "values of a sweep stand without brackets", lambda m: m[1] + m[2]),
    (r"[^=]+=[^;]+(;[^;]+)+", "values of a sweep are separated by commas", lambda m: m[0].replace(";", ",")),
]


def unreadable(words: Sequence[str], index: int, problem: str = "") -> str:
    """Explain why `words[index]` is not an override, and what to write; `problem` is what Hydra's parser says."""
    word = words[index]
    first = last = index
    while first > 0 and _belong(words[first - 1], words[first]):
        first -= 1
    while last + 1 < len(words) and _belong(words[last], words[last + 1]):
        last += 1
    if first < last:
        meant = "".join(words[first : last + 1])
        if not readable(meant):
            meant = _slip(meant)[1] or meant
        text = " ".join(words[first : last + 1])
        return (
            f"{text}: cannot be read: the shell cuts a command at its spaces, so leave out those beside commas, = and "
            f"brackets; write {_quoted(meant)}"
        )
    if not word:
        return "'': an empty word cannot be read; leave it out, or write key=value"
    reason, meant = _slip(word)
    if reason:
        return f"{word}: cannot be read: {reason}; write {meant}"
    if reason := _unbalanced(word):
        return f"{word}: cannot be read: {reason}"
    if match := re.search(r"Unknown function '(\w+)'", problem):
        return f"{word}: cannot be read: there is no {match[1]}(); a sweep knows range(), choice() and glob()"
    if match := re.search(r"evaluating '.*?': (.+)", problem):
        return f"{word}: cannot be read: {match[1]}"
    key, equals, value = word.partition("=")
    before, _, start = words[index - 1].partition("=") if index else ("", "", "")
    if not equals and before and start:
        return (
            f"{word}: cannot be read; write key=value; if it belongs to {words[index - 1]}, write "
            f"'{before}=\"{start} {word}\"', or values of a sweep with commas, as {before}={start},{word}"
        )
    meant = f'{key}="{value}"' if equals else ""
    return f"{word}: cannot be read; {RULE}" + (f"'{meant}'" if equals and readable(meant) else EXAMPLE)


def _belong(left: str, right: str) -> bool:
    """Whether two words were one before the shell cut it at a space; a word key=value stands for itself."""
    return ("=" not in right or right.startswith("=")) and (left[-1:] in [*OPEN] or right[:1] in [*CLOSE])


def _slip(word: str) -> tuple[str, str]:
    if len(word) > LONGEST:
        return "", ""
    for pattern, reason, mend in SLIPS:
        if (match := re.fullmatch(pattern, word)) and readable(meant := mend(match)):
            return reason, meant
    return "", ""


def _unbalanced(word: str) -> str:
    """Return which bracket or quote has no partner, or nothing."""
    opened: list[str] = []
    quote = ""
    before = ""
    for sign in word:
        if quote:
            quote = "" if sign == quote and before != "\\" else quote
        elif sign in "'\"" and before != "\\":
            quote = sign
        elif sign in PAIRS:
            opened.append(sign)
        elif sign in PAIRS.values() and (not opened or PAIRS[opened.pop()] != sign):
            return f"{sign} closes no bracket; write the value in quotes if it belongs to it"
        before = sign
    if quote:
        return f"the quote {quote} is not closed (or the shell took its partner: put '...' around the whole word)"
    return f"{opened[-1]} is not closed by {PAIRS[opened[-1]]}" if opened else ""


def _quoted(word: str) -> str:
    """Return a word as a shell takes it for one."""
    return word if re.fullmatch(r"[\w@%+=:,./~\[\]-]+", word) else f"'{word}'" if "'" not in word else f'"{word}"'
