"""Does a recipe reach a mark of validation Dice? All runs of a sweep, and a test of their mean, as for speed runs.

    python record.py runs/record --mark 0.90 --results record

The runs have to be alike but for the seed, and of seeds that no choice was made with. The test is a one-sided t test of
the mean against the mark; a record asks for a p-value below 0.01. It is made for the best epoch, which is chosen on the
same images, and for the last one, which is not chosen. The figures of the runs are also written, as record.csv.
"""

import argparse
import sys
from pathlib import Path

import pandas as pd
from scipy import stats

sys.path.insert(0, str(Path(__file__).parents[1]))
from run_groups import grouped

from pets_seg.errors import InputError
from pets_seg.machine.files import write_text
from pets_seg.report.study.runs import Run

LEVEL = 0.01


def main() -> None:
    """Print all runs, and what the test says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sweep", type=Path, help="folder of the sweep")
    parser.add_argument("--mark", type=float, default=0.90, help="validation Dice to be reached")
    parser.add_argument("--results", type=Path, required=True, help="folder of the results")
    given = parser.parse_args()
    try:
        runs = figures(runs_of(given.sweep))
    except InputError as error:
        raise SystemExit(str(error)) from None
    print("| seed | epochs | best epoch | its val Dice | its test Dice | last val Dice | seconds |")
    print("|---|---|---|---|---|---|---|")
    for run in runs.itertuples():
        dices = f"{run.best_val_dice:.4f} | {run.test_dice:.4f} | {run.last_val_dice:.4f}"
        print(f"| {run.seed} | {run.epochs} | {run.best_epoch} | {dices} | {run.train_seconds:.0f} |")
    print(f"\nBest epoch: {verdict(runs['best_val_dice'].tolist(), given.mark)}")
    print(f"Last epoch: {verdict(runs['last_val_dice'].tolist(), given.mark)}")
    given.results.mkdir(parents=True, exist_ok=True)
    write_text(given.results / "record.csv", runs.to_csv(index=False))


def figures(runs: list[Run]) -> pd.DataFrame:
    """Return a row a run: its epochs, and its Dice in the best and in the last of them."""
    rows = [
        {
            "seed": run.seed,
            "epochs": run.settings["train.epochs"],
            "best_epoch": round(run.number("best_epoch")),
            "best_val_dice": run.number("best_val_dice"),
            "last_val_dice": float(run.metrics["val/dice"].iloc[-1]),
            "test_dice": run.number("test_dice"),
            "train_seconds": run.number("train_seconds"),
        }
        for run in runs
    ]
    return pd.DataFrame(rows)


def runs_of(sweep: Path) -> list[Run]:
    """Return the runs of a sweep by seed; raises as `grouped`, and if all have the same Dice or one stands alone."""
    [runs] = grouped(sweep, []).values()
    if len(runs) < 2:
        raise InputError(f"{sweep}: has one run; a test needs two or more")
    if len({run.number("best_val_dice") for run in runs}) == 1:
        raise InputError(f"{sweep}: all runs have the same validation Dice; nothing tells how much it varies")
    return runs


def verdict(dices: list[float], mark: float) -> str:
    """Return mean, standard deviation and the one-sided test of the mean against the mark, as a sentence."""
    found = stats.ttest_1samp(dices, mark, alternative="greater")
    reached = "a record" if found.pvalue < LEVEL else "no record"
    mean, sd = stats.tmean(dices), stats.tstd(dices)
    return (
        f"Mean {mean:.4f}, standard deviation {sd:.4f}, {len(dices)} runs; one-sided t test against {mark:g}: "
        f"p = {found.pvalue:.2g}, {reached}."
    )


if __name__ == "__main__":
    main()
