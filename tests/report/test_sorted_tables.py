"""The tables of the page in a browser are sorted by any column, with keys and for readers of the screen too."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import WIDER, Browser, opened
from hard_table import opened_hard, press
from sweeps import page_with, sweep

from pets_seg.report.study.study import Study
from pets_seg.report.tables import Table


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return sweep(tmp_path_factory.mktemp("runs") / "sweep", {"none": 0.0, "crop": 0.1}, seeds=2)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    yield from opened(tmp_path_factory.mktemp("profile"))


@pytest.fixture
def hard(study: Study, tmp_path: Path, browser: Browser) -> Iterator[Table]:
    yield from opened_hard(study, tmp_path / "page.html", browser)


def order(browser: Browser) -> str:
    """Return the first letters of the names of the rows, as they stand."""
    return browser.run(
        "[...document.querySelectorAll('#table .record th')].map((name) => name.textContent[0]).join('')"
    )


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


@pytest.mark.slow
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
