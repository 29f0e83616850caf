"""Does a recipe reach a mark of validation Dice? All runs of a sweep, and a test of their mean, as for speed runs.

    python record.py runs/record_two --mark 0.90 --attempts 2 --results record_two

The runs have to be alike but for the seed, and of seeds that no choice was made with. The test is a one-sided t test
of the mean against the mark; a record asks for a p-value below 0.01 after it is multiplied by the number of attempts.
It is made for the best epoch, which is chosen on the same images, and for the last one, which is not chosen. The
validation Dice of the last epoch, which runs.csv of a comparison does not have, is also written, as last_epoch.csv.
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
    parser.add_argument("--attempts", type=int, default=1, help="how many recipes were put to the test, with this one")
    parser.add_argument("--results", type=Path, required=True, help="folder of the results")
    given = parser.parse_args()
    try:
        runs = runs_of(given.sweep)
        best = [run.number("best_val_dice") for run in runs]
        last = [last_val_dice(run) for run in runs]
        verdicts = [verdict(dices, given.mark, given.attempts) for dices in (best, last)]
    except InputError as error:
        raise SystemExit(str(error)) from None
    print("| seed | epochs | best epoch | its val Dice | its test Dice | last val Dice | seconds |")
    print("|---|---|---|---|---|---|---|")
    for run, dice in zip(runs, last, strict=True):
        epochs, epoch, seconds = run.settings["train.epochs"], run.number("best_epoch"), run.number("train_seconds")
        dices = f"{run.number('best_val_dice'):.4f} | {run.number('test_dice'):.4f} | {dice:.4f}"
        print(f"| {run.seed} | {epochs} | {epoch:.0f} | {dices} | {seconds:.0f} |")
    print(f"\nBest epoch: {verdicts[0]}\nLast epoch: {verdicts[1]}")
    given.results.mkdir(parents=True, exist_ok=True)
    table = pd.DataFrame({"seed": [run.seed for run in runs], "last_val_dice": last})
    write_text(given.results / "last_epoch.csv", table.to_csv(index=False))


def last_val_dice(run: Run) -> float:
    """Return the validation Dice of the last epoch; InputError if metrics.csv does not have it."""
    if run.metrics.empty:
        raise InputError(f"{run.folder}: has no metrics.csv that can be read; train it again")
    return float(run.metrics["val/dice"].iloc[-1])


def runs_of(sweep: Path) -> list[Run]:
    """Return the runs of a sweep by seed; raises as `grouped`."""
    [runs] = grouped(sweep, []).values()
    return runs


def verdict(dices: list[float], mark: float, attempts: int = 1) -> str:
    """Return mean, standard deviation and the one-sided test of the mean against the mark, as a sentence.

    InputError if fewer than two of the values differ, or if there was no attempt.
    """
    if attempts < 1:
        raise InputError(f"--attempts {attempts}: this one counts too; give 1 or more")
    if len({*dices}) < 2:
        raise InputError(
            f"{len(dices)} runs have {len({*dices})} validation Dice; a test needs two that differ, or more"
        )
    p = min(1.0, attempts * float(stats.ttest_1samp(dices, mark, alternative="greater").pvalue))
    reached = "a record" if p < LEVEL else "no record"
    counted = f", {attempts} attempts counted" if attempts > 1 else ""
    return (
        f"Mean {stats.tmean(dices):.4f}, standard deviation {stats.tstd(dices):.4f}, {len(dices)} runs; "
        f"one-sided t test against {mark:g}{counted}: p = {p:.2g}, {reached}."
    )


if __name__ == "__main__":
    main()
