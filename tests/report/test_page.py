"""The page of a study in a browser, and its figures: whole, self-contained, and true to the runs."""

import io
import os
import re
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from browser import Browser, opened
from fontTools.ttLib import TTFont
from sweeps import make_examples, page_of, write_sweep

from pets_seg.report.plotting.drawing import WIDTHS
from pets_seg.report.plotting.files import FORMATS, stem
from pets_seg.report.study.study import Study, read_study

ALL = {"differences", "curves", "masks", "images", "calibration", "cost"}


def streams(pdf: bytes) -> list[bytes]:
    """Return what is in the compressed streams of a PDF."""
    found = re.findall(rb"/FlateDecode[^>]*>>\s+stream\r?\n(.*?)\r?\nendstream", pdf, re.DOTALL)
    return [zlib.decompress(data) for data in found]


def files_of(names: set[str]) -> set[str]:
    return {f"{stem(name, width)}.{form}" for name in names for width in WIDTHS for form in FORMATS}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("runs") / "sweep"
    groups = {"none": {}, "elastic": {"effect": 0.02, "seconds": 3.0}, "crop": {"effect": 0.01, "memory": 2000.0}}
    write_sweep(folder, groups, seeds=3, epochs=20)
    return read_study([folder])


@pytest.fixture(scope="module")
def page(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    # What a report of another study left, and a file of the user's.
    (folder / "figures").mkdir()
    former = ("factors_7in.svg", "factors_3.5in.pdf", "curves.svg", "curves.png", "search.png")
    for name in (*former, "mine.png", "curves_mine.svg"):
        (folder / "figures" / name).write_text("old")
    made = [("command", "task=report")]
    return page_of(study, folder, examples=make_examples(study), notes=["A note."], made=made)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    yield from opened(tmp_path_factory.mktemp("profile"))


def test_figures_are_whole_and_those_of_a_former_report_are_gone(page: Path) -> None:
    names = {path.name for path in (page.parent / "figures").iterdir()}
    assert names == files_of(ALL) | {"mine.png", "curves_mine.svg"}
    assert "figures/differences_3.5in.svg" in page.read_text()
    for address in re.findall('href="(figures/[^"]*)"', page.read_text()):
        names.remove(address.removeprefix("figures/"))
    assert names == {"mine.png", "curves_mine.svg"}
    for name in ALL:
        for width in WIDTHS:
            base = page.parent / "figures" / stem(name, width)
            svg = base.with_name(f"{base.name}.svg").read_text(encoding="utf-8")
            assert f'width="{72 * width:g}pt"' in svg
            assert "'DejaVu Sans', sans-serif" in svg
            pdf = base.with_name(f"{base.name}.pdf").read_bytes()
            assert re.search(rb"/MediaBox \[ ?0 0 %d [\d.]+ ?\]" % (72 * width), pdf)
            assert b"/FontFile2" in pdf
            fonts = [TTFont(io.BytesIO(data)) for data in streams(pdf) if data.startswith(b"\0\1\0\0")]
            assert fonts
            for font in fonts:
                assert "glyf" in font
                assert not {"GSUB", "GPOS", "GDEF"} & {*font.keys()}
            assert b"/Type3" not in pdf
            assert not re.search(b"/(CreationDate|Producer|Creator)", pdf)


@pytest.mark.slow
def test_figures_made_again_are_the_same_files(study: Study, page: Path, tmp_path: Path) -> None:
    page_of(study, tmp_path, examples=make_examples(study))
    for file in (tmp_path / "figures").iterdir():
        assert file.read_bytes() == (page.parent / "figures" / file.name).read_bytes(), file.name


def test_the_numbers_on_the_page_are_those_of_the_study(study: Study, page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for group in study.groups[1:]:
        found = study.difference(group, "test_dice").estimate
        shown = [
            f"{100 * value:+.2f}".replace("-", "\N{MINUS SIGN}") for value in (found.difference, found.low, found.high)
        ]
        assert f">{shown[0]} ({shown[1]} to {shown[2]})</text>" in text
    assert text.index("elastic helps.") < text.index("One a row.") < text.index('id="differences"')
    assert "A note." in text
    assert "task=report" in text


def test_a_browser_shows_it_without_a_complaint_and_asks_for_nothing_else(browser: Browser, page: Path) -> None:
    shots = Path(os.environ.get("ARTIFACTS", page.parent))
    for name, width, media in (
        ("light", 1100, "light"),
        ("dark", 1100, "dark"),
        ("phone", 390, "light"),
        ("print", 720, "print"),
    ):
        browser.open(page, width, 900, media)
        browser.picture(shots / f"report-{name}.png")
        assert browser.problems == []
        assert browser.requests == [page.as_uri()]
        assert browser.run("document.documentElement.scrollWidth") <= width
        ink, face = browser.run(
            "['#curves svg text', 'body'].map(at => getComputedStyle(document.querySelector(at)))"
            ".map((style, at) => at ? style.backgroundColor : style.fill)"
        )
        light = [sum(map(int, re.findall(r"\d+", colour)[:3])) / 765 for colour in (ink, face)]
        assert light[0] > 0.8 > 0.2 > light[1] if media == "dark" else light[1] > 0.8 > 0.2 > light[0]
    browser.print(shots / "report.pdf")
    assert (shots / "report.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize(
    ("body", "seen"),
    [
        ("<script>console.error('broken')</script>", "problems"),
        ("<script>missing.call()</script>", "problems"),
        ("<img src='picture.png'>", "requests"),
        ("<script>fetch('http://127.0.0.1:9/data')</script>", "requests"),
        ("<style>@import 'http://127.0.0.1:9/style.css'</style>", "requests"),
    ],
)
def test_the_browser_would_have_told(browser: Browser, tmp_path: Path, body: str, seen: str) -> None:
    page = tmp_path / "page.html"
    page.write_text(f"<!DOCTYPE html><link rel='icon' href='data:,'>{body}")
    browser.open(page)
    assert browser.problems if seen == "problems" else browser.requests[1:]


@pytest.mark.parametrize(("window", "size", "layout"), [(1100, "7", "wide"), (390, "3.5", "narrow")])
def test_the_pointer_shows_the_mean_and_deviation_of_each_group(
    browser: Browser, study: Study, page: Path, window: int, size: str, layout: str
) -> None:
    browser.open(page, window)
    epoch = 10
    x, y = browser.run(
        """(() => {
          const panel = JSON.parse(document.getElementById("hover-calibration_SIZEin").textContent).at(-1);
          const svg = document.querySelector("#calibration .LAYOUT svg");
          svg.scrollIntoView();
          const part = (10 - panel.x[0]) / (panel.x[1] - panel.x[0]);
          const wide = panel.box[2] - panel.box[0];
          const at = new DOMPoint(panel.box[0] + part * wide, (panel.box[1] + panel.box[3]) / 2);
          const seen = at.matrixTransform(svg.getScreenCTM());
          return [seen.x, seen.y];
        })()""".replace("SIZE", size).replace("LAYOUT", layout)
    )
    browser.point(x, y)
    lines = browser.run("document.getElementById('tip').innerText").splitlines()
    assert lines[0] == f"epoch {epoch}"
    for group in study.groups:
        values = [run.metrics["val/ece"].iloc[epoch - 1] for run in group.finished]
        [line] = [line for line in lines if line.startswith(f"{group.short} ")]
        mean, deviation = map(float, line.removeprefix(group.short).split(" ± "))
        assert mean == pytest.approx(np.mean(values), rel=1e-3)
        assert deviation == pytest.approx(np.std(values, ddof=1), rel=1e-3)
    browser.point(2, 2)
    assert browser.run("document.getElementById('tip').hidden")


@pytest.mark.slow
def test_what_has_no_data_is_left_out_and_the_page_is_made(tmp_path: Path) -> None:
    two = {
        f"{aug}{width}": {"config": {"aug.name": aug, "model.width": width}, "parameters": 1000 * width}
        for aug in ("none", "crop")
        for width in (8, 16)
    }
    cases = {
        "old": ({"none": {}, "elastic": {}}, {"old": True}, ALL - {"calibration", "masks"}),
        "one": ({"none": {}}, {"seeds": 1, "epochs": 1}, {"curves", "images", "calibration"}),
        "failed": ({"none": {"state": "failed"}, "crop": {"state": "running"}}, {}, set()),
        "two": (two, {"epochs": 3}, ALL - {"masks"} | {"factors", "interaction"}),
    }
    for name, (groups, options, figures) in cases.items():
        write_sweep(tmp_path / name, groups, **{"seeds": 2, "epochs": 5, "images": 20, **options})
        page = page_of(read_study([tmp_path / name]), tmp_path / name, answer=[])
        assert {path.name for path in (tmp_path / name / "figures").glob("*")} == files_of(figures)
        text = page.read_text(encoding="utf-8")
        assert ("No run has finished" in text) == (name == "failed")
        assert text.count("the loss is nan") == (2 if name == "failed" else 0)
    (tmp_path / "nothing").mkdir()
    empty = page_of(read_study([tmp_path / "nothing"]), tmp_path / "empty")
    assert "0 runs" in empty.read_text(encoding="utf-8")


def test_a_figure_that_cannot_be_drawn_is_named_and_the_others_are_there(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pets_seg.report.page.draw_curves", lambda *_: float("<b>"))
    text = page_of(study, tmp_path).read_text(encoding="utf-8")
    assert (
        "<li>curves: could not be drawn (ValueError: could not convert string to float: &#39;&lt;b&gt;&#39;)</li>"
        in text
    )
    assert {path.name for path in (tmp_path / "figures").iterdir()} == files_of(ALL - {"curves", "masks"})


@pytest.mark.slow
def test_fifty_runs_take_seconds(tmp_path: Path) -> None:
    groups = {
        f"g{index}": {"effect": 0.003 * index, "config": {"optimizer.lr": 0.001 * 2**index}} for index in range(17)
    }
    write_sweep(tmp_path / "runs", groups, seeds=3, epochs=100)
    start = time.process_time()
    page = page_of(read_study([tmp_path / "runs"]), tmp_path)
    assert time.process_time() - start < 15
    assert page.stat().st_size < 3e6
