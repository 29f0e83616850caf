"""The tables of the page in a browser are copied with all columns, in the order in which they stand."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from browser import Browser, opened
from hard_table import opened_hard, press
from sweeps import page_with, sweep

from pets_seg.report.study.study import Study
from pets_seg.report.tables import Table, markdown

KEEP = "Object.defineProperty(navigator, 'clipboard', {{ value: {} }}), 0"


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return sweep(tmp_path_factory.mktemp("runs") / "sweep", {"none": 0.0, "crop": 0.1}, seeds=2)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    yield from opened(tmp_path_factory.mktemp("profile"))


@pytest.fixture
def hard(study: Study, tmp_path: Path, browser: Browser) -> Iterator[Table]:
    yield from opened_hard(study, tmp_path / "page.html", browser)


def copied(browser: Browser, kind: int) -> str:
    browser.call("Page.bringToFront")
    # The page takes back what it wrote.
    press(browser, f"document.querySelectorAll('#table .copy button')[{kind}]")
    return browser.run("window.taken")


@pytest.fixture(params=["clipboard", "no clipboard", "refused"])
def clipboard(request: pytest.FixtureRequest, hard: Table, browser: Browser) -> Table:
    """Keep what is copied in `window.taken`, with a clipboard, without one, and with one that refuses."""
    assert browser.run("location.protocol") == "file:"
    value = {
        "clipboard": "{ writeText: async (text) => { window.taken = text; } }",
        "no clipboard": "undefined",
        "refused": "{ writeText: async () => { throw new DOMException('no', 'NotAllowedError'); } }",
    }[request.param]
    browser.run(KEEP.format(value))
    browser.run("document.addEventListener('copy', () => { window.taken = document.activeElement.value; })")
    return hard


def test_all_columns_are_copied(clipboard: Table, browser: Browser) -> None:
    text = copied(browser, 0)
    assert list(csv.reader(io.StringIO(text))) == [clipboard.header, *clipboard.rows]
    frame = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)
    assert frame.to_numpy().tolist() == clipboard.rows
    assert browser.run("document.querySelector('#table output').textContent") == "copied as CSV"
    assert browser.run("document.querySelector('#table output').getAttribute('aria-live')") == "polite"
    assert browser.run("document.activeElement.textContent") == "CSV"
    assert copied(browser, 1) in markdown(clipboard)
    lines = copied(browser, 2).splitlines()
    numbers = ["r" if index in (1, 2, *range(5, 18)) else "l" for index in range(18)]
    assert lines[:2] == [rf"\begin{{tabular}}{{{''.join(numbers)}}}", r"\toprule"]
    assert lines[2].startswith(r"group & test Dice & p & epochs to 0.80 & difference, points (95 \% CI) & ")
    assert lines[3] == r"\midrule"
    assert lines[4].startswith(r"b & 0.9 & $<$ 0.001 & not reached & +1.2 (0.3 to 2.1) & 0.0 & ")
    assert lines[5].startswith(r"a10 & 0.85 $\pm$ 0.3 & 0.001 & 12 (25 s) & $-$3.4 ($-$5.0 to $-$1.8) & ")
    signs = (
        r'c, "q" \textbar{} \textbackslash{} 50 \% \& \$x\_1\$ \textasciitilde{}\textasciicircum{} \{\#\} $<$b$>$ & '
    )
    assert lines[7].startswith(signs)
    assert lines[8:] == [r"\bottomrule", r"\end{tabular}"]


SIGNS = [
    ["[=1+1,-2]", "-0.5", "-1.5 (-5.8 to 2.7)", "1e-05", "2026-11-24", "a-1"],
    ["*", "-.5 ± 0.1", "@x", '"', "a|b\\|", "-"],
    ["+1", "3", "-1 -2", "\\-1", "_-1", "lr=-2"],
]
IN_LATEX = r"""{}[=1+1,$-$2] & $-$0.5 & $-$1.5 ($-$5.8 to 2.7) & 1e-05 & 2026-11-24 & a-1 \\
{}* & $-$.5 $\pm$ 0.1 & @x & " & a\textbar{}b\textbackslash{}\textbar{} & - \\
+1 & 3 & $-$1 $-$2 & \textbackslash{}$-$1 & \_-1 & lr=$-$2 \\"""


def test_signs_are_copied_for_what_they_are(study: Study, tmp_path: Path, browser: Browser) -> None:
    table = Table("Signs", ["group", "b", "c", "d", "e", "f"], SIGNS)
    browser.open(page_with(study, tmp_path / "page.html", table), 1280)
    browser.run(KEEP.format("{ writeText: async (text) => { window.taken = text; } }"))
    # As they are: a quote in front of "=" or "+" would be part of the value.
    assert list(csv.reader(io.StringIO(copied(browser, 0)))) == [table.header, *SIGNS]
    assert copied(browser, 1).strip() in markdown(table)
    assert r"| a\|b\\\| | - |" in copied(browser, 1)
    assert "\n".join(copied(browser, 2).splitlines()[4:7]) == IN_LATEX
    assert browser.problems == []


def test_rows_are_copied_as_they_are_sorted(hard: Table, browser: Browser) -> None:
    browser.run(KEEP.format("{ writeText: async (text) => { window.taken = text; } }"))
    press(browser, "document.querySelectorAll('#table thead button')[1]")
    assert [row[0][0] for row in csv.reader(io.StringIO(copied(browser, 0)))][1:] == [*"caab"]
