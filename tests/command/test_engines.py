"""Sweeps whose jobs a cluster runs: what is missing here is told, and Slurm and Ray give the figures of jobs here."""

import importlib
import inspect
import json
import os
import re
import sys
import tomllib
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
from conftest import SAVED, command, only_run, tiny
from hydra import compose, initialize_config_module
from hydra.core.plugins import Plugins
from outcome import check_same, outcome
from processes import forked

from pets_seg.command.engines import check_launcher

# A module of this name is not there, as where it is not installed.
WITHOUT = "import sys\nsys.modules[{!r}] = None\n"
# A process that trains seed 1 dies when it has written its state, if no other did before.
KILLED_ONCE = """
import glob, json, os, signal, threading, time
def watch():
    while not os.path.exists({work!r} + "/killed"):
        for state in glob.glob({work!r} + "/runs/*/*-s1-*/checkpoints/last.pt"):
            with open(os.path.dirname(os.path.dirname(state)) + "/status.json") as file:
                mine = json.load(file)["pid"] == os.getpid()
            if mine:
                open({work!r} + "/killed", "w").close()
                os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.01)
threading.Thread(target=watch, daemon=True).start()
"""
ON_CPU = "hydra.launcher.ray.remote.num_gpus=0"


@pytest.fixture
def without(tmp_path: Path) -> Callable[[str], str]:
    """Return the value of PYTHONPATH with which a module cannot be imported."""

    def make(name: str) -> str:
        site = tmp_path / "site"
        site.mkdir()
        (site / "sitecustomize.py").write_text(WITHOUT.format(name))
        return str(site)

    return make


@pytest.mark.parametrize(("launcher", "package"), [("slurm", "submitit"), ("ray", "ray")])
def test_an_extra_that_is_not_installed_is_named(
    launcher: str, package: str, without: Callable[[str], str], tmp_path: Path
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    done = command("-m", f"hydra/launcher={launcher}", "seed=0,1", cwd=work, PYTHONPATH=without(package))
    line = f"hydra/launcher={launcher}: needs {package}, which is not installed: pip install 'pets_seg[{launcher}]'\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", line)
    assert not any(work.iterdir())
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert any(wanted.startswith(package) for wanted in project["optional-dependencies"][launcher])


def test_a_machine_without_slurm_is_told(tmp_path: Path) -> None:
    done = command("-m", "hydra/launcher=slurm", "seed=0,1", cwd=tmp_path, PATH=str(tmp_path))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "hydra/launcher=slurm: sbatch and squeue and srun cannot be found; start the sweep on a machine that hands "
        "jobs to Slurm, or leave hydra/launcher out\n"
    )
    assert not any(tmp_path.iterdir())


def test_a_launcher_of_a_plugin_that_is_not_installed_is_named(in_process: Callable[..., tuple[int, str]]) -> None:
    target = "hydra.launcher._target_=hydra_plugins.gone.Launcher"
    assert in_process("-m", target, "seed=0,1") == (2, "hydra/launcher=basic: gone.Launcher is not installed\n")


@pytest.mark.parametrize("launcher", ["slurm", "ray"])
def test_every_setting_of_an_option_is_one_of_its_launcher(launcher: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip({"slurm": "submitit"}.get(launcher, launcher), reason=f"the extra {launcher} is not installed")
    # Slurm's own programs need not be here.
    monkeypatch.setattr("shutil.which", lambda program: program)
    with initialize_config_module("pets_seg.conf", version_base="1.3"):
        config = compose("config", overrides=[f"hydra/launcher={launcher}"], return_hydra_config=True)
        check_launcher(config.hydra)
        made = Plugins.instance()._instantiate(config.hydra.launcher)
    if launcher == "slurm":
        slurm = importlib.import_module("submitit.slurm.slurm")
        known = slurm.SlurmExecutor._equivalence_dict().keys() | slurm._get_default_parameters()
        assert made.settings.keys() <= known
    else:
        ray = importlib.import_module("ray")
        assert made.init.keys() <= inspect.signature(ray.init).parameters.keys()
        # It refuses what it does not know.
        ray.remote(**made.options)


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Pretend that Slurm is there; return the folder of its jobs."""
    pytest.importorskip("submitit", reason="the extra slurm is not installed")
    programs, jobs = tmp_path / "programs", tmp_path / "jobs"
    programs.mkdir()
    jobs.mkdir()
    text = f"#!{sys.executable}\n{Path(__file__).with_name('pretend_slurm.py').read_text()}"
    for name in ("sbatch", "squeue", "srun", "scontrol", "pretend_slurm.py"):
        (programs / name).write_text(text.replace("__file__", repr(str(programs / "pretend_slurm.py"))))
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("PRETENDED_SLURM", str(jobs))
    return jobs


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_slurms_jobs_are_queued_again_or_named_and_give_the_figures_of_jobs_here(
    jobs: Path, oxford: Path, tmp_path: Path
) -> None:
    here, work = tmp_path / "here", tmp_path / "work"
    words = [*tiny(oxford), *SAVED, "train.epochs=4"]
    assert forked(*words, "seed=0", cwd=here).returncode == 0
    words += ["-m", "seed=0,1", "hydra/launcher=slurm", "hydra.launcher.mem_gb=3"]
    done = forked(*words, cwd=work)
    assert (done.returncode, done.stderr) == (2, "sbatch: Invalid generic resource (gres) specification\n")
    done = command(*words, "hydra.launcher.gpus_per_node=null", cwd=work, timeout=600)
    assert done.returncode == 1
    assert done.stderr.startswith("job 1_1: ended without a result (FAILED); its output is in ")
    assert [done.stdout.count(word) for word in ("  finished  ", " not made: its process ended")] == [1, 1], done.stdout
    [run] = (work / "runs" / "default").glob("unet-*")
    check_same(outcome(only_run(here)), outcome(run))
    assert "continuing after" in (run / "train.log").read_text()
    script = (jobs / "script").read_text()
    for flag in ("time=240", "mem=3GB", "cpus-per-task=2", "signal=TERM@120", "requeue"):
        assert f"#SBATCH --{flag}\n" in script
    assert re.search("^srun .* --cpus-per-task=2 ", script, re.M)


@pytest.mark.slow
# Ray takes its time to start.
@pytest.mark.timeout(1500)
@pytest.mark.skipif(not find_spec("ray"), reason="the extra ray is not installed")
@pytest.mark.parametrize("retries", [1, 0])
def test_rays_jobs_are_started_again_or_named_and_give_the_figures_of_jobs_here(
    retries: int, oxford: Path, tmp_path: Path
) -> None:
    here, work, site = tmp_path / "here", tmp_path / "work", tmp_path / "site"
    for folder in (here, work, site):
        folder.mkdir()
    (site / "sitecustomize.py").write_text(KILLED_ONCE.format(work=str(work)))
    words = ["-m", *tiny(oxford), *SAVED, "train.epochs=30", "seed=0,1"]
    assert forked(*words, cwd=here).returncode == 0
    words += ["hydra/launcher=ray", "hydra.launcher.ray.init.address=local", "+hydra.launcher.ray.init.num_cpus=2"]
    ray = {"PYTHONPATH": str(site), "RAY_AUTH_MODE": "disabled", "RAY_ADDRESS": ""}
    if retries:
        done = command(*words, cwd=work, timeout=300, **ray)
        assert done.returncode == 2
        assert done.stderr.startswith("hydra.launcher.ray.remote.num_gpus=1: no node has so many GPUs (at most 0 now)")
    words += [ON_CPU, f"hydra.launcher.ray.remote.max_retries={retries}"]
    done = command(*words, cwd=work, timeout=600, **ray)
    first, second = (next((work / "runs" / "default").glob(f"*-s{seed}-*")) for seed in range(2))
    check_same(outcome(here / "runs" / "default" / first.name), outcome(first))
    assert (work / "killed").exists()
    assert (second / "train.log").read_text().count("continuing after") == retries
    if retries:
        assert done.returncode == 0, done.stderr
        check_same(outcome(here / "runs" / "default" / second.name), outcome(second))
    else:
        assert done.returncode == 1
        assert "] job 1: died (" in done.stdout
        assert json.loads((second / "status.json").read_text())["state"] == "running"
