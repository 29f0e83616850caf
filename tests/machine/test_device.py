"""The device that `train.device` names is one that was tried, unless another is asked for."""

import pytest

from pets_seg.errors import InputError
from pets_seg.machine import device
from pets_seg.machine.cuda import CudaDevice
from pets_seg.machine.device import Place, find_place


@pytest.mark.parametrize(("gpus", "place"), [((), Place("cpu")), ((None,), Place("cuda"))])
def test_auto_takes_cuda_or_the_cpu_on_a_mac_too(
    gpus: tuple[CudaDevice, ...], place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "cuda_devices", lambda: gpus)
    monkeypatch.setattr(device, "_has_mps", lambda: True)
    assert find_place("auto") == place
    assert find_place("mps") == Place("mps")


def test_mps_is_refused_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "_has_mps", lambda: False)
    with pytest.raises(
        InputError, match=r"train\.device=mps: no MPS device here; train\.device=auto takes CUDA or the CPU"
    ):
        find_place("mps")
