"""What a sweep says of its time, and what that is taken from."""

import json
import re
import socket
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import tiny
from processes import forked

from pets_seg.run_folder.pace import Machine, Work, seconds_left

HERE = Machine("cpu", 2)
TIME = r"[\d.]+ (?:s|min)"


def config(aug: str | dict[str, Any] = "none", width: int = 8, epochs: int = 10, **more: Any) -> dict[str, Any]:
    """Return what of a resolved configuration the time of a run depends on."""
    train = {"epochs": epochs, "batch_size": 16, "precision": "fp32"}
    parts = {"aug": {"name": aug} if isinstance(aug, str) else aug, "optimizer": {"name": "adamw"}, "train": train}
    parts |= {
        "model": {"name": "unet", "width": width},
        "data": {"name": "sample", "_target_": "pets_seg.data.sources.sample", "size": 64},
    }
    return {**parts, "existing": "continue", **more}


def write_run(
    folder: Path, settings: dict[str, Any], seconds: float, state: str = "finished", seen: int = 100, **status: Any
) -> None:
    """Write a run of 3 epochs of `seen` images, each of so many minutes, which took 7 minutes beside them."""
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(settings))
    facts = {"host": socket.gethostname(), "device": "cpu", "threads": 2, "processes": 1}
    began, ended = "2026-01-01T00:00:00+00:00", f"2026-01-01T00:{int(3 * seconds + 7):02d}:00+00:00"
    times = {"started": began, "since": began, "ended": ended}
    (folder / "status.json").write_text(json.dumps({"state": state, **facts, **times, **status}))
    rows = [f"{epoch},{60 * seconds},{seen * epoch},{7 * epoch}\n" for epoch in (1, 2, 3)]
    (folder / "metrics.csv").write_text("epoch,seconds,images_seen,updates\n" + "".join(rows))


def left(runs: Path, settings: dict[str, Any], folder: Path | None = None) -> float | None:
    images = {"train": 200, "valid": 30, "test": 60}
    [seconds] = seconds_left(runs, [Work(folder or runs / "new" / "run", settings, images, HERE)])
    return seconds


def test_a_run_takes_what_runs_like_it_took(tmp_path: Path) -> None:
    assert left(tmp_path, config()) is None
    # Minutes an epoch of 100 images; the epochs of 200 take twice as long, and 7 minutes go by beside them.
    write_run(tmp_path / "a" / "1", config(), seconds=2)
    assert left(tmp_path, config()) == pytest.approx(60 * (10 * 2 * 2 + 7))
    # Those of the same augmentation are nearer; the others stand in where there are none.
    write_run(tmp_path / "a" / "2", config("elastic"), seconds=3)
    assert left(tmp_path, config("elastic")) == pytest.approx(60 * (10 * 3 * 2 + 7))
    assert left(tmp_path, config("crop")) == pytest.approx(60 * (10 * 2.5 * 2 + 7))


@pytest.mark.parametrize(
    ("settings", "status"),
    [
        (config(width=16), {}),
        (config(train={"epochs": 10, "batch_size": 8, "precision": "fp32"}), {}),
        (config(data={"name": "sample", "_target_": "pets_seg.data.sources.sample", "size": 128}), {}),
        (config(optimizer={"name": "muon"}), {}),
        (config(), {"threads": 4}),
        (config(), {"device": "cuda (H100)"}),
        (config(), {"host": "elsewhere"}),
        (config(), {"processes": 2}),
        (config(), {"threads": None, "state": 3}),
    ],
)
def test_a_run_unlike_it_or_of_another_machine_says_nothing(
    settings: dict[str, Any], status: dict[str, Any], tmp_path: Path
) -> None:
    write_run(tmp_path / "a" / "1", settings, seconds=2, **status)
    assert left(tmp_path, config()) is None


def test_copies_of_images_are_not_images_of_the_data_set(tmp_path: Path) -> None:
    doubled = {"name": "hflip", "keep_original": True}
    write_run(tmp_path / "a" / "1", config(aug=doubled), seconds=2, seen=200)
    # 100 images in batches of 16.
    assert left(tmp_path, config(aug=doubled)) == pytest.approx(60 * (10 * 2 * 200 / 112 + 7))
    # Without copies an image takes another time.
    assert left(tmp_path, config()) is None


def test_what_is_done_of_a_run_needs_no_time(tmp_path: Path) -> None:
    run = tmp_path / "a" / "1"
    write_run(run, config(), seconds=2)
    assert left(tmp_path, config(), run) == 0
    assert left(tmp_path, config(existing="restart"), run) == pytest.approx(60 * (10 * 2 * 2 + 7))
    # Begun, and stopped after 3 of its 10 epochs: what a run takes beside its epochs is not known, but for predictions.
    begun = tmp_path / "b" / "1"
    write_run(begun, config(), seconds=2, state="interrupted")
    (run / "status.json").unlink()
    assert left(tmp_path, config(), begun) == pytest.approx(60 * (7 * 2 * 2 + 2 / 100 * (30 + 60) / 3))


def test_a_damaged_run_is_passed_over(tmp_path: Path) -> None:
    write_run(tmp_path / "a" / "1", config(), seconds=2)
    for name in ("status.json", "config.yaml", "metrics.csv"):
        broken = tmp_path / "broken" / name
        write_run(broken, config(), seconds=50)
        (broken / name).write_text("{")
    assert left(tmp_path, config()) == pytest.approx(60 * (10 * 2 * 2 + 7))
    # Of the run itself nothing is known to be done then.
    begun = tmp_path / "begun" / "1"
    write_run(begun, config(), seconds=50, state="interrupted")
    (begun / "metrics.csv").write_text("epoch,seconds\n1,60\n")
    assert left(tmp_path, config(), begun) == pytest.approx(60 * (10 * 2 * 2 + 7))


def test_ten_thousand_jobs_are_estimated_in_a_second(tmp_path: Path) -> None:
    write_run(tmp_path / "a" / "1", config(), seconds=2)
    work = [
        Work(tmp_path / "new" / str(index), config(), {"train": 1, "valid": 1, "test": 1}, HERE)
        for index in range(10_000)
    ]
    started = time.perf_counter()
    assert len(seconds_left(tmp_path, work)) == 10_000
    # A tenth of it here; composing so many jobs takes minutes.
    assert time.perf_counter() - started < 10


@pytest.mark.slow
def test_a_sweep_says_which_job_it_is_at_and_what_is_left(oxford: Path, tmp_path: Path) -> None:
    sweep = ["-m", *tiny(oxford)]
    first = forked(*sweep, "aug=none,hflip", "seed=0,1", cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    lines = first.stdout.splitlines()
    # Nothing is known until an epoch is over.
    assert lines[0] == "4 jobs"
    assert "job 1/4: aug=none seed=0" in lines
    after = lines[lines.index("job 1/4: aug=none seed=0") :]
    epochs = [index for index, line in enumerate(after) if line.startswith("epoch ")]
    told = [index for index, line in enumerate(after) if re.fullmatch(rf"about {TIME} left for all 4 jobs", line)]
    assert told == [epochs[0] + 1]
    assert re.search(rf"\njob 2/4, {TIME} done, about {TIME} left: aug=none seed=1\n", first.stdout)
    assert re.search(rf"\njob 4/4, {TIME} done, about {TIME} left: aug=hflip seed=1\n", first.stdout)

    more = forked(*sweep, "aug=none,hflip", "seed=0,1,2", cwd=tmp_path)
    assert re.match(rf"6 jobs, about {TIME} in all by what earlier runs took here\n", more.stdout)
    assert "left for" not in more.stdout
    # Runs of another network say nothing of its time; what is known and what is not are told apart.
    other = forked(*sweep, "model.width=4,2", "seed=5", cwd=tmp_path)
    assert re.match(rf"2 jobs, about {TIME} for 1 of 2 jobs by what earlier runs took here\n", other.stdout)
    assert re.search(rf"\njob 2/2, {TIME} done: .*\n.*\nepoch 1/2 .*\nabout {TIME} left\n", other.stdout)
