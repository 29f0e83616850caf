"""Sweeps on a Slurm of one node, whose jobs are pre-empted, queued again, cut short and cancelled. Needs root."""

import argparse
import csv
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sweep import Sweep, tell

# A job that is queued again begins when its credential has expired, 120 s by default.
CONFIGURATION = """
ClusterName=one
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket,cred_expire=5
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
JobRequeue=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SlurmctldPort=16817
SlurmdPort=16818
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=8000
PartitionName=low Nodes=ALL Default=YES MaxTime=INFINITE PriorityTier=1 GraceTime=60
PartitionName=high Nodes=ALL MaxTime=INFINITE PriorityTier=10 PreemptMode=OFF
"""
JOB = ["hydra/launcher=slurm", "hydra.launcher.gpus_per_node=null", "hydra.launcher.mem_gb=2"]
JOB += ["hydra.launcher.cpus_per_task=1"]


@contextmanager
def node(folder: Path) -> Iterator[None]:
    """Run munged, slurmctld and slurmd as long as the block lasts."""
    munge = folder / "munge"
    munge.mkdir(mode=0o755)
    (munge / "key").write_bytes(os.urandom(64))
    (munge / "key").chmod(0o400)
    for path in (munge, munge / "key"):
        shutil.chown(path, "munge", "munge")
    (folder / "state").mkdir()
    (folder / "spool").mkdir()
    file = folder / "slurm.conf"
    file.write_text(CONFIGURATION.format(host=socket.gethostname().partition(".")[0], folder=folder))
    os.environ["SLURM_CONF"] = str(file)
    places = [f"--{name}={munge / name}" for name in ("socket", "pid-file", "log-file", "seed-file")]
    ask("runuser", "-u", "munge", "--", "munged", f"--key-file={munge / 'key'}", *places)
    try:
        ask("slurmctld")
        ask("slurmd")
        while "idle" not in ask("sinfo", "--noheader"):
            time.sleep(0.5)
        yield
    finally:
        Sweep.end_all()
        ask("scancel", "--user=root")
        while ask("squeue", "--noheader"):
            time.sleep(0.5)
        for name in ("slurmd.pid", "slurmctld.pid", "munge/pid-file"):
            if (folder / name).exists():
                os.kill(int((folder / name).read_text()), signal.SIGTERM)
        time.sleep(3)


def ask(*words: str) -> str:
    """Return what a command prints."""
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def job_of(sweep: Sweep, seed: int) -> str:
    """Return the name of a seed's job, which Hydra's record of the run has."""
    lines = (sweep.run(seed) / ".hydra" / "hydra.yaml").read_text().splitlines()
    return next(line.split()[-1].strip("'") for line in lines if line.startswith("    id: "))


def preempted(folder: Path, reference: Sweep) -> None:
    """Let a job of a higher partition take the node, and an administrator queue a job again."""
    tell("1. Jobs that give way to another, and one that is queued again by hand")
    sweep = Sweep(folder / "preempted", "0,1", *JOB).start()
    sweep.wait_for("both jobs are at work", lambda: sweep.epochs(0) and sweep.epochs(1))
    other = ask("sbatch", "--parsable", "--partition=high", "--cpus-per-task=2", "--output=/dev/null", "--wrap=sleep 5")
    tell("a job of another partition asks for the whole node")
    sweep.wait_for(
        "both runs are interrupted", lambda: {sweep.status(0)["state"], sweep.status(1)["state"]} == {"interrupted"}
    )
    done, begun = (sweep.epochs(0), sweep.epochs(1)), time.time()
    sweep.wait_for(
        "both jobs are at work again", lambda: {sweep.status(0)["state"], sweep.status(1)["state"]} == {"running"}
    )
    over = ask("scontrol", "show", "job", other.strip())
    print(f"    after {time.time() - begun:.0f} s; the other job is {over.partition('JobState=')[2].split()[0]}")
    sweep.wait_for("seed 1 has trained another epoch", lambda: sweep.epochs(1) > done[1])
    ask("scontrol", "requeue", job_of(sweep, 1))
    tell("scontrol requeue of the job of seed 1")
    sweep.end()
    sweep.compare(reference, "0,1")


def too_long(folder: Path, reference: Sweep) -> None:
    """Give a job less time than its run needs, which is a longer one than in the other trials."""
    tell("2. A job that may take two minutes at once, and needs more")
    # On any machine it takes about three minutes.
    pace = [float(row["seconds"]) for row in csv.DictReader((reference.run(0) / "metrics.csv").open())]
    epochs = f"train.epochs={round(180 * len(pace) / sum(pace))}"
    longer = Sweep(folder / "long", "0", epochs).start()
    longer.end()
    limits = ("hydra.launcher.timeout_min=2", "hydra.launcher.signal_delay_s=20", epochs)
    sweep = Sweep(folder / "too_long", "0", *JOB, *limits).start()
    sweep.end()
    sweep.compare(longer, "0")


def cancelled(folder: Path, reference: Sweep) -> None:
    """Cancel a job, kill the process of another, and give the command again."""
    tell("3. A job that is cancelled, and one whose process is killed")
    sweep = Sweep(folder / "cancelled", "0,1", *JOB).start()
    sweep.wait_for("both jobs are at work", lambda: sweep.epochs(0) and sweep.epochs(1))
    ask("scancel", job_of(sweep, 0))
    os.kill(sweep.status(1)["pid"], signal.SIGKILL)
    tell("scancel of the job of seed 0, SIGKILL to the process of seed 1")
    sweep.end(1)
    tell("the same command again")
    sweep.start().end()
    sweep.compare(reference, "0,1")


def main() -> None:
    """Run the three trials."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        with node(folder):
            tell(f"{ask('slurmctld', '-V').strip()}, one node, two CPUs, no accounting")
            reference = Sweep(folder / "basic", "0,1").start()
            reference.end()
            for trial in (preempted, too_long, cancelled):
                trial(folder, reference)


if __name__ == "__main__":
    main()
