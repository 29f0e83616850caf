"""What it takes to compose and check the jobs of a sweep before the first one starts: seconds and memory a job.

python experiments/scale/compose.py --jobs 300
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pets_seg.command import before_sweep, hooks
from pets_seg.command import main as command

SETTINGS = ("model.width=4", "data.size=32", "aug=none", "train.device=cpu", "tracker=none")


def memory() -> float:
    """Return the memory of this process in MiB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def main() -> None:
    """Begin a sweep of jobs, end it before the first one, and print what that took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=300)
    number = parser.parse_args().jobs
    took: dict[str, float] = {}

    def timed(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            before, started = memory(), time.process_time()
            found = function(*arguments)
            took[name] = took.get(name, 0.0) + (time.process_time() - started) / number
            took[f"{name} MiB"] = took.get(f"{name} MiB", 0.0) + (memory() - before) / number
            return found

        return call

    def stop(*arguments: Any) -> None:
        print(json.dumps({"jobs": number, **{name: round(value, 4) for name, value in took.items()}}))
        sys.stdout.flush()
        os._exit(0)

    before_sweep.compose_jobs = timed("compose", before_sweep.compose_jobs)
    before_sweep.check_job = timed("check", before_sweep.check_job)
    hooks.find_finished = timed("look for finished runs", hooks.find_finished)
    hooks.prepare_jobs = timed("prepare", hooks.prepare_jobs)
    hooks.plan = timed("expect", hooks.plan)
    hooks.Schedule.announce = stop
    os.chdir(tempfile.mkdtemp())
    sys.argv = ["run.py", "-m", f"seed=range({number})", "name=nothing", *SETTINGS]
    command.main()


if __name__ == "__main__":
    main()
