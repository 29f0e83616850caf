"""How much strong augmentation adds at each share of the training images, and whether that changes with the share.

    python data_size.py runs/data_size

Prints a table, and writes it as shares.csv into results/ beside this file: the test Dice of both groups at each share,
their difference paired over the seeds, and how the difference changes from all images to this share, also paired.
Differences are in points (0.01 of Dice), with the 95 % intervals of a report, which cover seeds and test images; no two
intervals are adjusted for each other.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[1]))
from run_groups import Groups, grouped, sweep_parser

from pets_seg.errors import InputError
from pets_seg.machine.files import write_text
from pets_seg.report.study.statistics import estimate

KEYS = ("data.train_fraction", "train.epochs", "aug")
BASELINE, COMPARED = "none", "strong"


def main() -> None:
    """Print and write the table."""
    given = sweep_parser(__file__, __doc__ or "").parse_args()
    try:
        rows = compared(grouped(given.sweep, KEYS))
    except InputError as error:
        raise SystemExit(str(error)) from None
    print(table(rows))
    given.results.mkdir(parents=True, exist_ok=True)
    write_text(given.results / "shares.csv", rows.to_csv(index=False))


def compared(groups: Groups) -> pd.DataFrame:
    """Return a row a share, all images first.

    InputError if a group is missing, if there is one seed alone, or if a run has other test images.
    """
    shares = sorted({(share, epochs) for share, epochs, _ in groups}, reverse=True)
    missing = [(*share, aug) for share in shares for aug in (BASELINE, COMPARED) if (*share, aug) not in groups]
    if missing:
        raise InputError(f"no runs of {missing[0]}; continue the sweep")
    if shares[0][0] != 1:
        raise InputError(f"no runs of all images, the largest share is {shares[0][0]:g}; continue the sweep")
    dice = _dice(groups)
    gains = {share: 100 * (dice[*share, COMPARED] - dice[*share, BASELINE]) for share in shares}
    rows = []
    for share, gain in gains.items():
        means = {aug: dice[*share, aug].mean() for aug in (BASELINE, COMPARED)}
        row = dict(zip(("share", "epochs"), share, strict=True)) | {"seeds": len(gain)} | means
        row |= _interval("difference", gain)
        row |= _interval("change", gain - gains[shares[0]]) if share != shares[0] else {}
        rows.append(row)
    ends = [f"{name}{end}" for name in ("difference", "change") for end in ("", "_low", "_high")]
    return pd.DataFrame(rows, columns=["share", "epochs", "seeds", BASELINE, COMPARED, *ends])


def _dice(groups: Groups) -> dict[tuple[Any, ...], np.ndarray]:
    """Return the test Dice (seeds, images) of each group, a column being the same image everywhere."""
    first = next(iter(groups.values()))[0]
    if len(next(iter(groups.values()))) < 2:
        raise InputError("the groups have one seed, which does not tell how much training varies; run more")
    stems = first.images.get("test", pd.DataFrame()).index
    for run in (run for runs in groups.values() for run in runs):
        if {*run.images.get("test", pd.DataFrame()).index} != {*stems} or not len(stems):
            raise InputError(f"{run.folder}: has other test images than {first.name}")
    return {
        values: np.stack([run.images["test"]["dice"].loc[stems] for run in runs]) for values, runs in groups.items()
    }


def _interval(name: str, values: np.ndarray) -> dict[str, float]:
    found = estimate(values)
    return {name: found.difference, f"{name}_low": found.low, f"{name}_high": found.high}


def table(rows: pd.DataFrame) -> str:
    """Return the rows as a table."""
    lines = [
        f"| share | epochs | seeds | {BASELINE} | {COMPARED} | difference (95 % CI) | its change from all images |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows.to_dict("records"):
        ends = [
            f"{row[name]:+.2f} ({row[f'{name}_low']:+.2f} to {row[f'{name}_high']:+.2f})" if pd.notna(row[name]) else ""
            for name in ("difference", "change")
        ]
        means = [f"{row[aug]:.4f}" for aug in (BASELINE, COMPARED)]
        cells = [f"{row['share']:g}", f"{row['epochs']:.0f}", f"{row['seeds']:.0f}", *means, *ends]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
