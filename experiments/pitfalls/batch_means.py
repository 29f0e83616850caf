"""How far is the mean of batch means from the mean over images? Reckoned from the per_image.csv of a sweep's runs.

    python batch_means.py runs/pitfalls --batch 20

A Dice that is averaged over the images of each batch, and then over batches, weighs the images of a last, smaller batch
more than the others.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[1]))
from run_groups import sweep_parser

from pets_seg.machine.files import write_text


def main() -> None:
    """Print, by split, how far the two means are apart over all runs, and write it into batch_means.csv."""
    parser = sweep_parser(__file__, __doc__)
    parser.add_argument("--batch", type=int, default=20, help="images of a batch")
    given = parser.parse_args()
    tables = [pd.read_csv(path, dtype={"stem": str}) for path in sorted(given.sweep.glob("*/per_image.csv"))]
    if not tables:
        raise SystemExit(f"{given.sweep}: holds no per_image.csv; give the folder of a sweep")
    rows = []
    for split in ("valid", "test"):
        dices = [table.loc[table["split"] == split, "dice"].to_numpy() for table in tables]
        points = np.array([100 * (mean_of_batches(dice, given.batch) - dice.mean()) for dice in dices])
        images = len(dices[0])
        row = {"split": split, "images": images, "last_batch": images % given.batch or given.batch, "runs": len(points)}
        rows.append(row | {"mean": points.mean(), "largest": points[np.abs(points).argmax()]})
    print("| split | images | in the last batch | runs | mean difference, points | largest |")
    print("|---|---|---|---|---|---|")
    for row in rows:
        counts = " | ".join(str(row[name]) for name in ("split", "images", "last_batch", "runs"))
        print(f"| {counts} | {row['mean']:+.3f} | {row['largest']:+.3f} |")
    write_text(given.results / "batch_means.csv", pd.DataFrame(rows).to_csv(index=False))


def mean_of_batches(dice: np.ndarray, batch: int) -> float:
    """Return the mean over batches of the mean Dice (N,) of each batch's images, in the order of the table."""
    return float(np.mean([part.mean() for part in np.split(dice, range(batch, len(dice), batch))]))


if __name__ == "__main__":
    main()
