"""How far is the mean of batch means from the mean over images? Reckoned from the per_image.csv of a sweep's runs.

    python experiments/pitfalls/batch_means.py runs/pitfalls --batch 20

A Dice that is averaged over the images of each batch, and then over batches, weighs the images of a last, smaller batch
more than the others.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd


def main() -> None:
    """Print, by split, how far the two means are apart over all runs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sweep", type=Path, help="folder of the sweep")
    parser.add_argument("--batch", type=int, default=20, help="images of a batch")
    given = parser.parse_args()
    tables = [pd.read_csv(path, dtype={"stem": str}) for path in sorted(given.sweep.glob("*/per_image.csv"))]
    if not tables:
        raise SystemExit(f"{given.sweep}: holds no per_image.csv; give the folder of a sweep")
    print("| split | images | in the last batch | runs | mean difference, points | largest |")
    print("|---|---|---|---|---|---|")
    for split in ("valid", "test"):
        dices = [table.loc[table["split"] == split, "dice"].to_numpy() for table in tables]
        points = np.array([100 * (mean_of_batches(dice, given.batch) - dice.mean()) for dice in dices])
        images = len(dices[0])
        last = images % given.batch or given.batch
        largest = points[np.abs(points).argmax()]
        print(f"| {split} | {images} | {last} | {len(points)} | {points.mean():+.3f} | {largest:+.3f} |")


def mean_of_batches(dice: np.ndarray, batch: int) -> float:
    """Return the mean over batches of the mean Dice (N,) of each batch's images, in the order of the table."""
    return float(np.mean([part.mean() for part in np.split(dice, range(batch, len(dice), batch))]))


if __name__ == "__main__":
    main()
