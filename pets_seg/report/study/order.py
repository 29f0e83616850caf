"""The one order of groups: baselines, then the others as the command of their runs gave them."""

import math
import re
from collections.abc import Iterable, Sequence

from pets_seg.machine.files import read_limited
from pets_seg.report.study.groups import Group
from pets_seg.report.study.runs import Run
from pets_seg.run_folder.names import HYDRA

LARGEST = 1 << 20
# The number of a job in its sweep, as Hydra writes it beneath `job:`.
NUMBER = re.compile(rb"^  job:\n(?:    .*\n)*?    num: (\d+)$", re.MULTILINE)


def in_order(groups: Sequence[Group], baselines: Iterable[Group]) -> list[Group]:
    """Return `groups` in the order of every table, figure and list: `baselines`, then by the number of the first job.

    Groups with jobs of the same number, of two commands, are in the order of their start; where Hydra's files are not
    there, and between groups that are alike in both, `groups` keep their order.
    """
    return list(dict.fromkeys([*baselines, *sorted(groups, key=_first)]))


def _first(group: Group) -> tuple[float, str]:
    return min(map(_place, group.runs))


def _place(run: Run) -> tuple[float, str]:
    try:
        found = NUMBER.search(read_limited(run.folder / HYDRA, LARGEST))
    except (OSError, ValueError):
        found = None
    # Without a number the start says little: jobs at the same time start in any order.
    return (int(found[1]), str(run.status.get("started"))) if found else (math.inf, "")
