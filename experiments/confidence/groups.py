"""The runs of the study by the name of their group."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from run_groups import grouped

from pets_seg.report.study.runs import Run

USUAL = "cross_entropy"


def runs_of(sweep: Path) -> dict[str, list[Run]]:
    """Return the runs of a sweep by augmentation, and by loss where it is not cross-entropy; raises as `grouped`."""
    groups = grouped(sweep, ["aug", "loss"])
    named = {aug if loss == USUAL else f"{aug}, {loss}": runs for (aug, loss), runs in groups.items()}
    # No augmentation comes first, since all else is compared with it.
    return {name: named[name] for name in sorted(named, key=lambda name: (name != "none", name))}
