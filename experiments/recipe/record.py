"""Does a recipe reach a mark of validation Dice? All runs of a sweep, and a test of their mean, as for speed runs.

    python record.py runs/record --mark 0.90

The runs have to be alike but for the seed, and of seeds that no choice was made with. The test is a one-sided t test of
the mean against the mark; a record asks for a p-value below 0.01.
"""

import argparse
import sys
from pathlib import Path

from scipy import stats

sys.path.insert(0, str(Path(__file__).parents[1]))
from run_groups import grouped

from pets_seg.errors import InputError
from pets_seg.report.study.runs import Run

LEVEL = 0.01


def main() -> None:
    """Print all runs, and what the test says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sweep", type=Path, help="folder of the sweep")
    parser.add_argument("--mark", type=float, default=0.90, help="validation Dice to be reached")
    given = parser.parse_args()
    try:
        runs = runs_of(given.sweep)
    except InputError as error:
        raise SystemExit(str(error)) from None
    print("| seed | epochs | best epoch | val Dice | test Dice | seconds |")
    print("|---|---|---|---|---|---|")
    for run in runs:
        epochs, best, seconds = run.settings["train.epochs"], run.number("best_epoch"), run.number("train_seconds")
        dices = f"{run.number('best_val_dice'):.4f} | {run.number('test_dice'):.4f}"
        print(f"| {run.seed} | {epochs} | {best:.0f} | {dices} | {seconds:.0f} |")
    print(f"\n{verdict([run.number('best_val_dice') for run in runs], given.mark)}")


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
