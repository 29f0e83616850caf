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
from processes import finish, pause, start, wait_for
from sweeps import write_sweep

from pets_seg.report import live
from pets_seg.report.live import curves
from pets_seg.report.progress import Job, Progress, found_jobs, labels, read_progress, time_left
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


def running(jobs: int, rows: int, epochs: int = 10, seconds: float = 2.0) -> list[Progress]:
    table = [{"epoch": str(epoch + 1), "seconds": str(seconds), "val/dice": f"0.{5 + epoch}"} for epoch in range(rows)]
    return [
        Progress(Job(f"r{n}", ("a",), n, epochs), "a", "running", began=time.time(), rows=table) for n in range(jobs)
    ]


def test_the_end_is_that_of_the_slots_that_run_now() -> None:
    # Two slots, each with 5 epochs of 24 s to go; then 3 jobs of 240 s: one slot takes two of them.
    known = running(2, 5, seconds=24.0) + [Progress(Job(f"q{n}", ("a",), n, 10)) for n in range(3)]
    assert time_left(known) == pytest.approx(5 * 24 + 2 * 240)
    # Jobs that are finished say how long one takes.
    done = Progress(Job("d", ("a",), 9, 10), "a", "finished", began=1000.0, ended=1000.0 + 600)
    assert time_left([*known, done]) == pytest.approx(5 * 24 + 2 * 600)
    assert time_left(running(2, 0)) is None
    assert time_left([Progress(Job("q", ("a",), 0, 10))]) is None


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
    many = curves(running(100, 3))
    assert len(many["panels"][0]["views"][0]["series"]) == live.MOST_RUNS
    assert "of 100" in many["caption"]


def test_it_is_written_seldom_and_never_keeps_a_run_from_going_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "report.html"
    live.refresh(tmp_path)
    assert not page.exists(), "no sweep is running there"
    live.begin(tmp_path, [Job("r", ("a",), 0, 3)])
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
    (tmp_path / live.FILE).write_text("{")
    live.refresh(tmp_path)
    assert page.read_text() == "as it was"
    live.end(tmp_path)
    assert not (tmp_path / live.FILE).exists()


def test_labels_tell_jobs_apart(tmp_path: Path) -> None:
    def jobs(*of: tuple[str, str, int]) -> list[Job]:
        return [Job(run, tuple(words.split()), seed, 3) for run, words, seed in of]

    assert labels(jobs(("a-s0-1", "name=s aug=none seed=0", 0), ("b-s1-2", "name=s aug=crop seed=1", 1))) == [
        "aug=none",
        "aug=crop",
    ]
    assert labels(jobs(("a-s0-1", "name=s seed=0", 0), ("a-s1-2", "name=s seed=1", 1))) == ["", ""]
    assert labels(jobs(("a-s0-1", "name=s", 0), ("b-s0-2", "name=s aug=crop", 0))) == ["a", "aug=crop"]
    # Of commands whose words do not show in what their runs differ; and of runs whose words nobody knows.
    assert labels(jobs(("a-s0-1", "name=s", 0), ("a-s0-2", "name=s", 0), ("a-s1-3", "name=s", 1))) == ["1", "2", ""]
    assert labels(jobs(("a-b-s0-1", "", 0), ("a-b-s0-2", "", 0), ("a-s1-3", "lr=1", 1), ("odd", "", 0))) == [
        "a-b 1",
        "a-b 2",
        "a",
        "odd",
    ]
    assert labels([]) == []


def test_runs_that_a_search_chose_have_the_words_that_it_gave_them(tmp_path: Path) -> None:
    for digest, words in {"1a": ["optimizer.lr=0.1", "name=s"], "2b": ["optimizer.lr=0.2", "name=s"]}.items():
        run = tmp_path / f"unet-hflip-adamw-s7-{digest}"
        RunFolder(run).write_status("running")
        (run / ".hydra").mkdir()
        (run / ".hydra" / "overrides.yaml").write_text("".join(f"- {word}\n" for word in words))
    shown = [(item.label, item.job.seed) for item in read_progress(tmp_path, found_jobs(tmp_path))]
    assert shown == [("optimizer.lr=0.1", 7), ("optimizer.lr=0.2", 7)]
    # A file of a stranger.
    (run / ".hydra" / "overrides.yaml").write_text("{a: !!python/name:os.system}")
    shown = [item.label for item in read_progress(tmp_path, found_jobs(tmp_path))]
    assert shown == ["unet-hflip-adamw 1a", "unet-hflip-adamw 2b"]


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
    assert not (folder / live.FILE).exists()
    assert "Comparison of runs" in (folder / "report.html").read_text()
    # A sweep that is killed leaves word that it runs, which a run by itself does not take up.
    live.begin(folder, [Job("gone", ("aug=none",), 0, 3)])
    full = (folder / "report.html").read_text()
    assert finish(tmp_path, ["name=s", *few, "aug=none", "seed=7"]) == 0
    assert (folder / "report.html").read_text() == full
    assert finish(tmp_path, words) == 0
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
    assert not (page.parent / live.FILE).exists()
