"""What a sweep costs beside its jobs: jobs that take no time, or wait, one after the other or side by side in slots.

    python experiments/scale/jobs.py runs/pattern/unet-... --work FOLDER --jobs 1000
    python experiments/scale/jobs.py runs/pattern/unet-... --work FOLDER --jobs 100 --seconds 20 --slots 2

Instead of training, a job waits and puts the files of a finished run into its folder. Printed are seconds: until the
first job starts (all are composed and checked), of a slot between two jobs, and after the last one (the report).
Also printed is which part of the time of the slots, from the first job to the last one, was spent outside jobs.
"""

import argparse
import json
import os
import shutil
import sys
import time
from contextlib import redirect_stdout, suppress
from pathlib import Path
from typing import Any

import yaml

from pets_seg.command import main as command
from pets_seg.command.tasks import train
from pets_seg.config.plain import plain
from pets_seg.run_folder.paths import recorded

SETTINGS = ("model.width=4", "data.size=32", "train.epochs=10", "aug=none", "train.device=cpu", "tracker=none")
TABLES = ("summary.json", "status.json", "metrics.csv", "per_image.csv", "calibration.csv", "data.csv")
# By these a process of a slot, which imports this file too, knows what its jobs do.
PATTERN, SECONDS, TIMES = "SCALE_PATTERN", "SCALE_SECONDS", "SCALE_TIMES"


def finish(cfg: Any) -> float:
    """Take the place of a training."""
    from hydra.core.hydra_config import HydraConfig

    began = time.time()
    time.sleep(float(os.environ[SECONDS]))
    folder, pattern = Path(HydraConfig.get().runtime.output_dir), Path(os.environ[PATTERN])
    for name in TABLES:
        shutil.copy(pattern / name, folder / name)
    (folder / "config.yaml").write_text(yaml.dump(recorded(plain(cfg)), Dumper=yaml.CSafeDumper))
    with open(os.environ[TIMES], "a") as file:
        file.write(f"{began} {time.time()}\n")
    return 0.5


train.run = finish


def main() -> None:
    """Run the sweep and print its times."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pattern", type=Path, help="a finished run")
    parser.add_argument("--work", type=Path, required=True, help="the folder in which runs/ is made")
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=0.0, help="how long a job waits")
    parser.add_argument("--slots", type=int, help="of hydra/launcher=local; without it, one job after the other")
    given = parser.parse_args()
    given.work.mkdir(parents=True)
    times = given.work.absolute() / "times"
    os.environ |= {PATTERN: str(given.pattern.absolute()), SECONDS: str(given.seconds), TIMES: str(times)}
    os.chdir(given.work)
    slots = ["hydra/launcher=local", f"hydra.launcher.slots={given.slots}"] if given.slots else []
    sys.argv = ["run.py", "-m", f"seed=range({given.jobs})", "name=nothing", *SETTINGS, *slots]
    started, used = time.time(), time.process_time()
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), suppress(SystemExit):
        command.main()
    ended, used = time.time(), time.process_time() - used
    rows = [[*map(float, line.split())] for line in times.read_text().splitlines()]
    assert len(rows) == given.jobs, f"{len(rows)} jobs ran"
    first, last = min(row[0] for row in rows), max(row[1] for row in rows)
    all_time = (given.slots or 1) * (last - first)
    outside = all_time - sum(end - began for began, end in rows)
    found = {
        "jobs": given.jobs,
        "seconds": given.seconds,
        "slots": given.slots,
        "before the first": first - started,
        "between two": outside / given.jobs,
        "outside jobs": outside / all_time,
        "after the last": ended - last,
        "of the processor in the sweep's process": used,
    }
    print(json.dumps({name: round(value, 4) if isinstance(value, float) else value for name, value in found.items()}))


if __name__ == "__main__":
    main()
