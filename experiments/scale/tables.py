"""What one writing of a sweep's tables takes, by the number of its run folders.

python experiments/scale/tables.py FOLDER --runs 100 300 1000
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

from pets_seg.report.study.runs import run_folders
from pets_seg.report.study.study import read_study
from pets_seg.report.tables import write_tables


def main() -> None:
    """Print seconds of the processor for each number of runs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="what folders.py made")
    parser.add_argument("--runs", type=int, nargs="+", default=[100, 300, 1000])
    given = parser.parse_args()
    folders = run_folders(given.folder)
    for number in given.runs:
        with tempfile.TemporaryDirectory() as name:
            for run in folders[:number]:
                (Path(name) / run.name).symlink_to(run.absolute())
            started = time.process_time()
            write_tables(read_study([Path(name)]), Path(name))
            print(json.dumps({"runs": number, "seconds": round(time.process_time() - started, 2)}), flush=True)


if __name__ == "__main__":
    main()
