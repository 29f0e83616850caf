"""A sweep whose jobs run elsewhere: figures of jobs here, names of those that fail, and no look at devices."""

import os
import subprocess
import sys
from collections.abc import Callable
from itertools import takewhile
from pathlib import Path

import pytest
from conftest import SAVED, command, only_run, tiny
from device_sweeps import name, site, without_device
from outcome import check_same, outcome
from processes import pause, start, wait_for

SUBMITIT = "hydra/launcher=submitit_local"
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
