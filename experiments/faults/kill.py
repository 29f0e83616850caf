"""Kill runs with SIGKILL at random moments, start them again, and compare them with runs that were never killed."""

import argparse
import csv
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from outcome import check_readable, check_same, outcome

HERE = Path(__file__).parent
COMMON = ["data.size=32", "model.width=8", "train.epochs=3", "tracker=none", "train.keep_state=true"]
SETTINGS = {
    "defaults (hflip, adamw, onecycle)": [],
    "strong, muon, moving average": ["aug=strong", "optimizer=muon", "train.ema=0.9", "train.save_every_steps=7"],
    "elastic, sgd, cosine, saved every step": [
        *("aug=elastic", "optimizer=sgd", "scheduler=cosine", "train.save_every_steps=1"),
    ],
    "crop beside originals, in two parts, Dice": [
        *("aug=crop", "aug.keep_original=true", "train.accumulate=2", "loss=ce_dice", "train.save_every_steps=10"),
    ],
}
# Short moments that a random one would seldom hit: half of the kills wait for the next of one of these.
AIMS = ("building the pixel cache", "validating", "testing", "writing last.pt", "writing best.safetensors")
AIMS += ("writing metrics.csv", "writing per_image.csv", "writing summary.json", "writing status.json")


class Run:
    """The run of some settings in a folder of its own, with a pixel cache of its own."""

    def __init__(self, work: Path, settings: list[str], interval: float) -> None:
        work.mkdir()
        self.work = work
        self.phase = work / "phase"
        overrides = [*COMMON, f"data.cache_dir={work / 'cache'}", *settings]
        self.command = [sys.executable, str(HERE / "watched.py"), str(self.phase), str(interval), *overrides]

    @property
    def folder(self) -> Path:
        """The run folder."""
        [folder] = (self.work / "runs" / "default").iterdir()
        return folder

    def start(self) -> subprocess.Popen:
        """Start the command and return once it works; the seconds that imports take are not worth a kill."""
        self.phase.unlink(missing_ok=True)
        with open(self.work / "shown", "a") as shown:
            process = subprocess.Popen(self.command, cwd=self.work, stdout=shown, stderr=shown)
        while process.poll() is None and not (self.phase.exists() and self.phase.read_text().strip()):
            time.sleep(0.001)
        return process

    def finish(self) -> float:
        """Run to the end and return the seconds of work."""
        process = self.start()
        started = time.perf_counter()
        if process.wait() != 0:
            raise RuntimeError(f"{' '.join(self.command)}\n{(self.work / 'shown').read_text()}")
        return time.perf_counter() - started

    def kill(self, seconds: float, aim: str) -> str | None:
        """Kill the run after so many seconds of work, or the next time after them that it does `aim`.

        Return what it was doing, or None if it had ended before.
        """
        process = self.start()
        time.sleep(seconds)
        while process.poll() is None and not self.phase.read_text().startswith(aim):
            time.sleep(0.0002)
        process.send_signal(signal.SIGKILL)
        if process.wait() != -signal.SIGKILL:
            return None
        return self.phase.read_text().strip()


def kill_one(run: Run, reference: Run, seconds: float, chance: random.Random) -> dict[str, Any]:
    """Kill a run once or twice at random moments, start it again, and return what became of it."""
    doing, readable, left = [], True, seconds
    for _ in range(chance.choice((1, 2))):
        aim = chance.choice(AIMS) if chance.random() < 0.5 else ""
        moment = chance.uniform(0, 0.9 * left) if "build" not in aim else 0.0
        if phase := run.kill(moment, aim):
            doing.append(f"{phase} ({moment:.2f} s)")
            left = max(0.5, left - moment)
            try:
                check_readable(run.work / "runs")
            except Exception as error:
                readable = False
                print(f"not readable after {doing}: {error}")
    run.finish()
    try:
        check_same(outcome(reference.folder), outcome(run.folder))
        identical = True
    except AssertionError as difference:
        identical = False
        print(f"differs after {doing}: {difference}")
    return {"killed while": "; ".join(doing), "readable": readable, "identical": identical}


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write the runs so far, so that a study that is cut off keeps them."""
    path.parent.mkdir(exist_ok=True)
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def main() -> None:
    """Write results/kills_30s.csv, named by the interval, a row as soon as its run has ended; print the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=50, help="that are killed, in turn with each of the settings")
    parser.add_argument("--interval", type=float, default=30, help="in seconds after which last.pt is written")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as scratch:
        references = {}
        for index, (name, settings) in enumerate(SETTINGS.items()):
            reference = Run(Path(scratch) / f"whole{index}", settings, arguments.interval)
            references[name] = (reference, reference.finish())
            print(f"{name}: {references[name][1]:.1f} s of work", flush=True)
        while len(rows) < arguments.runs:
            name = list(SETTINGS)[len(rows) % len(SETTINGS)]
            run = Run(Path(scratch) / f"run{len(rows)}", SETTINGS[name], arguments.interval)
            found = kill_one(run, *references[name], chance)
            shutil.rmtree(run.work)
            # A moment after its end was drawn: another run takes its place.
            if found["killed while"]:
                rows.append({"settings": name, **found})
                print(f"{len(rows)}: {rows[-1]}", flush=True)
                write(HERE / "results" / f"kills_{arguments.interval:g}s.csv", rows)
    kills = [kill.partition(" (")[0] for row in rows for kill in row["killed while"].split("; ")]
    print(f"\n{len(rows)} runs, {len(kills)} kills\n\n| killed while | times |\n|---|---|")
    for phase, count in Counter(kills).most_common():
        print(f"| {phase} | {count} |")
    print(f"\nreadable at every kill: {sum(row['readable'] for row in rows)} of {len(rows)}")
    print(f"identical in the end: {sum(row['identical'] for row in rows)} of {len(rows)}")


if __name__ == "__main__":
    main()
