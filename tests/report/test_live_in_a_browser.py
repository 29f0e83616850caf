"""The page of a running sweep in a browser: times, widths, when it is loaded again, and what then stays."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from browser import Browser, opened
from sweeps import write_sweep

from pets_seg.report import live
from pets_seg.report.progress import Job, read_progress, time_left
from pets_seg.run_folder.folder import RunFolder

HOSTILE = "<script>alert(1)</script>"
# How many lines the states of the jobs take.
LINES = """[...document.querySelectorAll("#runs td:nth-child(2)")].map((cell) => {
  const range = document.createRange();
  range.selectNodeContents(cell);
  return range.getClientRects().length;
})"""

# How far the table reaches beyond its box.
BEYOND = """(() => {
  const { scrollWidth, clientWidth } = document.querySelector(".scroll");
  return scrollWidth - clientWidth;
})()"""
# What its reader may choose, the buttons by those that are not pressed.
VIEW = """new Promise((done) => setTimeout(() => done({
  off: [...document.querySelectorAll("#curves button")].filter((one) => one.ariaPressed === "false")
    .map((one) => one.textContent.replace(/^\\d+ /, "")),
  zooms: document.querySelector("figure").charts().map(({ zoomed }) => zoomed()),
  scroll: [scrollY, document.querySelector("#runs .scroll").scrollTop],
  focus: document.activeElement.textContent,
}), 200))"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    yield from opened(tmp_path_factory.mktemp("profile"))


def value(browser: Browser, expression: str) -> object:
    return browser.call("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")


def test_times_are_those_of_the_readers_clock(browser: Browser, tmp_path: Path) -> None:
    [run] = write_sweep(tmp_path, {"none": {}}, seeds=1, epochs=4, images=5, valid=5)
    RunFolder(run).write_status("running")
    job = Job(run.name, (), 0, 604)
    expected = datetime.now(UTC) + timedelta(seconds=time_left(read_progress(tmp_path, [job])))
    (tmp_path / "report.html").write_text(live.render(tmp_path, [job], live._now()))
    browser.call("Emulation.setTimezoneOverride", timezoneId="Asia/Kathmandu")
    browser.open(tmp_path / "report.html")
    times = browser.run("[...document.querySelectorAll('time')].map((time) => [time.dateTime, time.textContent])")
    browser.call("Emulation.setTimezoneOverride", timezoneId="")
    assert len(times) == 3
    assert abs(datetime.fromisoformat(times[0][0]) - expected) < timedelta(seconds=20)
    form = "{ dateStyle: 'medium', timeStyle: 'short', timeZone: 'Asia/Kathmandu' }"
    for when, text in times:
        assert text == browser.run(f"new Date('{when}').toLocaleString(undefined, {form})")


def test_a_browser_renews_it_until_nothing_is_heard_for_five_minutes(browser: Browser, tmp_path: Path) -> None:
    [run] = write_sweep(tmp_path, {"none": {}}, seeds=1, epochs=4, images=5, valid=5)
    page = tmp_path / "report.html"
    jobs = [Job(run.name, (HOSTILE,), 0, 4), Job("not there", ("aug=none",), 1, 4)]
    page.write_text(live.render(tmp_path, jobs, live._now()))
    RunFolder(run).write_status("failed", RuntimeError(), "unet-none: the loss is not finite; lower the rate " * 5)
    failed = tmp_path / "failed.html"
    failed.write_text(live.render(tmp_path, [*jobs, Job("r", ("optimizer.lr=0.0001 aug=strong",), 1, 4)], live._now()))
    for width in (390, 1280):
        browser.open(failed, width=width)
        # The table has room for the reason, and no figure is broken into two lines.
        assert value(browser, BEYOND) == 0
        assert value(browser, LINES.replace("2)", "4)")) == [0, 0, 1]
        browser.open(page, width=width)
        assert value(browser, "document.documentElement.scrollWidth") <= width
        # No state is broken into two lines.
        assert value(browser, LINES) == [1, 1]
    assert value(browser, "document.querySelectorAll('.chart canvas').length") == 3
    assert value(browser, "document.querySelectorAll('.bar button').length") == 4
    value(browser, "document.querySelectorAll('.bar button').forEach((button) => button.click())")
    assert value(browser, "document.querySelectorAll('.chart canvas').length") == 3
    assert value(browser, "document.getElementById('silent').hidden") is True
    assert HOSTILE in value(browser, "document.querySelector('#runs tbody').textContent")
    page.write_text("<title>the full page</title>")
    browser.reload_by("look()")
    assert value(browser, "document.title") == "the full page"

    old = (datetime.now(UTC) - timedelta(minutes=7)).isoformat(timespec="seconds")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(live, "_now", lambda: old)
        page.write_text(live.render(tmp_path, jobs, old))
    browser.open(page)
    assert value(browser, "document.getElementById('silent').hidden") is False
    assert "Nothing was heard of it for 7 minutes" in value(browser, "document.body.innerText")
    page.write_text("<title>the full page</title>")
    value(browser, "look()")
    assert value(browser, "document.title") != "the full page"
    assert browser.problems == []


def test_what_its_reader_has_chosen_stays_when_it_is_loaded_again(browser: Browser, tmp_path: Path) -> None:
    runs = write_sweep(tmp_path, {str(number): {} for number in range(20)}, seeds=2, epochs=20, images=2, valid=2)
    jobs = [Job(run.name, (f"aug={run.name.split('-')[1]}",), number % 2, 20) for number, run in enumerate(runs)]
    page = tmp_path / "report.html"
    queued = [Job(f"q{number}", (f"aug=q{number}",), 0, 20) for number in range(9)]
    page.write_text(live.render(tmp_path, [*jobs[:30], *queued], live._now()))
    browser.open(page, width=800)
    was = browser.run(VIEW)
    browser.run("""(() => {
      const buttons = [...document.querySelectorAll("#curves button")];
      const press = (text) => buttons.find((one) => one.textContent === text).click();
      ["smooth", "aug=group1", [...document.querySelectorAll(".names button")].at(-1).textContent].forEach(press);
      document.querySelector("figure").charts()[1].chart.setScale("x", { min: 5, max: 9 });
      document.querySelector("#runs .scroll").scrollTop = 40;
      document.querySelector(".names button").focus({ focusVisible: true });
      scrollTo(0, 300);
      window.before = true;
    })()""")
    chosen = browser.run(VIEW)
    assert chosen != was
    assert chosen["off"] == ["late epochs", "log loss", "aug=group1", "others"]
    assert (chosen["scroll"], chosen["zooms"][1]) == ([300, 40], {"min": 5, "max": 9})
    # Meanwhile other runs have begun.
    page.write_text(live.render(tmp_path, jobs, live._now()))
    browser.reload_by("look()")
    assert browser.run("window.before") is None
    assert browser.run(VIEW) == chosen
    # Loaded again by its reader it begins anew.
    browser.open(page, width=800)
    assert browser.run(VIEW)["off"] == was["off"]
    assert browser.problems == []
