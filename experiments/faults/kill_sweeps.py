"""Kill workers of sweeps in slots, and the sweeps' own processes, at random moments; compare all runs in the end."""

import argparse
import csv
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from kill import write
from outcome import check_readable, check_same, outcome

RESULTS = Path(__file__).parent / "results" / "kills_sweeps.csv"
SETTINGS = ["data.size=32", "model.width=4", "train.epochs=3", "tracker=none", "train.keep_state=true"]
SWEEP = ["aug=none,strong", "seed=0,1", "train.save_every_steps=5"]
LOCAL = ["hydra/launcher=local", "hydra.launcher.slots=2"]
WORKER, OWN = "a worker", "the process of the sweep"
# In seconds: the longest that a sweep, or the end of a worker that lost it, may take.
LONGEST, LAST = 900.0, 60.0


class Sweep:
    """The sweep in a folder of its own; all share a pixel cache."""

    def __init__(self, work: Path, cache: Path) -> None:
        work.mkdir()
        self.work, self.folder = work, work / "runs" / "default"
        words = [*SETTINGS, *SWEEP, *LOCAL, f"data.cache_dir={cache}"]
        self.command = [sys.executable, "-m", "pets_seg.run", "-m", *words]

    def start(self) -> subprocess.Popen:
        """Start the command, with one thread a slot."""
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        with open(self.work / "shown", "a") as shown:
            return subprocess.Popen(self.command, cwd=self.work, env=environment, stdout=shown, stderr=shown)

    def finish(self, process: subprocess.Popen) -> None:
        """Wait for the end, and start again once; RuntimeError, with all that was printed, if that does not end well.

        A job whose worker was killed twice has failed, until the same command continues it.
        """
        if process.wait(LONGEST) != 0 and self.start().wait(LONGEST) != 0:
            raise RuntimeError(f"{' '.join(self.command)}\n{(self.work / 'shown').read_text()}")

    def workers(self) -> list[int]:
        """Return the processes of the jobs that run."""
        try:
            jobs = json.loads((self.folder / "progress.json").read_text())["jobs"]
        except OSError:
            return []
        return [job["pid"] for job in jobs if job["state"] == "running" and job["began"]]

    def runs(self) -> dict[str, Path]:
        """Return the run folders by name."""
        return {run.name: run for run in self.folder.glob("unet-*")}


def wait(condition: Callable[[], Any], seconds: float) -> Any:
    """Return what the condition gives, as soon as it does; None after so many seconds."""
    last = time.monotonic() + seconds
    while not (found := condition()) and time.monotonic() < last:
        time.sleep(0.05)
    return found


def kill_one(sweep: Sweep, reference: Sweep, seconds: float, chance: random.Random) -> dict[str, Any]:
    """Kill something of the sweep once or twice, let it end, and return what became of it."""
    killed, readable = [], True
    process = sweep.start()
    for _ in range(chance.choice((1, 2))):
        wait(lambda process=process: sweep.workers() or process.poll() is not None, LONGEST)
        moment, what = chance.uniform(0, seconds), chance.choice((WORKER, OWN))
        time.sleep(moment)
        workers = sweep.workers()
        if process.poll() is not None or not workers:
            break
        killed.append(f"{what} ({moment:.2f} s)")
        if what == WORKER:
            with suppress(ProcessLookupError):
                os.kill(chance.choice(workers), signal.SIGKILL)
            continue
        process.kill()
        process.wait()
        # The workers notice it; a new command would wait for the runs that they still hold.
        assert wait(lambda workers=workers: not any(map(is_alive, workers)), LAST), "a worker goes on without its sweep"
        try:
            for run in sweep.runs().values():
                check_readable(run)
        except Exception as error:
            readable = False
            print(f"not readable after {killed}: {error}")
        process = sweep.start()
    sweep.finish(process)
    try:
        assert sweep.runs().keys() == reference.runs().keys()
        for name, run in sweep.runs().items():
            check_same(outcome(reference.runs()[name]), outcome(run), name)
        identical = True
    except AssertionError as difference:
        identical = False
        print(f"differs after {killed}: {difference}")
    return {"killed": "; ".join(killed), "readable": readable, "identical": identical}


def is_alive(pid: int) -> bool:
    """Return whether there is a process of this number that has not ended."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def read() -> list[dict[str, Any]]:
    """Return the rows of earlier commands."""
    if not RESULTS.exists():
        return []
    with open(RESULTS, encoding="utf-8", newline="") as file:
        rows = [*csv.DictReader(file)]
    return [{"killed": row["killed"], **{key: row[key] == "True" for key in ("readable", "identical")}} for row in rows]


def main() -> None:
    """Go on with results/kills_sweeps.csv, a row as soon as its sweep has ended; print the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sweeps", type=int, default=100, help="that are killed, with those of earlier commands")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    arguments = parser.parse_args()
    rows = read()
    with tempfile.TemporaryDirectory() as scratch:
        cache = Path(scratch) / "cache"
        # The images are decoded by the first one.
        for name in ("first", "whole"):
            reference = Sweep(Path(scratch) / name, cache)
            process = reference.start()
            wait(reference.workers, LONGEST)
            started = time.perf_counter()
            reference.finish(process)
            seconds = time.perf_counter() - started
        print(f"{len(reference.runs())} runs, {seconds:.1f} s of work", flush=True)
        tried = 0
        while len(rows) < arguments.sweeps:
            tried += 1
            sweep = Sweep(Path(scratch) / f"sweep{tried}", cache)
            # Those of a command that was cut are not drawn again.
            chance = random.Random(f"{arguments.seed} {len(rows)} {tried}")
            found = kill_one(sweep, reference, 0.8 * seconds, chance)
            shutil.rmtree(sweep.work)
            # A moment after its end was drawn: another sweep takes its place.
            if found["killed"]:
                rows.append(found)
                print(f"{len(rows)}: {found}", flush=True)
                write(RESULTS, rows)
    kills = Counter(kill.partition(" (")[0] for row in rows for kill in row["killed"].split("; "))
    print(f"\n{len(rows)} sweeps, {kills.total()} kills: {', '.join(f'{kills[name]} of {name}' for name in kills)}")
    print(f"readable at every kill: {sum(row['readable'] for row in rows)} of {len(rows)}")
    print(f"identical in the end: {sum(row['identical'] for row in rows)} of {len(rows)}")


if __name__ == "__main__":
    main()
