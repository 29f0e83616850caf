"""The page of a sweep that is running: states, curves, expected end; it is renewed, and gives way to the full one."""

import html
import json
import re
import shlex
import time
from pathlib import Path

import pandas as pd
import pytest
from conftest import tiny
from processes import die, finish, pause, start, wait_for
from sweeps import write_sweep
from test_at_work import another

from pets_seg.report import live
from pets_seg.report.at_work import enter
from pets_seg.report.live import curves
from pets_seg.report.progress import Job, Progress, read_progress
from pets_seg.run_folder.folder import RunFolder

HOSTILE = "<script>alert(1)</script>"


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
    assert 'class="error">lr=9 is too large &lt;script&gt;' in text
    assert "RunError" not in text


@pytest.mark.parametrize(("seconds", "silent"), [([], 300), ([2.0, 3.0], 300), ([380.0, 20.0, 360.0], 1140)])
def test_three_of_the_longest_epochs_may_pass_in_silence(seconds: list[float], silent: float, tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "r")
    run.write_status("running")
    if seconds:
        run.write_rows("metrics.csv", [{"epoch": n, "seconds": value} for n, value in enumerate(seconds, 1)])
    text = live.render(tmp_path, [Job("r", (), 0, 9), Job("queued", (), 0, 9)], live._now())
    assert [*map(float, re.findall(r'data-silent="([\d.]+)"', text))] == [silent]


def test_a_thousand_runs_take_a_second(tmp_path: Path) -> None:
    runs = write_sweep(tmp_path, {f"g{n}": {} for n in range(100)}, seeds=10, epochs=10, images=1, valid=1)
    jobs = [Job(run.name, (run.name.split("-")[1],), n % 10, 10) for n, run in enumerate(runs)]
    started = time.process_time()
    text = live.render(tmp_path, jobs, live._now())
    # With room for slow cores.
    assert time.process_time() - started < 4
    assert "1000 finished, of 1000 runs" in text
    assert len(text) < 1e6


def test_a_page_of_a_stopped_sweep_says_how_to_go_on(tmp_path: Path) -> None:
    folder = tmp_path / "it's mine"
    running = live.render(folder, [Job("r", (), 0, 9)], live._now())
    stopped = live.render(folder, [Job("r", (), 0, 9)], live._now(), stopped=True)
    for text in (running, stopped):
        [command] = re.findall(r"<code>python -m pets_seg.run (.*?)</code>", text)
        assert shlex.split(html.unescape(command)) == ["task=report", f"runs={folder}"]
    assert "The comparison takes its place" in running
    assert "The comparison takes its place" not in stopped
    assert "location.reload" not in stopped
    assert 'http-equiv="refresh"' not in stopped


@pytest.mark.slow
def test_a_sweep_shows_how_far_it_is_and_then_its_comparison(oxford: Path, tmp_path: Path) -> None:
    few = [word for word in tiny(oxford) if not word.startswith("aug=")]
    words = ["-m", "name=s", *few, "aug=none,hflip", "seed=0"]
    process = start(tmp_path, words, ("pets_seg.command.one_run.train", 2), pause)
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
    process = start(tmp_path, words, ("pets_seg.command.one_run.train", 2), pause)
    wait_for((tmp_path / "halted").exists)
    page = tmp_path / "runs" / "s" / "report.html"
    # Which runs there will be is not known before.
    assert re.search(r"1 (running|finished), of one run", page.read_text())
    (tmp_path / "go").touch()
    process.terminate()
    process.join()
    assert "The sweep was stopped before its end" in page.read_text()
    assert not [*page.parent.glob(".live-*")]
