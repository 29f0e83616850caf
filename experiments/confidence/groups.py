"""The runs of the study by the name of their group, and the arguments of both scripts."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from run_groups import grouped

from pets_seg.report.study.runs import Run

USUAL = "cross_entropy"


def arguments(description: str) -> argparse.Namespace:
    """Return the folder of the sweep and that of the results, as given on the command line."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sweep", type=Path, help="folder of the sweep")
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results", help="folder of the results")
    return parser.parse_args()


def runs_of(sweep: Path) -> dict[str, list[Run]]:
    """Return the runs of a sweep by augmentation, and by loss where it is not cross-entropy; raises as `grouped`."""
    groups = grouped(sweep, ["aug", "loss"])
    named = {aug if loss == USUAL else f"{aug}, {loss}": runs for (aug, loss), runs in groups.items()}
    # No augmentation comes first, since all else is compared with it.
    return {name: named[name] for name in sorted(named, key=lambda name: (name != "none", name))}
