"""The slots of a machine: GPUs as the driver and the user name them, or shares of the cores."""

import os
from pathlib import Path

import pytest
from application import LOCAL, began, sweep, write
from hydra.errors import HydraException

from pets_seg.launch.slots import count_cores, find_slots

TWO = "GPU 0: NVIDIA H100 (UUID: GPU-aaaa)\nGPU 1: NVIDIA H100 (UUID: GPU-bbbb)"
CUT = """GPU 0: NVIDIA A100 (UUID: GPU-aaaa)
  MIG 1g.10gb     Device  0: (UUID: MIG-1111)
  MIG 1g.10gb     Device  1: (UUID: MIG-2222)
GPU 1: NVIDIA A100 (UUID: GPU-bbbb)"""


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Put a program of the driver's name on the path, which prints what it is called with here."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)

    def install(prints: str, code: int = 0) -> None:
        program = folder / "nvidia-smi"
        program.write_text(f'#!/bin/sh\n[ "$1" = -L ] || exit 9\ncat <<END\n{prints}\nEND\nexit {code}\n')
        program.chmod(0o755)

    return install


@pytest.fixture
def no_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)


def gpus(slots: int | str = "auto", jobs_per_gpu: int = 1) -> list[str | None]:
    return [slot.gpu for slot in find_slots(slots, jobs_per_gpu)]


def test_a_slot_a_gpu_or_several(driver) -> None:
    driver(TWO)
    assert gpus() == ["GPU-aaaa", "GPU-bbbb"]
    assert gpus(jobs_per_gpu=2) == ["GPU-aaaa", "GPU-bbbb"] * 2
    assert gpus(3) == ["GPU-aaaa", "GPU-bbbb", "GPU-aaaa"]
    driver(CUT)
    assert gpus() == ["MIG-1111", "MIG-2222", "GPU-bbbb"]


@pytest.mark.parametrize(
    ("visible", "expected"),
    [("1", ["1"]), ("3, 0", ["3", "0"]), ("0,-1,1", ["0"]), ("", [None]), ("-1", [None]), ("GPU-x", ["GPU-x"])],
)
def test_what_the_user_lets_be_seen(driver, monkeypatch: pytest.MonkeyPatch, visible: str, expected: list) -> None:
    driver(TWO)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert gpus()[: len(expected)] == expected
    assert len(gpus()) == (len(expected) if expected != [None] else count_cores())


def test_a_driver_that_fails_is_told(driver) -> None:
    driver("Failed to initialize NVML: Driver/library version mismatch", code=18)
    with pytest.raises(
        HydraException, match=r"Driver/library version mismatch\); mend the driver, or set CUDA_VISIBLE"
    ):
        find_slots("auto", 1)


@pytest.mark.usefixtures("no_driver")
def test_the_cores_are_divided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(16)))
    assert [slot.threads for slot in find_slots("auto", 1)] == [1] * 16
    assert [slot.threads for slot in find_slots(4, 1)] == [4] * 4
    assert [slot.threads for slot in find_slots(32, 1)] == [1] * 32
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert [slot.threads for slot in find_slots("auto", 1)] == [3] * 5
    assert [slot.threads for slot in find_slots(2, 1)] == [3] * 2


def test_jobs_see_their_gpu_and_their_threads(driver, tmp_path: Path) -> None:
    driver(TWO)
    write(tmp_path)
    code, shown = sweep(tmp_path, "x=1,2,3,4", "seconds=0.3", "hydra.launcher.jobs_per_gpu=2", OMP_NUM_THREADS="5")
    assert code == 0
    assert "4 jobs in 4 slots on 2 GPUs\n" in shown
    assert sorted(gpu for _, _, gpu, *_ in began(tmp_path)) == ["GPU-aaaa", "GPU-aaaa", "GPU-bbbb", "GPU-bbbb"]
    assert {threads for *_, threads, _ in began(tmp_path)} == {"5"}


@pytest.mark.parametrize(
    ("word", "line"),
    [
        ("hydra.launcher.slots=0", "hydra.launcher.slots=0: must be auto or a number of slots, 1 or more"),
        ("hydra.launcher.slots=all", "hydra.launcher.slots=all: must be auto or a number of slots, 1 or more"),
        ("hydra.launcher.jobs_per_gpu=0", "hydra.launcher.jobs_per_gpu=0: must be a number of jobs, 1 or more"),
        ("hydra.launcher.stop_after=0", "hydra.launcher.stop_after=0: must be null or a number of failures, 1 or more"),
    ],
)
def test_settings_that_cannot_be_are_refused(tmp_path: Path, word: str, line: str) -> None:
    write(tmp_path)
    code, shown = sweep(tmp_path, "x=1,2", word)
    assert code != 0
    assert line in shown
    assert LOCAL not in shown
    assert not (tmp_path / "began").exists()
