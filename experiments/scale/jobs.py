"""What a sweep costs beside its jobs: jobs that take no time, one after the other in one process.

    python experiments/scale/jobs.py runs/pattern/unet-... --jobs 1000 --work FOLDER

Instead of training, a job puts the files of a finished run into its folder. Printed are seconds, of the clock and of
the processor: until the first job starts (all are composed and checked), between jobs, and after the last (the report).
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

SETTINGS = ("model.width=4", "data.size=32", "train.epochs=10", "aug=none", "train.device=cpu", "tracker.mode=disabled")
TABLES = ("summary.json", "status.json", "metrics.csv", "per_image.csv", "calibration.csv", "data.csv")


def now() -> tuple[float, float]:
    """Return the seconds of the clock and of the processor."""
    return time.perf_counter(), time.process_time()


def main() -> None:
    """Run the sweep and print its times."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pattern", type=Path, help="a finished run")
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--work", type=Path, required=True, help="the folder in which runs/ is made")
    given = parser.parse_args()
    pattern = given.pattern.absolute()
    given.work.mkdir(parents=True, exist_ok=True)
    os.chdir(given.work)
    # Of each job: when it began and when it ended.
    times: list[tuple[tuple[float, float], tuple[float, float]]] = []

    def finish(cfg: Any) -> float:
        from hydra.core.hydra_config import HydraConfig

        began = now()
        folder = Path(HydraConfig.get().runtime.output_dir)
        for name in TABLES:
            shutil.copy(pattern / name, folder / name)
        (folder / "config.yaml").write_text(yaml.dump(recorded(plain(cfg)), Dumper=yaml.CSafeDumper))
        times.append((began, now()))
        return 0.5

    train.run = finish
    sys.argv = ["run.py", "-m", f"seed=range({given.jobs})", "name=nothing", *SETTINGS]
    started = now()
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), suppress(SystemExit):
        command.main()
    ended = now()
    assert len(times) == given.jobs, f"{len(times)} jobs ran"
    for index, name in enumerate(("seconds", "of the processor")):
        inside = sum(end[index] - began[index] for began, end in times)
        before, after = times[0][0][index] - started[index], ended[index] - times[-1][1][index]
        between = ended[index] - started[index] - inside - before - after
        parts = {
            "before a job": before / given.jobs,
            "between a job": between / given.jobs,
            "inside": inside / given.jobs,
        }
        print(json.dumps({"jobs": given.jobs, "unit": name, **parts, "report": after}))


if __name__ == "__main__":
    main()
