"""A Hydra application that knows nothing of this project but the launcher, and what its sweeps leave."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

# What `x` makes of a job: a number gives a figure, a word a fault.
APP = '''
import ctypes, os, signal, sys, time
from fractions import Fraction
from pathlib import Path

import hydra
from omegaconf import DictConfig

from pets_seg import launch
from pets_seg.launch import Application

# A worker that starts slowly.
if __name__ != "__main__":
    time.sleep(float(os.environ.get("SLOW_START", 0)))
OWN = {own}
# Hydra 1.4 warns of it.
BEHAVIOUR = {"version_base": None} if hydra.__version__.startswith("1.3.") else {}
WORDS = {"slow": 60.0, "slower": 60.0}


class Odd(Exception):
    def __init__(self, first, second):
        super().__init__(first)


def prepare(config, jobs):
    print("prepared", len(jobs), os.getpid(), flush=True)
    return [float(word.partition("=")[2]) if (word := job[0])[2:].isdigit() else None for job in jobs]


def ended(end):
    print("told", end.number, end.state, end.again, flush=True)
    return ["+more=1"] if end.again else []


def stops(config):
    return f"jobs of y={config.y} stop soon"


launch.register(Application(prepare=prepare, ended=ended, stops=stops) if OWN else None)


def once(name):
    """Whether this is the first job of that name."""
    try:
        Path(name).touch(exist_ok=False)
        return True
    except FileExistsError:
        return False


@hydra.main(config_path=".", config_name="config", **BEHAVIOUR)
def app(cfg: DictConfig):
    with open("began", "a") as file:
        print(cfg.x, os.getpid(), os.environ.get("CUDA_VISIBLE_DEVICES"), os.environ.get("OMP_NUM_THREADS"),
              cfg.get("more"), file=file)
    print("printed by", cfg.x, flush=True)
    launch.report(x=str(cfg.x), done=0.5)
    if cfg.x == "killed" or (cfg.x == "killed_once" and once("killed")):
        print("about to die", flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    if cfg.x == "forks":
        if (child := os.fork()) == 0:
            time.sleep(600)
        with open("forked", "a") as file:
            print(child, file=file)
        os.kill(os.getpid(), signal.SIGKILL)
    if cfg.x == "figures":
        launch.report(loss=float("nan"), rate=Fraction(1, 4), done=1)
    if cfg.x == "no_figure":
        launch.report(loss=[1])
    if cfg.x == "too_far":
        launch.report(done=1.5)
    if cfg.x == "crash":
        ctypes.string_at(0)
    if cfg.x == "exit":
        sys.exit(3)
    if cfg.x == "odd":
        raise Odd("odd one", 2)
    if str(cfg.x).startswith("bad"):
        raise ValueError("bad value")
    if cfg.x == "unpicklable":
        return lambda: 0
    time.sleep(WORDS.get(cfg.x, cfg.seconds))
    return cfg.x


if __name__ == "__main__":
    app()
'''
CONFIG = "x: 1\ny: 0\nseconds: 0\nhydra:\n  sweep:\n    dir: out\n    subdir: ${hydra.job.num}\n"
LOCAL = "hydra/launcher=local"


def write(folder: Path, own: bool = False) -> Path:
    """Write the application into a folder; with its `own` functions, it is told of its jobs."""
    folder.mkdir(exist_ok=True)
    (folder / "app.py").write_text(APP.replace("{own}", str(own)))
    (folder / "config.yaml").write_text(CONFIG)
    return folder


def begin(folder: Path, *words: str, launcher: str = LOCAL, **environment: str) -> subprocess.Popen[str]:
    """Start a sweep of the application; both streams are one."""
    command = [sys.executable, "app.py", "-m", *([launcher] if launcher else []), *words]
    own = {"PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "", **environment}
    streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(command, cwd=folder, env={**os.environ, **own}, **streams)


def sweep(folder: Path, *words: str, **more: str) -> tuple[int, str]:
    """Run a sweep of the application; return its exit code and what it printed."""
    process = begin(folder, *words, **more)
    shown, _ = process.communicate(timeout=200)
    return process.returncode, shown


def began(folder: Path) -> list[list[str]]:
    """Return what each job wrote when it began: x, process id, GPU, threads, and a word that was added."""
    return [line.split() for line in (folder / "began").read_text().splitlines()]


def progress(folder: Path) -> dict[str, Any]:
    """Return what progress.json says."""
    return json.loads((folder / "out" / "progress.json").read_text())


def states(folder: Path) -> dict[str, str]:
    """Return the states of the jobs by their words, from progress.json."""
    return {" ".join(job["overrides"]): job["state"] for job in progress(folder)["jobs"]}
