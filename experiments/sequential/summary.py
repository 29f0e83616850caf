"""The tables of README.md, from results/simulation.csv and results/resampled.csv.

python experiments/sequential/summary.py
"""

from collections.abc import Iterable
from itertools import product

import pandas as pd
from resample import RESULTS as RESAMPLED
from resample import SAME
from simulate import ALPHA, DEVIATIONS, DIFFERENCES, ERRORS, GROUPS, IMAGES, RESULTS
from studies import LAST, LOOKS, SIZES

from pets_seg.report.sequential.intervals import Rule

ERROR_NAMES = {"false_difference": "better or worse at 0", "false_equal": "equal at the margin", "missed": "interval"}
CELL = ["shape", "variance", "groups", "images", "sd"]
# The chance of what is right, by the true difference.
RIGHT = dict(zip(DIFFERENCES, ("equal_0", "better_1", "better_2"), strict=True))


def show(title: str, header: Iterable[str], body: Iterable[Iterable[str]]) -> None:
    """Print a table with its title."""
    print(f"\n{title}\n")
    for line in (header, ["---" for _ in header], *body):
        print(f"| {' | '.join(line)} |")


def percent(value: float, signs: int = 0) -> str:
    """Return a share in percent; nothing if it is not known."""
    return "" if pd.isna(value) else f"{100 * value:.{signs}f}"


def with_missed(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with the largest share of studies whose interval missed the true difference."""
    return table.assign(missed=table[[f"missed_{difference}" for difference in DIFFERENCES]].max(axis=1))


def errors(table: pd.DataFrame) -> None:
    """Print the largest error rates of each procedure, and the cells in which the sequential sweep is over 5 %."""
    for shape, cells in table.groupby("shape", sort=False):
        body = []
        for procedure, of_it in cells.groupby("procedure", sort=False):
            body.append([procedure, str(len(of_it)), *(percent(of_it[key].max(), 1) for key in ERROR_NAMES)])
        show(
            f"Largest error rates, in percent of the studies: {shape}",
            ["procedure", "cells", *ERROR_NAMES.values()],
            body,
        )
    ours = table[table.procedure == "sequential"]
    body = []
    for _, row in ours.iterrows():
        for key in ERRORS:
            low, high = interval(row[key], row.studies)
            if low > ALPHA:
                body.append(
                    [*map(str, row[CELL]), key, percent(row[key], 2), f"{percent(low, 2)} to {percent(high, 2)}"]
                )
    show(
        f"Error rates of the sequential sweep that are over 5 %, of {len(ours) * len(ERRORS)} in {len(ours)} cells",
        [*CELL, "rate", "percent", "99 % interval"],
        body,
    )


def interval(share: float, studies: int) -> tuple[float, float]:
    """Return the 99 % interval of a share (Clopper and Pearson)."""
    from scipy.stats import binomtest

    return tuple(binomtest(round(share * studies), int(studies)).proportion_ci(0.99))


def pick(table: pd.DataFrame, **wanted: object) -> pd.DataFrame:
    """Return the rows that have these values."""
    for key, value in wanted.items():
        table = table[table[key] == value]
    return table


def beside_fixed(cell: pd.DataFrame) -> list[str]:
    """Return for each true difference the power of the sequential sweep and of the fixed design, and the runs saved."""
    rows = [pick(cell, procedure=procedure) for procedure in ("sequential", "fixed")]
    if any(row.empty for row in rows):
        return [""] * len(DIFFERENCES)
    ours, fixed = (row.iloc[0] for row in rows)
    found = []
    for difference, right in RIGHT.items():
        saved = 1 - ours[f"runs_{difference}"] / fixed[f"runs_{difference}"]
        found.append(f"{percent(ours[right])} ({percent(fixed[right])}), {percent(saved)} fewer")
    return found


def savings(table: pd.DataFrame) -> None:
    """Print what is told and saved beside a fixed design: by groups and deviation, and by what varies."""
    title = "Percent told rightly (fixed design of 20), and percent of runs saved"
    columns = ["equal at 0", "better at the margin", "better at 2 margins"]
    seeds_alone = pick(table, variance="seeds alone", images=148)
    for shape, cells in seeds_alone.groupby("shape", sort=False):
        body = [
            [str(groups), str(sd), *beside_fixed(pick(cells, groups=groups, sd=sd))]
            for groups, sd in product(GROUPS, DEVIATIONS)
        ]
        show(f"{title}: seeds alone, 148 images, {shape}", ["groups", "sd, margins", *columns], body)
    one = pick(table, shape="normal", groups=1, sd=1.0)
    body = [
        [variance, str(images), *beside_fixed(pick(one, variance=variance, images=images))]
        for variance, images in product(SIZES, sorted(IMAGES))
    ]
    show(f"{title}: one group, sd of a margin", ["varies", "images", *columns], body)


def rivals(table: pd.DataFrame) -> None:
    """Print all procedures where training alone varies."""
    keys = [*ERROR_NAMES, *RIGHT.values(), *(f"runs_{difference}" for difference in DIFFERENCES)]
    for groups, sd in ((1, 1.0), (1, 2.0), (2, 1.0), (5, 1.0)):
        cell = pick(table, shape="normal", variance="seeds alone", images=148, groups=groups, sd=sd)
        body = [
            [row.procedure, *(f"{row[key]:.1f}" if "runs" in key else percent(row[key], 1) for key in keys)]
            for _, row in cell.iterrows()
        ]
        show(f"Seeds alone, 148 images, groups: {groups}, sd: {sd} margins; percent", ["procedure", *keys], body)


def judged(table: pd.DataFrame) -> pd.DataFrame:
    """Return rows of studies of real runs with the shares that were told rightly and wrongly.

    "better" and "worse" are right where the true difference has that sign, "equal" where it is less than the margin.
    """
    sides = {"better": table["true"] > 0, "worse": table["true"] < 0, "equal": table["true"].abs() < table["margin"]}
    right = sum(table[verdict].where(is_right, 0.0) for verdict, is_right in sides.items())
    wrong = sum(table[verdict].mask(is_right, 0.0) for verdict, is_right in sides.items())
    return table.assign(right=right, wrong=wrong)


def real_noise(table: pd.DataFrame) -> None:
    """Print how studies of real runs end: by configuration and margin beside the fixed design, and by procedure."""
    body = []
    for (name, margin), cell in table.groupby(["configuration", "margin"], sort=False):
        ours, fixed = (pick(cell, procedure=procedure).iloc[0] for procedure in ("sequential", "fixed"))
        both = [f"{percent(ours[key], 1)} ({percent(fixed[key], 1)})" for key in ("right", "wrong")]
        size = f"{ours['true']:+.2f} ± {ours['sd']:.2f}" if ours["true"] else f"0 ± {ours['sd']:.2f}"
        body.append([f"`{name}`", f"{margin:g}", size, *both, percent(1 - ours["runs"] / fixed["runs"])])
    header = ["configuration", "margin", "true difference ± sd", "told rightly", "told wrongly", "fewer runs"]
    show("Studies of real runs, in percent, in brackets the fixed design of 20 seeds; sd is of a pair", header, body)
    body = []
    for procedure, cells in table.groupby("procedure", sort=False):
        alarms = pick(cells, configuration=SAME)["wrong"].max()
        means = [percent(cells["wrong"].max(), 1), percent(cells["right"].mean(), 1), f"{cells['runs'].mean():.1f}"]
        body.append([procedure, percent(alarms, 1), *means])
    header = ["procedure", f"better or worse, `{SAME}`", "told wrongly, largest", "told rightly, mean", "runs, mean"]
    show(f"All {len(table) // table['procedure'].nunique()} rows of the table before, by procedure", header, body)


def main() -> None:
    """Print all tables."""
    critical = [Rule(1.0, looks).differs.critical()[LAST] for looks in (LOOKS, (LAST,))]
    print(
        "Critical t after {} seeds, one group: {:.2f} with a look after every seed, {:.2f} with one look".format(
            LAST, *critical
        )
    )
    table = with_missed(pd.read_csv(RESULTS))
    errors(table)
    savings(table)
    rivals(table)
    real_noise(judged(pd.read_csv(RESAMPLED)))


if __name__ == "__main__":
    main()
