"""What it takes to compose and check the jobs of a sweep before the first one starts: seconds and memory a job.

python experiments/scale/compose.py --jobs 300
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from pets_seg.command import hooks, jobs
from pets_seg.command import main as command

SETTINGS = ("model.width=4", "data.size=32", "aug=none", "train.device=cpu", "tracker.mode=disabled")


def memory() -> float:
    """Return the memory of this process in MiB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def main() -> None:
    """Begin a sweep of jobs, end it before the first one, and print what that took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=300)
    number = parser.parse_args().jobs
    original, check = jobs.compose_jobs, hooks._check
    took = {"compose": 0.0, "check": 0.0, "mib": 0.0}

    def composed(config: Any) -> Any:
        before, started = memory(), time.process_time()
        found = original(config)
        took["compose"], took["mib"] = time.process_time() - started, memory() - before
        return found

    def checked(job: Any) -> None:
        started = time.process_time()
        check(job)
        # The first check loads PyTorch and decodes the data.
        times.append(time.process_time() - started)

    def stop(*arguments: Any) -> None:
        rest = sum(times[1:]) / (number - 1)
        print(
            json.dumps(
                {
                    "jobs": number,
                    "compose_s": took["compose"] / number,
                    "check_s": rest,
                    "memory_mib": took["mib"] / number,
                }
            )
        )
        os._exit(0)

    times: list[float] = []
    hooks.compose_jobs, hooks._check, hooks.check_writable = composed, checked, stop
    os.chdir(tempfile.mkdtemp())
    sys.argv = ["run.py", "-m", f"seed=range({number})", "name=nothing", *SETTINGS]
    command.main()


if __name__ == "__main__":
    main()
