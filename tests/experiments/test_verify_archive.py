"""An archive of a sweep has no trace of the machine, lets the sweep go on, and its runs can be replayed."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import replayed
from archive import entries, unpack, write_archive
from conftest import tiny
from kept_studies import Kept
from replayed import far_from_group, not_the_row, replay_one

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def sweep(in_process: Run, oxford: Path, tmp_path: Path) -> Path:
    """A sweep of two runs whose data are in a folder beside its runs."""
    shutil.move(oxford, tmp_path / "work" / "pets")
    code, shown = in_process("-m", *tiny(Path("pets")), "seed=0,1", "name=small")
    assert code == 0, shown
    return tmp_path / "work" / "runs" / "small"


@pytest.mark.slow
def test_an_archive_is_the_same_each_time_and_names_no_machine(sweep: Path, tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("a.tar.xz", "b.tar.xz")]
    for file in files:
        write_archive(sweep, file)
        shutil.copytree(sweep, tmp_path / "elsewhere" / "small", dirs_exist_ok=True)
    assert files[0].read_bytes() == files[1].read_bytes()
    for name, content in entries(sweep):
        assert str(tmp_path).encode() not in content, name
        assert not name.endswith((".pt", ".lock", ".npz", ".log"))
    status = json.loads(dict(entries(sweep))[f"small/{next(sweep.glob('unet-*')).name}/status.json"])
    assert status["host"] == "machine-1"
    assert "pid" not in status
    next(sweep.glob("*/status.json")).write_text('{"state": "failed"}')
    with pytest.raises(ValueError, match="is failed, not finished"):
        write_archive(sweep, files[0])


@pytest.mark.slow
def test_a_sweep_goes_on_from_its_archive(sweep: Path, tmp_path: Path, in_process: Run) -> None:
    write_archive(sweep, tmp_path / "runs.tar.xz")
    shutil.rmtree(sweep)
    assert unpack(tmp_path / "runs.tar.xz", sweep.parent) == sweep
    code, shown = in_process("-m", *tiny(Path("pets")), "seed=0,1,2", "name=small")
    assert code == 0, shown
    assert shown.count("finished already") == 2
    assert len(pd.read_csv(sweep / "runs.csv")) == 3


@pytest.mark.slow
def test_a_run_of_an_archive_is_replayed(sweep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = tmp_path / "experiment"
    experiment.mkdir()
    write_archive(sweep, experiment / "runs.tar.xz")
    shutil.copy(sweep / "runs.csv", experiment)
    (experiment / "conf" / "loss").mkdir(parents=True)
    (experiment / "conf" / "loss" / "mine.yaml").write_text("defaults: [dice]\n")
    searched = ("hydra.searchpath=[file://HERE/conf]",)
    kept = Kept(archive="runs.tar.xz", processor=replayed.processor(), settings=searched)
    assert "left out" in replay_one(kept, experiment, 1, None).remark
    found = replay_one(kept, experiment, 1, tmp_path / "work" / "pets")
    assert found.failures == []
    assert found.remark.endswith("bit for bit")
    [line] = replay_one(replace(kept, settings=("loss=mine",)), experiment, 1, tmp_path / "work" / "pets").failures
    assert "cannot be replayed" in line
    mine = replace(kept, settings=(*searched, "loss=mine"))
    assert "a replay on the same kind" in replay_one(mine, experiment, 1, tmp_path / "work" / "pets").failures[0]
    table = pd.read_csv(experiment / "runs.csv", dtype=str)
    table.assign(test_dice="0.5").to_csv(experiment / "runs.csv", index=False)
    [line] = replay_one(kept, experiment, 1, tmp_path / "work" / "pets").failures
    assert "is 0.5, a replay on the same kind of processor gives" in line
    monkeypatch.setattr(replayed, "processor", lambda: "another")
    [line] = replay_one(
        Kept(archive="runs.tar.xz", processor="one"), experiment, 1, tmp_path / "work" / "pets"
    ).failures
    assert "test_dice" in line
    assert "deviations from its group's 0.5000" in line


def test_figures_are_held_to_the_row_or_to_the_group() -> None:
    rows = [("a", "0", "none", "5", "0.70"), ("b", "1", "none", "5", "0.72"), ("c", "0", "crop", "5", "0.10")]
    runs = pd.DataFrame(rows, columns=["run", "seed", "aug", "best_epoch", "test_dice"])
    for key in ("best_val_dice", "val_loss_at_best", "test_iou", "test_loss"):
        runs[key] = runs["test_dice"]
    figures = dict.fromkeys(replayed.FIGURES, 0.7) | {"best_epoch": 5}
    assert [*not_the_row(runs, "a", figures)] == []
    assert [*far_from_group(runs, "a", figures)] == []
    [line] = not_the_row(runs, "a", figures | {"test_dice": 0.7000001})
    assert line.startswith("test_dice of a is 0.70, a replay")
    [line] = far_from_group(runs, "b", figures | {"test_iou": 0.8})
    assert line.startswith(
        "test_iou of b is 0.8000 in a replay, more than 4 deviations from its group's 0.7100 ± 0.0141"
    )
    assert "no other seed" in next(far_from_group(runs, "c", figures))
