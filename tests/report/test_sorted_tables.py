"""The tables of the page in a browser are sorted by any column, and copied with all columns."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from browser import WIDER, Browser, opened
from sweeps import SMALL, page_with, write_sweep

from pets_seg.report.study.study import Study, read_study
from pets_seg.report.tables import Table, markdown

KEEP = "Object.defineProperty(navigator, 'clipboard', {{ value: {} }}), 0"
HARD = [
    ["b", "0.9", "< 0.001", "not reached", "+1.2 (0.3 to 2.1)", "2"],
    ["a10", "0.85 ± 0.3", "0.001", "12 (25 s)", "\N{MINUS SIGN}3.4 (\N{MINUS SIGN}5.0 to \N{MINUS SIGN}1.8)", "10"],
    ["a9", "0.85 ± 0.2", "", "3 (6 s); 2 of 3 runs did", "baseline", "1,000"],
    ['c, "q" | \\ 50 % & $x_1$ ~^ {#} <b>', "1.25e-05", "0.5", "", "", "9"],
]
HEADER = ["group", "test Dice", "p", "epochs to 0.80", "difference, points (95 % CI)", "images, k"]
# So that one column is in a second line.
WIDE = [f"a further column of figures, number {index}" for index in range(12)]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("runs") / "sweep"
    write_sweep(folder, {"none": {}, "crop": {"effect": 0.1}}, seeds=2, **SMALL)
    return read_study([folder])


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    yield from opened(tmp_path_factory.mktemp("profile"))


@pytest.fixture
def hard(study: Study, tmp_path: Path, browser: Browser) -> Iterator[Table]:
    """A table of hard cells, open in the browser; its last column and twelve more are in the second line."""
    rows = [[*row[:5], *(f"0.{index}" for index in range(12)), row[5]] for row in HARD]
    table = Table("Hard", [*HEADER[:5], *WIDE, HEADER[5]], rows, "A note.")
    browser.open(page_with(study, tmp_path / "page.html", table), 1280)
    assert browser.run("document.querySelectorAll('#table dt').length") > 4
    yield table
    assert browser.problems == []


def order(browser: Browser) -> str:
    """Return the first letters of the names of the rows, as they stand."""
    return browser.run(
        "[...document.querySelectorAll('#table .record th')].map((name) => name.textContent[0]).join('')"
    )


def press(browser: Browser, expression: str) -> None:
    """Press a button as a user does, who may then write to the clipboard."""
    done = browser.call("Runtime.evaluate", expression=f"{expression}.click()", userGesture=True)
    assert "exceptionDetails" not in done
    browser.run("new Promise((done) => setTimeout(done, 50))")


@pytest.mark.parametrize("column", [0, 1, 2, 3, 4])
def test_a_heading_sorts_by_its_column_and_back(hard: Table, browser: Browser, column: int) -> None:
    rising, falling = {
        0: ["aabc", "cbaa"],
        1: ["caab", "baac"],
        2: ["bacaa", "cabaa"],
        3: ["aabc", "aabc"],
        4: ["abac", "baac"],
    }[column]
    button = f"document.querySelectorAll('#table thead button')[{column}]"
    sorts = f"{button}.closest('th').getAttribute('aria-sort')"
    assert (order(browser), browser.run(sorts)) == ("baac", "none")
    press(browser, button)
    assert (order(browser), browser.run(sorts)) == (rising[:4], "ascending")
    assert (
        browser.run("document.querySelectorAll('#table [aria-sort=none]').length")
        == len(browser.run("[...document.querySelectorAll('#table thead th')].map(String)")) - 1
    )
    press(browser, button)
    assert (order(browser), browser.run(sorts)) == (falling[:4], "descending")
    press(browser, button)
    assert (order(browser), browser.run(sorts)) == ("baac", "none")


def test_names_are_sorted_by_the_numbers_in_them_and_equal_rows_stay(hard: Table, browser: Browser) -> None:
    names = "[...document.querySelectorAll('#table .record th')].map((name) => name.textContent)"
    press(browser, "document.querySelector('#table thead button')")
    assert browser.run(names)[:3] == ["a9", "a10", "b"]
    # Both have 0.85, and "±" is not looked at.
    press(browser, "document.querySelectorAll('#table thead button')[1]")
    assert browser.run(names)[1:3] == ["a10", "a9"]


def test_a_list_sorts_by_a_column_of_the_second_line(hard: Table, browser: Browser) -> None:
    for width in (1280, 390):
        browser.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        options = "[...document.querySelector('#table select').options].map((option) => option.text)"
        assert browser.run(options) == ["order of the study", *hard.header]
        choose = (
            "(() => {{ const list = document.querySelector('#table select'); list.value = {};"
            "list.dispatchEvent(new Event('change')); }})()"
        )
        browser.run(choose.format(len(hard.header) - 1))
        assert order(browser) == "bcaa"
        press(browser, "document.querySelector('#table .turn')")
        assert order(browser) == "aacb"
        assert browser.run("document.querySelector('#table .turn').textContent") == "descending"
        browser.run(choose.format(-1))
        assert order(browser) == "baac"


def test_the_keyboard_reaches_all_of_it(hard: Table, browser: Browser) -> None:
    focused = []
    browser.run("document.querySelector('#table select').focus()")
    for _ in range(5):
        for kind in ("keyDown", "keyUp"):
            browser.call("Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab", windowsVirtualKeyCode=9)
        focused.append(browser.run("document.activeElement.textContent"))
    assert focused == ["CSV", "Markdown", "LaTeX", "group", "test Dice"]
    browser.call(
        "Input.dispatchKeyEvent", type="keyDown", key="Enter", code="Enter", windowsVirtualKeyCode=13, text="\r"
    )
    assert order(browser) == "caab"


def test_a_thousand_rows_are_sorted_within_a_second(study: Study, browser: Browser, tmp_path: Path) -> None:
    rows = [
        [f"aug=a{index}", *(f"{(index * 7919 + k) % 1000 / 1000:.3f} ± 0.01" for k in range(12))]
        for index in range(1000)
    ]
    table = Table("Many", ["group", *(f"a figure of number {k}" for k in range(12))], rows)
    browser.open(page_with(study, tmp_path / "page.html", table), 1280)
    assert browser.run("document.querySelectorAll('#table .record').length") == 1000
    # The time of the page's own thread, whatever else the machine does.
    browser.call("Performance.enable", timeDomain="threadTicks")
    before = task_seconds(browser)
    browser.run("(document.querySelectorAll('#table thead button')[1].click(), document.body.offsetHeight)")
    assert 0.005 < task_seconds(browser) - before < 1
    browser.call("Performance.disable")
    shown = browser.run(
        "[...document.querySelectorAll('#table .record')].map((row) => row.querySelectorAll('.cell')[1].textContent)"
    )
    assert shown == sorted(row[1] for row in rows)
    # The box is no higher than the window, and its heading stays in sight.
    box = "document.querySelector('#table .box')"
    assert browser.run(f"{box}.clientHeight") < 900
    top = browser.run(
        f"({box}.scrollTop = 5000, document.querySelector('#table thead th').getBoundingClientRect().top)"
    )
    assert top == pytest.approx(browser.run(f"{box}.getBoundingClientRect().top"), abs=1)


def task_seconds(browser: Browser) -> float:
    found = {item["name"]: item["value"] for item in browser.call("Performance.getMetrics")["metrics"]}
    return found["ThreadTime"]


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


def test_without_a_script_and_in_print_there_are_tables_alone(hard: Table, browser: Browser, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    browser.open(page, 720, media="print")
    assert browser.run("[...document.querySelectorAll('.tools')].every((tools) => !tools.checkVisibility())")
    assert browser.run(WIDER) == []
    text = page.read_text(encoding="utf-8")
    page.write_text(text[: text.index("<script")], encoding="utf-8")
    browser.open(page, 1280)
    assert browser.run("document.querySelectorAll('button, select, .tools').length") == 0
    cells = browser.run("[...document.querySelectorAll('#table .cell')].map((cell) => cell.textContent)")
    assert cells == [cell for row in hard.rows for cell in row]


def test_a_reader_of_the_screen_is_told_rows_and_columns(hard: Table, browser: Browser) -> None:
    for _ in range(2):
        press(browser, "document.querySelector('#table thead button')")
    found = browser.call("Accessibility.getFullAXTree")["nodes"]
    named: dict[str, list[str]] = {}
    for node in found:
        named.setdefault(node.get("role", {}).get("value"), []).append(node.get("name", {}).get("value"))
    assert "Hard" in named["table"]
    # The arrow of a sorted column is not read.
    assert named["columnheader"][:5] == hard.header[:5]
    assert sorted(named["rowheader"][:4]) == sorted(row[0] for row in hard.rows)
    assert named["term"].count(hard.header[-1]) == 4
