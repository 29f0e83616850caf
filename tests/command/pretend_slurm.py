"""Slurm as far as a sweep asks it: sbatch, srun, squeue and scontrol, by the name under which this file is called.

The folder $PRETENDED_SLURM holds the state of each job of the one array. Like the node of experiments/launchers it has
no GPU. The first job's time is up as soon as it trains, and it gets SIGTERM; the second is killed when it begins.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

JOBS = Path(os.environ["PRETENDED_SLURM"])


def sbatch(file: str) -> int:
    """Start the jobs of an array."""
    text = Path(file).read_text()
    if "--gpus-per-node" in text:
        print("sbatch: error: Invalid generic resource (gres) specification", file=sys.stderr)
        return 1
    script = JOBS / "script"
    script.write_text(text)
    for index in range(int(re.search(r"--array=0-(\d+)", text)[1]) + 1):
        (JOBS / f"1_{index}").write_text("PENDING")
        named = {"SLURM_JOB_ID": str(index + 1), "SLURM_ARRAY_JOB_ID": "1", "SLURM_ARRAY_TASK_ID": str(index)}
        # sbatch's caller waits until nobody has its output any more.
        subprocess.Popen(
            [sys.executable, __file__, str(script)],
            env={**os.environ, **named},
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    print("Submitted batch job 1")
    return 0


def slurmd(script: str) -> int:
    """Run a job, and run it again if it was queued again meanwhile."""
    state = JOBS / f"1_{os.environ['SLURM_ARRAY_TASK_ID']}"
    while state.read_text() == "PENDING":
        state.write_text("RUNNING")
        code = subprocess.call(["bash", script])
        if state.read_text() == "RUNNING":
            state.write_text("FAILED" if code else "COMPLETED")
    return 0


def squeue(which: str, *others: str) -> int:
    """Print the states of all jobs, or of one."""
    for file in JOBS.glob(which.partition("=")[2] or "1_*"):
        print(file.name, file.read_text())
    return 0


def scontrol(action: str, name: str) -> int:
    """Queue a job again."""
    assert action == "requeue"
    (JOBS / name).write_text("PENDING")
    (JOBS / f"again_{name}").touch()
    return 0


def srun(*words: str) -> int:
    """Run the step of a job, its output and errors in their files, and send the signals that it gets."""
    index = os.environ["SLURM_ARRAY_TASK_ID"]
    places = [word.replace("%A_%a", f"1_{index}").replace("%t", "0") for word in words]
    out, err = (places[places.index(option) + 1] for option in ("--output", "--error"))
    # The command makes it when sbatch has answered. Slurm is slower.
    while not Path(out).parent.is_dir():
        time.sleep(0.01)
    with open(out, "a") as output, open(err, "a") as errors:
        step = subprocess.Popen(words[words.index(sys.executable) :], stdout=output, stderr=errors)
    while index == "0" and not (JOBS / "again_1_0").exists() and step.poll() is None:
        if any(json.loads(file.read_text())["pid"] == step.pid for file in Path("runs").glob("*/*/status.json")):
            step.send_signal(signal.SIGTERM)
            break
        time.sleep(0.01)
    if index == "1":
        step.kill()
    return step.wait()


if __name__ == "__main__":
    called = Path(sys.argv[0]).name
    sys.exit({"pretend_slurm.py": slurmd}.get(called, globals().get(called))(*sys.argv[1:]))
