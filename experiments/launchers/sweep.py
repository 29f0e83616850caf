"""A small sweep by a launcher, in a folder of its own, and whether it gave what another gave."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

sys.path.insert(0, str(Path(__file__).parents[1] / "faults"))
from outcome import check_same, epoch_rows, outcome

# About a minute a run on one core of the machine of results/.
COMMON = ["data.size=32", "model.width=8", "train.epochs=6", "aug=none", "train.device=cpu", "tracker=none"]
COMMON += ["train.keep_state=true"]


class Sweep:
    """The sweep `-m seed=...` of some settings in the folder `work`; `start` begins it, `end` waits for it."""

    processes: ClassVar[list[subprocess.Popen]] = []

    def __init__(self, work: Path, seeds: str, *settings: str, environment: Mapping[str, str] | None = None) -> None:
        work.mkdir(exist_ok=True)
        self.work = work
        self.command = [sys.executable, "-m", "pets_seg.run", "-m", *COMMON, f"seed={seeds}", *settings]
        self.environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1", **(environment or {})}

    def start(self) -> "Sweep":
        """Start the command; what it prints goes into the file `shown`."""
        self.began = time.time()
        with open(self.work / "shown", "w") as shown:
            self.process = subprocess.Popen(
                self.command, cwd=self.work, stdout=shown, stderr=subprocess.STDOUT, env=self.environment
            )
        self.processes.append(self.process)
        return self

    def end(self, expected: int = 0) -> None:
        """Wait for the command and say what it printed of its jobs; RuntimeError if its exit code is another one."""
        code = self.process.wait(900)
        words = " ".join(word for word in self.command[3:] if word not in COMMON)
        tell(f"{words}: exit code {code} after {time.time() - self.began:.0f} s")
        for line in (self.work / "shown").read_text().splitlines():
            if line.startswith(("[", "unet-", "waiting")) or "its output is in" in line:
                print(f"    {line.replace(f'{self.work.resolve()}/', '')}")
        if code != expected:
            raise RuntimeError((self.work / "shown").read_text())

    @classmethod
    def end_all(cls) -> None:
        """Kill the commands that are still at work."""
        for process in cls.processes:
            process.kill()

    def run(self, seed: int) -> Path | None:
        """Return the run folder of a seed, once it is there."""
        return next(iter((self.work / "runs" / "default").glob(f"unet-*-s{seed}-*")), None)

    def epochs(self, seed: int) -> int:
        """Return how many epochs of a run metrics.csv has."""
        run = self.run(seed)
        return len(epoch_rows(run)) if run and (run / "metrics.csv").exists() else 0

    def has_state(self, seed: int) -> bool:
        """Return whether a run has written its state."""
        run = self.run(seed)
        return bool(run and (run / "checkpoints" / "last.pt").exists())

    def status(self, seed: int) -> dict[str, Any]:
        """Return what status.json says of a run."""
        return json.loads((self.run(seed) / "status.json").read_text())

    def wait_for(self, what: str, condition: Callable[[], Any], seconds: float = 400) -> None:
        """Wait until a condition holds, and say that it does."""
        last = time.monotonic() + seconds
        while not condition():
            if self.process.poll() is not None or time.monotonic() > last:
                raise RuntimeError(f"{what}: did not come\n{(self.work / 'shown').read_text()}")
            time.sleep(0.1)
        tell(what)

    def compare(self, reference: "Sweep", seeds: str) -> None:
        """Say how each run ended, how often it was begun, and that it is the run of the reference, bit for bit."""
        for seed in map(int, seeds.split(",")):
            mine, theirs = self.run(seed), reference.run(seed)
            log = (mine / "train.log").read_text()
            check_same(outcome(theirs), outcome(mine))
            goes_on = [line.partition("INFO ")[2] for line in log.splitlines() if "continuing after" in line]
            begun = log.count(" on cpu, fp32")
            how = f"{self.status(seed)['state']}, begun {begun} times {goes_on or ''}"
            print(f"    seed {seed}: {how}, identical to that of Hydra's own launcher")


def tell(line: str) -> None:
    """Print a line with the time."""
    print(f"{time.strftime('%H:%M:%S')}  {line}", flush=True)
