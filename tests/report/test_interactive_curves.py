"""The learning curves of the page in a browser: true to the runs, zoomed by pointer and keys, smoothed, printed."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from browser import Browser, opened
from sweeps import write_sweep

from pets_seg.report.page import write_page
from pets_seg.report.study.study import Study, read_study

# Draws the curves anew and returns what is written on them, each text with its y.
WRITTEN = """new Promise((done) => {
  const texts = [], written = CanvasRenderingContext2D.prototype.fillText;
  CanvasRenderingContext2D.prototype.fillText = function (text, x, y, ...more) {
    const { e, f } = this.getTransform();
    texts.push([text, Math.round(y + f)]);
    written.call(this, text, x, y, ...more);
  };
  document.querySelector("#curves .bar button:last-of-type").click();
  setTimeout(() => done(texts), 300);
})"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    yield from opened(tmp_path_factory.mktemp("profile"))


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("runs") / "sweep"
    write_sweep(folder, {"none": {}, "elastic": {"effect": 0.02, "seconds": 3.0}}, seeds=3, epochs=20, images=20)
    return read_study([folder])


@pytest.fixture(scope="module")
def page(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    return write_page(study, folder, ["elastic helps."], [], [], [], [])


def press(browser: Browser, text: str) -> None:
    browser.run(f"[...document.querySelectorAll('#curves button')].find((one) => one.textContent === {text!r}).click()")


def lines_under_the_pointer(browser: Browser, panel: int, part: float) -> list[str]:
    """Return what is shown where the pointer is at this part of the width of a panel."""
    x, y = browser.run(
        f"""(() => {{
          const over = document.querySelectorAll("#curves .u-over")[{panel}];
          over.scrollIntoView({{ block: "center" }});
          const box = over.getBoundingClientRect();
          return [box.left + {part} * box.width, box.top + box.height / 2];
        }})()"""
    )
    browser.point(x, y)
    return browser.run("document.getElementById('tip').innerText").splitlines()


def test_the_pointer_shows_the_mean_and_deviation_of_each_group(browser: Browser, study: Study, page: Path) -> None:
    browser.open(page)
    for panel, column in enumerate(("train/loss", "val/loss", "val/dice")):
        lines = lines_under_the_pointer(browser, panel, 9 / 19)
        assert lines[0] == "epoch 10"
        for group in study.groups:
            values = [run.metrics[column].iloc[9] for run in group.finished]
            [line] = [line for line in lines if line.startswith(f"{group.short} ")]
            mean, deviation = map(float, line.removeprefix(group.short).split(" ± "))
            assert mean == pytest.approx(np.mean(values), rel=1e-3)
            assert deviation == pytest.approx(np.std(values, ddof=1), rel=1e-2)
    press(browser, "by time")
    lines = lines_under_the_pointer(browser, 2, 0.999)
    [slower] = [group for group in study.groups if group.short == "elastic"]
    seconds = np.mean([run.metrics["seconds"].sum() for run in slower.finished])
    assert float(lines[0].removeprefix("seconds ")) == pytest.approx(seconds, rel=1e-3)
    # The other group had ended long before.
    assert [line.split()[0] for line in lines[1:]] == ["elastic"]
    assert browser.problems == []


def test_late_epochs_smoothing_and_hiding(browser: Browser, study: Study, page: Path) -> None:
    browser.open(page)
    press(browser, "late epochs")
    assert lines_under_the_pointer(browser, 2, 0.001)[0] == "epoch 6"
    press(browser, "late epochs")
    assert lines_under_the_pointer(browser, 2, 0.001)[0] == "epoch 1"
    press(browser, "smooth")
    lines = lines_under_the_pointer(browser, 2, 0.999)
    for group in study.groups:
        means = np.mean([run.metrics["val/dice"] for run in group.finished], axis=0)
        weights = 0.6 ** np.arange(len(means))[::-1]
        [line] = [line for line in lines if line.startswith(f"{group.short} ")]
        assert float(line.split()[1]) == pytest.approx(np.average(means, weights=weights), rel=2e-3)
        assert "±" not in line
    press(browser, "none")
    lines = lines_under_the_pointer(browser, 2, 0.999)
    assert [line.split()[0] for line in lines[1:]] == ["elastic"]
    assert browser.run("[...document.querySelectorAll('#curves .names button')].map((b) => b.ariaPressed)") == [
        "false",
        "true",
    ]
    press(browser, "log loss")
    press(browser, "elastic")
    # With nothing to show the axes stay.
    assert browser.run("document.querySelectorAll('#curves canvas').length") == 3
    assert browser.problems == []


def drag(browser: Browser, panel: int, start: float, end: float) -> None:
    """Drag the pointer from one part of the width of a panel to another."""
    lines_under_the_pointer(browser, panel, start)
    box = f"document.querySelectorAll('#curves .u-over')[{panel}].getBoundingClientRect()"
    left, width, y = browser.run(f"[{box}.left, {box}.width, {box}.top + {box}.height / 2]")
    for kind, part in (("mousePressed", start), ("mouseMoved", end), ("mouseReleased", end)):
        browser.call("Input.dispatchMouseEvent", type=kind, x=left + part * width, y=y, button="left", clickCount=1)
    browser.run("new Promise(requestAnimationFrame)")


def double_click(browser: Browser, panel: int) -> None:
    lines_under_the_pointer(browser, panel, 0.5)
    box = f"document.querySelectorAll('#curves .u-over')[{panel}].getBoundingClientRect()"
    x, y = browser.run(f"[{box}.left + {box}.width / 2, {box}.top + {box}.height / 2]")
    for count in (1, 2):
        for kind in ("mousePressed", "mouseReleased"):
            browser.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=count)


@pytest.mark.parametrize("way", ["double click", "button"])
def test_all_epochs_are_shown_again_and_no_button_says_otherwise(browser: Browser, page: Path, way: str) -> None:
    browser.open(page)
    late = "[...document.querySelectorAll('#curves button')].find((one) => one.textContent === 'late epochs')"
    press(browser, "late epochs")
    drag(browser, 2, 0.4, 0.6)
    assert int(lines_under_the_pointer(browser, 2, 0.001)[0].removeprefix("epoch ")) > 10
    assert browser.run(f"{late}.ariaPressed") == "true"
    if way == "button":
        press(browser, "all epochs")
    else:
        double_click(browser, 2)
    for panel in range(3):
        assert lines_under_the_pointer(browser, panel, 0.001)[0] == "epoch 1"
        assert lines_under_the_pointer(browser, panel, 0.999)[0] == "epoch 20"
    assert browser.run(f"{late}.ariaPressed") == "false"
    assert browser.problems == []


def test_keys_move_through_the_values_and_zoom(browser: Browser, study: Study, page: Path) -> None:
    browser.open(page)
    chart = "document.querySelectorAll('#curves [role=slider]')[2]"

    def tell(*keys: str) -> list[str]:
        for key in keys:
            browser.call("Input.dispatchKeyEvent", type="keyDown", key=key)
        browser.run("new Promise(requestAnimationFrame)")
        lines = browser.run("document.getElementById('tip').innerText").splitlines()
        # A screen reader is told the same.
        assert browser.run(f"{chart}.ariaValueText") == ", ".join(lines)
        assert lines[0] == f"epoch {browser.run(f'{chart}.ariaValueNow')}"
        return lines

    # The key Tab leads from the last button to the charts, one after the other.
    browser.run("[...document.querySelectorAll('#curves .bar button')].at(-1).focus()")
    for _ in range(3):
        browser.call("Input.dispatchKeyEvent", type="keyDown", key="Tab", code="Tab", windowsVirtualKeyCode=9)
    assert browser.run(f"document.activeElement === {chart}")
    assert browser.run(f"[{chart}.ariaLabel, {chart}.ariaValueMin, {chart}.ariaValueMax]") == [
        "validation Dice by epoch",
        "1",
        "20",
    ]
    assert tell("ArrowRight")[0] == "epoch 1"
    assert tell("ArrowLeft")[0] == "epoch 1"
    lines = tell("End", "ArrowLeft", "ArrowLeft")
    assert lines[0] == "epoch 18"
    for group in study.groups:
        values = [run.metrics["val/dice"].iloc[17] for run in group.finished]
        [line] = [line for line in lines if line.startswith(f"{group.short} ")]
        assert float(line.split()[1]) == pytest.approx(np.mean(values), rel=1e-3)
    # Half of the epochs, and the cursor stays at its own.
    assert tell("+")[0] == "epoch 18"
    assert tell("Home")[0] == "epoch 10"
    assert tell("End")[0] == "epoch 19"
    assert tell("-", "-")[0] == "epoch 19"
    assert tell("Home")[0] == "epoch 1"
    # However often, some epochs stay in sight.
    assert tell(*"++++++++++", "End")[0] == "epoch 2"
    # Another width draws the charts anew, and the keys stay where they were.
    browser.call("Emulation.setDeviceMetricsOverride", width=700, height=900, deviceScaleFactor=1, mobile=False)
    browser.run("new Promise((done) => setTimeout(done, 100))")
    assert browser.run(f"document.activeElement === {chart}")
    browser.run("document.activeElement.blur()")
    assert browser.run("document.getElementById('tip').hidden")
    assert browser.problems == []


@pytest.mark.slow
@pytest.mark.parametrize(("epochs", "width"), [(1, 390), (2, 1280), (5, 390)])
def test_few_epochs_have_whole_numbers_and_fit_the_window(
    browser: Browser, tmp_path: Path, epochs: int, width: int
) -> None:
    write_sweep(tmp_path / "s", {"none": {}, "crop": {}}, seeds=2, epochs=epochs, images=10, valid=5)
    browser.open(write_page(read_study([tmp_path / "s"]), tmp_path, [], [], [], [], []), width=width)
    written = browser.run(WRITTEN)
    name = next(y for text, y in written if text == "epoch")
    # Epochs stand beneath the panels, above the name of the axis; figures stand left of them.
    highest = max(y for text, y in written if y < name)
    ticks = [float(text) for text, y in written if y == highest]
    assert ticks
    assert all(tick == int(tick) for tick in ticks)
    assert {1, epochs} <= {*ticks}
    widest = "Math.max(...[...document.querySelectorAll('#curves *')].map((one) => one.getBoundingClientRect().right))"
    assert browser.run(widest) <= width
    assert browser.problems == []


def test_print_has_the_figure_for_a_paper_in_their_place(browser: Browser, page: Path) -> None:
    browser.open(page)
    shown = "[...document.querySelectorAll('#curves .curves, #curves svg')].map((one) => one.checkVisibility())"
    assert browser.run(shown)[0] is True
    assert not any(browser.run(shown)[1:])
    browser.call("Emulation.setEmulatedMedia", media="print")
    try:
        assert browser.run(shown)[0] is False
        assert any(browser.run(shown)[1:])
    finally:
        browser.call("Emulation.setEmulatedMedia", media="screen")
