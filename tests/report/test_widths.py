"""Figures at the widths of one and of two columns: everything legible and inside, groups in one order, whole epochs."""

import math
from collections.abc import Iterator
from pathlib import Path

import matplotlib as mpl
import pytest
from browser import Browser, opened
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from sweeps import make_examples, write_sweep

from pets_seg.report.page import drawings, write_page
from pets_seg.report.plotting.calibration import draw_calibration
from pets_seg.report.plotting.curves import draw_curves
from pets_seg.report.plotting.differences import draw_differences
from pets_seg.report.plotting.drawing import WIDTHS, Drawing, Lines
from pets_seg.report.plotting.images import draw_images
from pets_seg.report.plotting.looks import STYLE, find_looks
from pets_seg.report.plotting.masks import draw_masks
from pets_seg.report.plotting.result import draw_result
from pets_seg.report.study.study import Study, read_study

CROSSED = {
    f"{aug}{width}": {"config": {"aug.name": aug, "model.width": width}, "effect": 0.02 * row + 0.01 * column}
    for row, aug in enumerate(("none", "crop", "elastic_or_crop"))
    for column, width in enumerate((8, 16, 32))
}
RATES = {
    f"g{index}": {"effect": 0.004 * (index * 7 % 30), "config": {"optimizer.lr": 0.001 * 1.3**index}}
    | {"parameters": 10_000 * (index + 1), "seconds": 2 + index / 9}
    for index in range(30)
}
LONG = {"none": {}} | {f"an_option_whose_name_is_long_{name * 40}": {"effect": -0.01} for name in "abc"}
SWEEPS = {
    "one factor": ({"none": {}, "crop": {"effect": 0.02, "memory": 2e3}, "elastic": {"seconds": 9}}, {"seeds": 3}),
    "two factors": (CROSSED, {"seeds": 2}),
    "one seed": ({"none": {}, "crop": {"effect": 0.02, "seconds": 3}}, {"seeds": 1}),
    "one epoch": ({"none": {}, "crop": {"effect": 0.02}}, {"seeds": 2, "epochs": 1}),
    "two epochs": ({"none": {}, "crop": {"effect": 0.02}}, {"seeds": 2, "epochs": 2}),
    "five epochs": ({"none": {}, "crop": {"effect": 0.02}}, {"seeds": 2, "epochs": 5}),
    "many groups": (RATES, {"seeds": 2, "epochs": 6}),
    "long names": (LONG, {"seeds": 2, "epochs": 3}),
}


@pytest.fixture(autouse=True)
def _style() -> Iterator[None]:
    with mpl.rc_context(STYLE):
        yield


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Study]:
    folder = tmp_path_factory.mktemp("runs")
    for name, (groups, options) in SWEEPS.items():
        write_sweep(folder / name, groups, **{"epochs": 12, "images": 20, "valid": 8, **options})
    return {name: read_study([folder / name]) for name in SWEEPS}


def drawn(study: Study, width: float) -> dict[str, Drawing]:
    examples = make_examples(study)
    for example in examples:
        for values in (example.dice, example.predicted):
            for name in [*values][6:]:
                del values[name]
    every = drawings(study, examples, reference=True)
    return {name: drawing for name, draw in every.items() if (drawing := draw(width))}


@pytest.mark.slow
@pytest.mark.parametrize("name", SWEEPS)
@pytest.mark.parametrize("width", WIDTHS)
def test_every_text_is_of_six_points_and_inside_a_figure_of_its_width(
    studies: dict[str, Study], name: str, width: float
) -> None:
    found = drawn(studies[name], width)
    assert {"curves", "masks", "images", "calibration", "differences"} <= found.keys()
    for drawing in found.values():
        figure = drawing.figure
        assert figure.get_figwidth() == width
        FigureCanvasAgg(figure).draw()
        renderer = figure.canvas.get_renderer()
        hidden = _hidden(figure)
        texts = [text for text in figure.findobj(Text) if text.get_text().strip() and id(text) not in hidden]
        assert len(texts) > 4
        for text in texts:
            box = text.get_window_extent(renderer)
            assert text.get_fontsize() >= 6, (drawing.name, text.get_text())
            inside = min(box.x0, box.y0) >= -0.5
            inside = inside and box.x1 <= figure.bbox.x1 + 0.5 and box.y1 <= figure.bbox.y1 + 0.5
            assert inside, (drawing.name, text.get_text(), box)


def _hidden(figure: Figure) -> set[int]:
    """Return the texts that are not drawn: labels of ticks beyond their axis, and of axes that are off."""
    hidden = set()
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        low, high = sorted(axis.get_view_interval())
        ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
        out = [tick for tick in ticks if not (axis.axes.axison and low <= tick.get_loc() <= high)]
        hidden |= {id(label) for tick in out for label in (tick.label1, tick.label2)}
        hidden |= {id(tick.label2) for tick in ticks if not tick.label2.get_visible()}
        hidden |= {id(tick.label1) for tick in ticks if not tick.label1.get_visible()}
    return hidden


@pytest.mark.parametrize("width", WIDTHS)
def test_groups_stand_in_the_order_of_the_study(studies: dict[str, Study], width: float) -> None:
    for name in ("many groups", "two factors"):
        study = studies[name]
        looks = find_looks(study, 1.1)
        order = [study.baseline.name, *(group.name for group in study.groups if group is not study.baseline)]
        labels = [looks[group].label for group in order]

        def ordered(found: list[str], places: list[str]) -> bool:
            return len(found) > 1 and found == sorted(found, key=places.index)

        for draw in (draw_differences, draw_images):
            assert ordered([mark.lines[0] for mark in draw(study, looks, width).hover[0].marks], order)
        for draw in (draw_curves, draw_calibration):
            for panel in draw(study, looks, width).hover:
                if isinstance(panel, Lines):
                    assert ordered([series[0] for series in panel.series], labels)
        [example] = make_examples(study, count=1)
        texts = [text.get_text() for text in draw_masks(study, looks, [example], width).figure.texts]
        scores = [f"{example.dice[group]:.3f}" for group in order]
        assert [text for text in texts if text in scores] == scores


@pytest.mark.parametrize("epochs", ["one epoch", "two epochs", "five epochs"])
@pytest.mark.parametrize("width", WIDTHS)
def test_few_epochs_are_whole_numbers_and_nothing_is_cut(
    studies: dict[str, Study], epochs: str, width: float, tmp_path: Path
) -> None:
    study = studies[epochs]
    looks = find_looks(study)
    panels = [*draw_curves(study, looks, width).hover, *draw_calibration(study, looks, width).hover[2:]]
    axes = [panel.axes for panel in panels if panel.head == "epoch"]
    assert len(axes) == 5
    run = study.groups[0].finished[0]
    axes += draw_result(run, []).axes[:2]
    wanted = {"one epoch": 1, "two epochs": 2, "five epochs": 5}[epochs]
    for panel in axes:
        (left, right), (low, high) = panel.get_xlim(), panel.get_ylim()
        ticks = [tick for tick in panel.get_xticks() if left <= tick <= right]
        assert ticks
        assert all(tick == round(tick) and 1 <= tick <= wanted for tick in ticks)
        points = [point for line in panel.lines for point in zip(*line.get_data(), strict=True)]
        points = [(x, y) for x, y in points if math.isfinite(y) and x >= 1]
        assert {x for x, _ in points} >= {1, wanted}
        # Room for a mark of three points on every side.
        for x, y in points:
            wide, tall = panel.bbox.width / (right - left), panel.bbox.height / (high - low)
            assert min(x - left, right - x) * wide * 72 / panel.figure.dpi > 1.5
            if low <= y <= high:
                assert min(y - low, high - y) * tall * 72 / panel.figure.dpi > 1.5


def test_the_whole_course_is_shown(studies: dict[str, Study]) -> None:
    study = studies["one factor"]
    drawing = draw_curves(study, find_looks(study))
    assert "outside" not in drawing.caption
    for panel in drawing.hover:
        low, high = panel.axes.get_ylim()
        assert all(low < value < high for _, _, _, y, _ in panel.series for value in y)


def test_one_seed_has_no_spread_over_seeds(studies: dict[str, Study]) -> None:
    for width in WIDTHS:
        for drawing in drawn(studies["one seed"], width).values():
            assert "over seeds" not in drawing.caption
            assert "standard deviation" not in drawing.caption
            for panel in drawing.hover:
                if isinstance(panel, Lines):
                    assert not any(deviation is not None and any(deviation > 0) for *_, deviation in panel.series)
                else:
                    assert not any("±" in line for mark in panel.marks for line in mark.lines)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    yield from opened(tmp_path_factory.mktemp("profile"))


@pytest.mark.slow
def test_the_window_decides_which_figure_is_shown_and_print_has_the_wide_one(
    browser: Browser, studies: dict[str, Study], tmp_path: Path
) -> None:
    study = studies["two factors"]
    page = write_page(study, tmp_path, ["It helps."], [], make_examples(study), [], [])
    for width, media, layout in ((390, "light", "narrow"), (1280, "light", "wide"), (390, "print", "wide")):
        browser.open(page, width, 900, media)
        assert browser.run("document.documentElement.scrollWidth") <= width
        boxes = browser.run(
            "[...document.querySelectorAll('figure svg')].map(svg => [svg.parentElement.className, "
            "svg.getBoundingClientRect().left, svg.getBoundingClientRect().right])"
        )
        shown = [(left, right) for kind, left, right in boxes if right > left]
        assert {kind for kind, left, right in boxes if right > left} == {layout}
        # On a screen the script draws the learning curves.
        assert len(shown) == len(boxes) / 2 - (media != "print") == 8 - (media != "print")
        assert all(left >= 0 and right <= width for left, right in shown)
        ids = browser.run("[...document.querySelectorAll('[id]')].map(element => element.id)")
        assert len(ids) == len(set(ids))
        # Text in the browser's own font, and wholly inside its figure.
        cut = browser.run(
            """[...document.querySelectorAll('figure svg text')].filter(text => {
              const box = text.getBoundingClientRect(), frame = text.ownerSVGElement.getBoundingClientRect();
              return box.width && (box.left < frame.left - 1 || box.right > frame.right + 1);
            }).map(text => text.textContent)"""
        )
        assert cut == []
