"""A full disk, whatever is being written: one line, the checkpoint intact, and on once there is room."""

import json
import resource
from pathlib import Path

import pytest
from conftest import only_run, tiny, write_oxford
from outcome import check_readable, check_same, outcome
from processes import fill_disk, finish

SAVED_EACH_EPOCH = ["train.save_every_steps=4", "train.keep_state=true"]
# And at which time of writing it in a process; what was reached before is read again by the next.
FILES = {"config.yaml": 1, "status.json": 1, "last.pt": 2, "best.safetensors": 1, "metrics.csv": 2}
FILES |= {"per_image.csv": 1, "calibration.csv": 1, "summary.json": 1}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], Path]:
    """The arguments of a run, and the folder in which it was never disturbed."""
    root = tmp_path_factory.mktemp("whole")
    write_oxford(root)
    arguments = [
        *tiny(root),
        "train.epochs=3",
        "train.batch_size=5",
        "aug=hflip",
        *SAVED_EACH_EPOCH,
        f"data.cache_dir={root / 'cache'}",
    ]
    assert finish(root / "work", arguments) == 0, (root / "work" / "shown").read_text()
    return arguments, root / "work"


def line_of(work: Path, reason: str) -> str:
    shown = (work / "shown").read_text()
    assert "Traceback" not in shown
    [line] = [line for line in shown.splitlines() if reason in line]
    assert "make room and give the same command again" in line
    return line


@pytest.mark.slow
def test_no_room_for_one_file_after_the_other(whole: tuple[list[str], Path], tmp_path: Path) -> None:
    arguments, undisturbed = whole
    work = tmp_path / "work"
    for file, nth in FILES.items():
        assert finish(work, arguments, (f"pets_seg.machine.files.os.replace {file}", nth), fill_disk) == 1, file
        run = only_run(work)
        line = line_of(work, "No space left on device")
        assert f"{run.relative_to(work)}/" in line
        assert file in line
        if file != "status.json":
            status = json.loads((run / "status.json").read_text())
            assert status["state"] == "failed"
            assert status["error"]["message"] in line
        assert list(run.rglob("*.part")) == []
        check_readable(run)
    assert finish(work, arguments) == 0, (work / "shown").read_text()
    assert "continuing after epoch 3 of 3" in (work / "shown").read_text()
    check_same(outcome(only_run(undisturbed)), outcome(only_run(work)))


def limit_files() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))


def no_files() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


@pytest.mark.slow
def test_a_real_limit_stops_the_large_files(whole: tuple[list[str], Path], tmp_path: Path) -> None:
    arguments, undisturbed = whole
    work = tmp_path / "work"
    # The state has some 850 kB, the best weights 220 kB; the first epoch ends with the small files written.
    assert finish(work, arguments, ("pets_seg.training.state.save_state", 2), limit_files) == 1
    run = only_run(work)
    assert "last.pt: cannot be written (File too large); its former content is intact" in line_of(work, "too large")
    assert json.loads((run / "status.json").read_text())["state"] == "failed"
    assert finish(work, arguments) == 0, (work / "shown").read_text()
    assert "continuing after epoch 1 of 3" in (work / "shown").read_text()
    check_same(outcome(only_run(undisturbed)), outcome(only_run(work)))


def test_no_room_for_anything_at_all(whole: tuple[list[str], Path], tmp_path: Path) -> None:
    arguments, undisturbed = whole
    work = tmp_path / "work"
    assert finish(work, arguments, ("pets_seg.training.state.save_state", 2), no_files) == 1
    run = only_run(work)
    # Neither the log nor the status could be written; the folder is free all the same.
    assert json.loads((run / "status.json").read_text())["state"] == "running"
    assert finish(work, arguments) == 0, (work / "shown").read_text()
    check_same(outcome(only_run(undisturbed)), outcome(only_run(work)))
