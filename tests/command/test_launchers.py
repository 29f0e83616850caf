"""Where a sweep finds out what its jobs compute on: without a CUDA context, or not at all if they run elsewhere."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import SAVED, command, only_run, tiny
from hydra import compose, initialize_config_module
from outcome import check_same, outcome
from processes import pause, start, wait_for

from pets_seg.command.schedule import Schedule
from pets_seg.config.identity import run_name
from pets_seg.errors import InputError
from pets_seg.machine import cuda

SUBMITIT = "hydra/launcher=submitit_local"
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
NO_PARENT = """
import sys
if "pets_seg.run" in sys.orig_argv:
    # It looks at these functions when it is imported.
    import torch._dynamo
    def refuse(*arguments, **settings):
        raise AssertionError("the parent asked for its devices")
    for name in ("device_count", "is_available", "init", "_lazy_init", "current_device", "get_device_name",
                 "get_device_properties", "get_device_capability", "is_bf16_supported", "mem_get_info"):
        setattr(torch.cuda, name, refuse)
    torch._C._cuda_getDeviceCount = torch._C._cuda_init = refuse
    torch.backends.mps.is_available = refuse
"""
NO_JOB = """
import os, sys
if "submitit.core._submit" in sys.orig_argv:
    os._exit(1)
"""

# Of all jobs but the first the process ends as soon as that one has begun.
ONE_JOB = """
import glob, os, sys, time
if "submitit.core._submit" in sys.orig_argv:
    try:
        os.mkdir({first!r})
    except FileExistsError:
        while not glob.glob({begun!r}):
            time.sleep(0.05)
        os._exit(1)
"""


def without_device(root: Path) -> list[str]:
    return [word for word in tiny(root) if not word.startswith("train.device")]


def name(*overrides: str) -> str:
    with initialize_config_module("pets_seg.conf", version_base="1.3"):
        return run_name(compose("config", overrides=[*overrides, "train.device=cpu"], return_hydra_config=True))


def site(folder: Path, program: str) -> str:
    """Write what every Python process does before anything else, and return the value of PYTHONPATH for it."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(program)
    return str(folder)


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


@pytest.mark.slow
def test_jobs_elsewhere_give_the_sweep_their_names_and_the_figures_of_jobs_here(oxford: Path, tmp_path: Path) -> None:
    here, work = tmp_path / "here", tmp_path / "work"
    here.mkdir()
    assert command("-m", *tiny(oxford), *SAVED, "seed=0,1", cwd=here).returncode == 0
    # Another process has one of the runs: the job says so, and is launched again in the end.
    first = start(work, [*tiny(oxford), *SAVED, "seed=0"], ("pets_seg.training.loop.write_epoch", 1), pause)
    wait_for((work / "halted").exists)
    words = ["-m", *without_device(oxford), *SAVED, "train.device=auto", "seed=0,1", SUBMITIT]
    parent = subprocess.Popen(
        [sys.executable, "-m", "pets_seg.run", *words],
        cwd=work,
        env={**os.environ, "PYTHONPATH": site(tmp_path / "site", NO_PARENT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    before = [*takewhile(lambda line: not line.startswith("waiting for other processes"), parent.stdout)]
    (work / "go").touch()
    shown = parent.stdout.read()
    first.join(100)
    assert (parent.wait(), first.exitcode) == (0, 0), (before, shown)
    assert shown.count("  finished  ") == 2
    assert "not made" not in shown
    report = (work / "runs" / "default" / "report.html").read_text()
    assert "No test images are shown" not in report
    for folder in (work / "runs" / "default").glob("unet-*"):
        check_same(outcome(here / "runs" / "default" / folder.name), outcome(folder))
    assert list((work / "runs" / "default").glob(".jobs-*")) == []


@pytest.mark.slow
def test_a_job_elsewhere_that_cannot_have_its_device_fails_alone(oxford: Path, tmp_path: Path) -> None:
    done = command("-m", *tiny(oxford), "train.epochs=1", "train.precision=fp16,fp32", SUBMITIT, cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    named = name(*tiny(oxford), "train.epochs=1", "train.precision=fp16")
    line = "train.precision=fp16: needs CUDA, the device is cpu; use fp32 or auto"
    assert f"\n{named} not made: {line}\n" in done.stdout
    assert done.stdout.count("  finished  ") == 1
    assert not (tmp_path / "runs" / "default" / named / "status.json").exists()
    assert line in (tmp_path / "runs" / "default" / named / "train.log").read_text()


@pytest.mark.slow
def test_a_sweep_of_which_no_job_begins_has_not_started(oxford: Path, tmp_path: Path) -> None:
    # What this machine lacks, the parent does not ask for.
    words = [*without_device(oxford), "train.device=cuda", "train.precision=fp16", "seed=0,1", SUBMITIT]
    done = command("-m", *words, cwd=tmp_path, PYTHONPATH=site(tmp_path / "site", NO_JOB))
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "not made" not in done.stdout
    assert list((tmp_path / "runs" / "default").glob(".jobs-*")) == []


@pytest.mark.slow
def test_a_job_that_dies_is_named_when_the_others_are_done(oxford: Path, tmp_path: Path) -> None:
    program = ONE_JOB.format(first=str(tmp_path / "first"), begun=str(tmp_path / "runs" / "*" / "*" / "status.json"))
    words = [*tiny(oxford), "train.epochs=20", "seed=0,1", SUBMITIT]
    done = command("-m", *words, cwd=tmp_path, PYTHONPATH=site(tmp_path / "site", program))
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout.count("  finished  ") == 1
    assert done.stdout.count(" not made: its process ended unexpectedly") == 1


@pytest.mark.slow
def test_other_tasks_elsewhere_say_what_failed(oxford: Path, tmp_path: Path) -> None:
    assert command(*tiny(oxford), "train.epochs=1", cwd=tmp_path).returncode == 0
    words = ["task=evaluate", f"checkpoint={only_run(tmp_path)}", "split=test,valid", "train.device=cuda", SUBMITIT]
    done = command("-m", *words, cwd=tmp_path)
    assert done.returncode == 1
    assert sum("train.device=cuda: 0 CUDA devices here" in line for line in done.stderr.splitlines()) >= 1
    assert "Traceback" not in done.stderr


def test_the_jobs_of_a_sweep_share_its_folder(oxford: Path, tmp_path: Path, in_process: Callable) -> None:
    code, shown = in_process("-m", *tiny(oxford), "hydra.sweep.dir=runs/${seed}", "seed=0,1")
    assert (code, shown) == (
        2,
        "hydra.sweep.dir=runs/1: must be one folder for all jobs of a sweep; leave out what differs\n",
    )
    assert not (tmp_path / "work" / "runs").exists()
