"""What hydra/launcher=local refuses before any job starts, and which jobs it gives the GPUs."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import tiny
from local_sweeps import begin, end, nothing_left
from omegaconf import OmegaConf

from pets_seg.command.local import check_slots
from pets_seg.errors import InputError
from pets_seg.launch.slots import Slot
from pets_seg.machine.cuda import CudaDevice

# Each starts several processes that import PyTorch, which takes long where other tests run beside them.
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(autouse=True)
def _nothing_left() -> Iterator[None]:
    """End what a test that failed has left at work."""
    yield from nothing_left()


def test_what_cannot_be_is_refused_before_any_job_starts(oxford: Path, tmp_path: Path) -> None:
    code, shown = end(begin(tmp_path, [*tiny(oxford), "seed=0,1", "hydra.launcher.slots=none"]))
    assert (code, shown) == (2, "hydra.launcher.slots=none: must be auto or a number of slots, 1 or more\n")
    code, shown = end(begin(tmp_path, [*tiny(oxford), "seed=0,1", "hydra.launcher.stop_after=0"]))
    assert (code, shown) == (2, "hydra.launcher.stop_after=0: must be null or a number of failures, 1 or more\n")
    assert not (tmp_path / "runs").exists()


def test_the_launcher_hands_out_the_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    launcher = {"slots": "auto", "jobs_per_gpu": 1, "stop_after": None}
    config = OmegaConf.create({"hydra": {"launcher": launcher}, "task": {"name": "train"}})

    def slots(*devices: str) -> list[Slot]:
        return check_slots(config, [OmegaConf.create({"train": {"device": device}}) for device in devices])

    on_gpu, on_cpu = [Slot(0, 3, "GPU-a")], [Slot(0, 1), Slot(1, 1)]
    monkeypatch.setattr("pets_seg.command.local.check", lambda *given: on_gpu)
    monkeypatch.setattr("pets_seg.machine.device.cuda_devices", lambda: [CudaDevice("A", True)] * 2)
    assert slots("auto", "cuda", "cpu") == on_gpu
    with pytest.raises(InputError, match=r"train\.device=cuda:1: hydra/launcher=local gives each job its GPU; leave"):
        slots("auto", "cuda:1")
    # As where nvidia-smi is missing, or the GPUs are not NVIDIA's.
    monkeypatch.setattr("pets_seg.command.local.check", lambda *given: on_cpu)
    assert slots("cpu") == on_cpu
    with pytest.raises(InputError, match="cannot tell the GPUs of this machine apart"):
        slots("auto")
    monkeypatch.setattr("pets_seg.machine.device.cuda_devices", list)
    assert slots("auto") == on_cpu
    monkeypatch.setattr("pets_seg.command.local.check", lambda *given: on_gpu)
    with pytest.raises(InputError, match="finds GPU GPU-a, which PyTorch does not"):
        slots("auto")
    assert slots("cpu") == on_gpu
