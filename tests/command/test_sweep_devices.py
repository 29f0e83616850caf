"""A sweep finds out what its jobs compute on without a CUDA context of its own."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import tiny
from device_sweeps import name, site, without_device

from pets_seg.command.schedule import Schedule
from pets_seg.errors import InputError
from pets_seg.machine import cuda

# What of torch a process must not touch that is to have no CUDA context and to be forked.
FORBIDDEN = {"_C._cuda_getDeviceCount", "_C._cuda_init", "_C._cuda_isCurrentStreamCapturing", "cuda._lazy_init"}
FORBIDDEN |= {"Tensor.backward"}
# Two GPUs, as CUDA's driver tells of them to the child process that is asked.
GPUS = """
import sys
if "-c" in sys.orig_argv:
    import ctypes
    from pets_seg.machine import cuda
    class Driver:
        def cuInit(self, flags):
            return 0
        def cuDriverGetVersion(self, number):
            number._obj.value = 13010
            return 0
        def cuDeviceGetCount(self, number):
            number._obj.value = 2
            return 0
        def cuDeviceGet(self, number, index):
            number._obj.value = index
            return 0
        def cuDeviceGetName(self, name, size, device):
            name.value = [b"Old", b"New"][device]
            return 0
        def cuDeviceGetAttribute(self, number, attribute, device):
            number._obj.value = {75: [7, 9][device]}[attribute]
            return 0
    ctypes.CDLL = lambda name: Driver()
    cuda._built_for = lambda: ("VERSION", None)
"""


@pytest.fixture
def composed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, str]]]:
    """Two GPUs that only another process may touch; returns the names and devices of the jobs, none of which starts."""
    found = []

    def refuse(*arguments: Any, **settings: Any) -> None:
        raise AssertionError("CUDA was touched")

    def stop(schedule: Schedule) -> None:
        found.extend((work.folder.name, work.machine.device) for work in schedule.work)
        raise InputError("all jobs are composed")

    for place in FORBIDDEN:
        owner, attribute = place.split(".")
        monkeypatch.setattr(getattr(torch, owner), attribute, refuse, raising=False)
    monkeypatch.setattr(cuda, "_built_for", lambda: ("13.0", None))
    monkeypatch.setattr(Schedule, "announce", stop)
    monkeypatch.setenv(cuda.BY_NVML, "0")
    cuda._told_by_child.cache_clear()
    yield found
    cuda._told_by_child.cache_clear()


@pytest.mark.slow
def test_composing_a_sweep_makes_no_cuda_context(
    composed: list, oxford: Path, tmp_path: Path, in_process: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A driver runs programs of its own CUDA, whatever their minor version is.
    monkeypatch.syspath_prepend(site(tmp_path / "site", GPUS.replace("VERSION", "13.2")))
    sweep = ["-m", *without_device(oxford), "train.device=cuda:0,cuda:1,auto,cpu"]
    assert in_process(*sweep) == (2, "all jobs are composed\n")
    # The precision is that of the device that was chosen, not of the first one.
    names = {precision: name(*tiny(oxford), f"train.precision={precision}") for precision in ("fp16", "bf16", "fp32")}
    assert composed == [
        (names["fp16"], "cuda:0 (Old)"),
        (names["bf16"], "cuda:1 (New)"),
        (names["fp16"], "cuda (Old)"),
        (names["fp32"], "cpu"),
    ]
    assert not torch.cuda.is_initialized()
    code, shown = in_process(*sweep[:-1], "train.device=cuda:2,cpu")
    assert (code, shown) == (2, "train.device=cuda:2: 2 CUDA devices here; train.device=auto takes what there is\n")


@pytest.mark.parametrize("built", ["14.0", None])
def test_devices_that_torch_was_not_built_for_are_not_there(
    built: str | None,
    composed: list,
    oxford: Path,
    tmp_path: Path,
    in_process: Callable,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cuda, "_built_for", lambda: (built, None))
    monkeypatch.syspath_prepend(site(tmp_path / "site", GPUS.replace("VERSION", str(built))))
    code, shown = in_process("-m", *without_device(oxford), "train.device=cuda:0,cpu")
    assert (code, shown) == (2, "train.device=cuda:0: 0 CUDA devices here; train.device=auto takes what there is\n")


def test_what_torch_was_built_for_is_in_a_file_of_it() -> None:
    assert cuda._built_for() == (torch.version.cuda, torch.version.hip)


def test_a_child_that_cannot_say_what_there_is(
    composed: list, oxford: Path, tmp_path: Path, in_process: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = "import sys\nif '-c' in sys.orig_argv: sys.exit(print('no driver', file=sys.stderr) or 1)"
    monkeypatch.syspath_prepend(site(tmp_path / "site", broken))
    code, shown = in_process("-m", *without_device(oxford), "seed=0,1")
    assert code == 2
    assert shown == (
        "train.device: the CUDA devices cannot be asked what they are (SystemExit: 1); mend CUDA, or give "
        "train.device=cpu\n"
    )


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_child_says_of_the_gpus_what_this_process_finds() -> None:
    cuda._told_by_child.cache_clear()
    assert cuda._told_by_child(os.environ.get("CUDA_VISIBLE_DEVICES")) == cuda._found()
