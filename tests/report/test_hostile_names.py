"""Names that look like code or markup are text wherever they stand on the page."""

import json
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from browser import Browser, opened
from sweeps import make_examples, page_of, write_sweep

from pets_seg.report.study.study import read_study

HOSTILE = ["<script>alert(1)</script>", "</script>", "$x_$", "a & b", "]]>--><b>", "#ffffff", 'id="x', "\u202egrave"]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    yield from opened(tmp_path_factory.mktemp("profile"))


class Reader(HTMLParser):
    """The elements of a page and its text."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    groups = {name: {"effect": 0.01 * index} for index, name in enumerate(HOSTILE)}
    groups["bad"] = {"state": "failed", "error": "<script>alert(2)</script>"}
    write_sweep(folder / "<i>runs</i>", groups, seeds=2, epochs=5, images=20)
    study = read_study([folder / "<i>runs</i>"])
    tags = ["<script>alert(3)</script>"]
    return page_of(study, folder, answer=tags, notes=tags, made=[("<u>", "</dl>")], examples=make_examples(study))


def test_names_are_text_wherever_they_stand(hostile: Path) -> None:
    read = Reader(hostile)
    scripts = [attributes for tag, attributes in read.tags if tag == "script"]
    assert {attributes.get("type") for attributes in scripts[:-2]} == {"application/json"}
    assert [attributes.get("type") for attributes in scripts[-2:]] == [None, "module"]
    assert not {"b", "i", "u", "img"} & {tag for tag, _ in read.tags}
    assert not [name for _, attributes in read.tags for name in attributes if name.startswith("on")]
    text = "".join(read.texts)
    assert text.count("<script>alert(2)</script>") == 2
    for name in HOSTILE:
        shown = name.replace("\u202e", "\\u202e")
        # In the table, in the list of configurations, and in the figures as it is.
        assert text.count(f"aug={shown}") >= 2
        assert sum(piece == shown for piece in read.texts) >= 4


def test_a_browser_takes_names_for_text(browser: Browser, hostile: Path) -> None:
    browser.open(hostile)
    assert browser.problems == []
    assert browser.requests == [hostile.as_uri()]
    curves = json.loads(browser.run("document.getElementById('data-curves').textContent"))
    shown = curves["panels"][0]["views"][0]["series"]
    assert {series["name"] for series in shown} == {name.replace("\u202e", "\\u202e") for name in HOSTILE}
