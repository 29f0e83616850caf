"""How much strong augmentation adds at each share of the training images, and whether that changes with the share.

    python data_size.py runs/data_size

Prints a table: the test Dice of both groups at each share, their difference paired over the seeds, and how the
difference changes from all images to this share, also paired. Differences are in points (0.01 of Dice), with 95 %
intervals of Student's t.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from run_groups import Groups, grouped

from pets_seg.errors import InputError
from pets_seg.report.study.runs import Run
from pets_seg.report.study.statistics import over_seeds

KEYS = ("data.train_fraction", "train.epochs", "aug")
BASELINE, COMPARED = "none", "strong"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sweep", type=Path, help="folder of the sweep")
    given = parser.parse_args()
    try:
        print(table(grouped(given.sweep, KEYS)))
    except InputError as error:
        raise SystemExit(str(error)) from None


def table(groups: Groups) -> str:
    """Return the table; InputError if a share lacks a group."""
    lines = [
        f"| share | epochs | seeds | {BASELINE} | {COMPARED} | difference (95 % CI) | its change from all images |",
        "|---|---|---|---|---|---|---|",
    ]
    shares = sorted({(share, epochs) for share, epochs, _ in groups}, reverse=True)
    missing = [(*share, aug) for share in shares for aug in (BASELINE, COMPARED) if (*share, aug) not in groups]
    if missing:
        raise InputError(f"no runs of {missing[0]}; continue the sweep")
    gains = {share: 100 * (_dice(groups[*share, COMPARED]) - _dice(groups[*share, BASELINE])) for share in shares}
    for share, gain in gains.items():
        means = [f"{_dice(groups[*share, aug]).mean():.4f}" for aug in (BASELINE, COMPARED)]
        change = _interval(gain - gains[shares[0]]) if share != shares[0] else ""
        cells = [f"{share[0]:g}", str(share[1]), str(len(gain)), *means, _interval(gain), change]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _dice(runs: list[Run]) -> np.ndarray:
    return np.array([run.number("test_dice") for run in runs])


def _interval(values: np.ndarray) -> str:
    mean, _, low, high = over_seeds(values.tolist())
    return f"{mean:+.2f}" + (f" ({low:+.2f} to {high:+.2f})" if len(values) > 1 else "")


if __name__ == "__main__":
    main()
