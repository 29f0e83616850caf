"""At which learning rate does each option of a sweep reach the highest validation Dice?

    python ../choose_lr.py runs/optimizer_tuning --by optimizer

Prints the mean validation Dice over the seeds of each option and rate, and the rate of the highest. The test set has no
part in it. A rate at the end of those that were tried is no choice: the line then says that lower or higher ones are
to be tried.
"""

import argparse
from collections import defaultdict
from pathlib import Path

from run_groups import grouped

from pets_seg.errors import InputError


def main() -> None:
    """Print a table, and the choice for each option."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sweep", type=Path, help="folder of the sweep")
    parser.add_argument("--by", default="optimizer", help="config group whose options each get a rate")
    given = parser.parse_args()
    try:
        groups = grouped(given.sweep, [given.by, "optimizer.lr"])
    except InputError as error:
        raise SystemExit(str(error)) from None
    dice: dict[str, dict[float, float]] = defaultdict(dict)
    print(f"| {given.by} | learning rate | seeds | val Dice |\n|---|---|---|---|")
    for (option, rate), runs in sorted(groups.items()):
        found = [run.number("best_val_dice") for run in runs]
        dice[option][rate] = sum(found) / len(found)
        print(f"| {option} | {rate:g} | {len(found)} | {dice[option][rate]:.4f} |")
    print()
    for option, by_rate in dice.items():
        print(f"{option}: {choice(by_rate)}")


def choice(by_rate: dict[float, float]) -> str:
    """Return the rate of the highest Dice, or which end of the rates needs more of them."""
    best = max(by_rate, key=lambda rate: by_rate[rate])
    if best in (min(by_rate), max(by_rate)):
        return f"{best:g} is best and at the end; try {'lower' if best == min(by_rate) else 'higher'} ones too"
    return f"{best:g}"


if __name__ == "__main__":
    main()
