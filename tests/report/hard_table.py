"""A table of cells that are hard to sort and to copy."""

from collections.abc import Iterator
from pathlib import Path

from browser import Browser
from sweeps import page_with

from pets_seg.report.study.study import Study
from pets_seg.report.tables import Table

HARD = [
    ["b", "0.9", "< 0.001", "not reached", "+1.2 (0.3 to 2.1)", "2"],
    ["a10", "0.85 ± 0.3", "0.001", "12 (25 s)", "\N{MINUS SIGN}3.4 (\N{MINUS SIGN}5.0 to \N{MINUS SIGN}1.8)", "10"],
    ["a9", "0.85 ± 0.2", "", "3 (6 s); 2 of 3 runs did", "baseline", "1,000"],
    ['c, "q" | \\ 50 % & $x_1$ ~^ {#} <b>', "1.25e-05", "0.5", "", "", "9"],
]
HEADER = ["group", "test Dice", "p", "epochs to 0.80", "difference, points (95 % CI)", "images, k"]
# So that one column is in a second line.
WIDE = [f"a further column of figures, number {index}" for index in range(12)]


def opened_hard(study: Study, page: Path, browser: Browser) -> Iterator[Table]:
    """Give a table of hard cells, open in the browser; its last column and twelve more are in the second line."""
    rows = [[*row[:5], *(f"0.{index}" for index in range(12)), row[5]] for row in HARD]
    table = Table("Hard", [*HEADER[:5], *WIDE, HEADER[5]], rows, "A note.")
    browser.open(page_with(study, page, table), 1280)
    assert browser.run("document.querySelectorAll('#table dt').length") > 4
    yield table
    assert browser.problems == [], browser.problems


def press(browser: Browser, expression: str) -> None:
    """Press a button as a user does, who may then write to the clipboard."""
    done = browser.call("Runtime.evaluate", expression=f"{expression}.click()", userGesture=True)
    assert "exceptionDetails" not in done, done
    browser.run("new Promise((done) => setTimeout(done, 50))")
