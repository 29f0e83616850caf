"""The page of a sweep that is running: states, curves, expected end; it is renewed, and gives way to the full one."""

import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from browser import Browser, opened
from conftest import tiny
from processes import die, finish, pause, start, wait_for
from sweeps import write_sweep
from test_at_work import another

from pets_seg.report import live
from pets_seg.report.at_work import enter
from pets_seg.report.live import curves
from pets_seg.report.progress import Job, Progress, read_progress, time_left
from pets_seg.run_folder.folder import RunFolder

HOSTILE = "<script>alert(1)</script>"
# How many lines the states of the jobs take.
LINES = """[...document.querySelectorAll("#jobs td:nth-child(2)")].map((cell) => {
  const range = document.createRange();
  range.selectNodeContents(cell);
  return range.getClientRects().length;
})"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    yield from opened(tmp_path_factory.mktemp("profile"))


def value(browser: Browser, expression: str) -> object:
    return browser.call("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")


def test_curves_are_those_of_metrics_csv_and_those_last_at_work_of_many(tmp_path: Path) -> None:
    runs = write_sweep(tmp_path, {"none": {}, "crop": {}}, seeds=2, epochs=300, images=5, valid=5)
    known = read_progress(tmp_path, [Job(run.name, (run.name.split("-")[1],), n, 300) for n, run in enumerate(runs)])
    [loss, _, dice] = curves(known)["panels"]
    assert (loss["title"], loss["loss"], dice["title"], dice["loss"]) == (
        "training loss",
        True,
        "validation Dice",
        False,
    )
    for run, series in zip(runs, dice["views"][0]["series"], strict=True):
        table = pd.read_csv(run / "metrics.csv").set_index("epoch")["val/dice"]
        assert len(series["x"]) <= live.MOST_POINTS
        assert series["x"][-1] == 300
        assert series["y"] == pytest.approx(table[series["x"]].tolist())
    assert len({series["colour"] for series in dice["views"][0]["series"]}) == 2
    rows = read_progress(tmp_path, [Job(runs[0].name, (), 0, 300)])[0].rows
    many = curves([Progress(Job(f"r{number}", (), number, 300), rows=rows) for number in range(100)])
    assert len(many["panels"][0]["views"][0]["series"]) == live.MOST_RUNS
    assert "of 100" in many["caption"]


def test_it_is_written_seldom_and_never_keeps_a_run_from_going_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "report.html"
    live.refresh(tmp_path)
    assert not page.exists(), "no sweep is running there"
    enter(tmp_path, [Job("r", ("a",), 0, 3)])
    live.refresh(tmp_path)
    first = page.read_text()
    page.write_text("as it was")
    live.refresh(tmp_path)
    assert page.read_text() == "as it was"
    now = time.time
    monkeypatch.setattr(live.time, "time", lambda: now() + 31)
    live.refresh(tmp_path)
    assert "1 queued, of one run" in first
    assert "1 queued, of one run" in page.read_text()
    # It takes a fiftieth of the time at most.
    page.write_text("as it was")
    monkeypatch.setitem(live._took, tmp_path, 2.0)
    live.refresh(tmp_path)
    assert page.read_text() == "as it was"
    monkeypatch.setattr(live.time, "time", lambda: now() + 101)
    [jobs] = tmp_path.glob(".live-*/jobs.json")
    jobs.write_text("{")
    live.refresh(tmp_path)
    assert page.read_text() == "as it was"
    live.end(tmp_path)
    assert not [*tmp_path.glob(".live-*")]


def test_of_a_failed_run_the_message_is_shown(tmp_path: Path) -> None:
    for number, error in enumerate(({"type": "RunError", "message": f"lr=9 is too large {HOSTILE}"}, "of a stranger")):
        folder = RunFolder(tmp_path / f"r{number}")
        folder.write_status("failed")
        folder.note(error=error)
    jobs = [Job(f"r{number}", (f"lr={number}",), 0, 3) for number in range(3)]
    assert [(item.state, item.error) for item in read_progress(tmp_path, jobs)] == [
        ("failed", f"lr=9 is too large {HOSTILE}"),
        ("failed", ""),
        ("queued", ""),
    ]
    text = live.render(tmp_path, jobs, live._now())
    assert "failed: lr=9 is too large &lt;script&gt;" in text
    assert "RunError" not in text


def test_a_thousand_runs_take_a_second(tmp_path: Path) -> None:
    runs = write_sweep(tmp_path, {f"g{n}": {} for n in range(100)}, seeds=10, epochs=10, images=1, valid=1)
    jobs = [Job(run.name, (run.name.split("-")[1],), n % 10, 10) for n, run in enumerate(runs)]
    started = time.process_time()
    text = live.render(tmp_path, jobs, live._now())
    # With room for slow cores.
    assert time.process_time() - started < 4
    assert "1000 finished, of 1000 runs" in text
    assert len(text) < 1e6


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
    for width in (1280, 390):
        browser.open(page, width=width)
        assert value(browser, "document.documentElement.scrollWidth") <= width
        # No state is broken into two lines.
        assert value(browser, LINES) == [1, 1]
    assert value(browser, "document.querySelectorAll('.chart canvas').length") == 3
    assert value(browser, "document.querySelectorAll('.bar button').length") == 3
    value(browser, "document.querySelectorAll('.bar button').forEach((button) => button.click())")
    assert value(browser, "document.querySelectorAll('.chart canvas').length") == 3
    assert value(browser, "document.getElementById('silent').hidden") is True
    assert HOSTILE in value(browser, "document.querySelector('#jobs tbody').textContent")
    page.write_text("<title>the full page</title>")
    value(browser, "look()")
    wait_for(lambda: value(browser, "document.title") == "the full page")

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


@pytest.mark.slow
def test_a_sweep_shows_how_far_it_is_and_then_its_comparison(oxford: Path, tmp_path: Path) -> None:
    few = [word for word in tiny(oxford) if not word.startswith("aug=")]
    words = ["-m", "name=s", *few, "aug=none,hflip", "seed=0"]
    process = start(tmp_path, words, ("pets_seg.command.tasks.train.train", 2), pause)
    wait_for((tmp_path / "halted").exists)
    folder = tmp_path / "runs" / "s"
    page = (folder / "report.html").read_text()
    assert "1 running, 1 queued, of 2 runs" in page
    assert "aug=hflip" in page
    [data] = re.findall(r'id="curves-data">(.*?)</script>', page)
    [run] = folder.glob("unet-none-*")
    row = pd.read_csv(run / "metrics.csv").iloc[0]
    assert json.loads(data)["panels"][2]["views"][0]["series"][0]["y"][0] == pytest.approx(row["val/dice"])
    process.kill()
    process.join()
    assert finish(tmp_path, words) == 0
    assert not [*folder.glob(".live-*")]
    assert "Comparison of runs" in (folder / "report.html").read_text()
    # A sweep that is killed leaves word that it runs, which a run by itself does not take up.
    another(folder, [Job("gone", ("aug=none",), 0, 3)], die).join()
    full = (folder / "report.html").read_text()
    assert finish(tmp_path, ["name=s", *few, "aug=none", "seed=7"]) == 0
    assert (folder / "report.html").read_text() == full
    assert finish(tmp_path, words) == 0
    assert not [*folder.glob(".live-*")]
    # A page that is not the full one any more is made again.
    (folder / "report.html").write_text(page)
    assert finish(tmp_path, words) == 0
    assert "Comparison of runs" in (folder / "report.html").read_text()


@pytest.mark.slow
def test_a_sweep_that_is_interrupted_says_so(oxford: Path, tmp_path: Path) -> None:
    few = [word for word in tiny(oxford) if not word.startswith("aug=")]
    words = ["-m", "name=s", *few, "aug=none,hflip", "seed=0", "hydra/sweeper=sequential", "hydra.sweeper.margin=1"]
    words = [word for word in words if word != "seed=0"]
    process = start(tmp_path, words, ("pets_seg.command.tasks.train.train", 2), pause)
    wait_for((tmp_path / "halted").exists)
    page = tmp_path / "runs" / "s" / "report.html"
    # Which runs there will be is not known before.
    assert re.search(r"1 (running|finished), of one run", page.read_text())
    (tmp_path / "go").touch()
    process.terminate()
    process.join()
    assert "The sweep was stopped before its end" in page.read_text()
    assert not [*page.parent.glob(".live-*")]
