"""How often a sequential sweep is wrong, how often it tells what is there, and how many runs it takes.

    python experiments/sequential/simulate.py

appends to results/simulation.csv what is not in it yet: for each cell a row a procedure, over the same simulated
studies. Where an error rate of the sequential sweep might be 5 %, its row is of ten times the studies. With --adastop
the rows of AdaStop are appended instead (pip install adastop==0.1.3). summary.py prints what README.md says.
"""

import argparse
import csv
import io
import zlib
from collections.abc import Iterator
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
from adastop_rival import adastop
from procedures import ALPHA, Outcome, Teller, follow, procedures
from studies import SHAPES, SIZES, Studies, deviation, draw, run_means

from pets_seg.report.sequential.looks import NEEDS_IMAGES
from pets_seg.run_folder.design import BETTER, EQUAL, WORSE

SEED = 20261128
GROUPS = (1, 2, 5)
IMAGES = (148, 10, 3669)
# Standard deviations of a seed's mean paired difference (`studies.deviation`), in margins.
DEVIATIONS = (0.7, 1.0, 1.41, 2.0)
# The true difference of every group, in margins.
DIFFERENCES = (0, 1, 2)
MORE = 10
ADASTOP_STUDIES = 500
RESULTS = Path(__file__).parent / "results" / "simulation.csv"


class Cell(NamedTuple):
    """What is simulated: a row's first columns."""

    shape: str
    variance: str
    groups: int
    images: int
    sd: float

    @property
    def seed(self) -> int:
        """Of the drawing: the same for every standard deviation, which only scales what is drawn."""
        return SEED + zlib.crc32("|".join(map(str, self[:-1])).encode())

    @property
    def margin(self) -> float:
        """The margin in the units of SIZES."""
        return deviation(SIZES[self.variance], self.images) / self.sd


HEADER = (
    *Cell._fields,
    "procedure",
    "studies",
    "false_difference",
    "false_equal",
    *(f"missed_{difference}" for difference in DIFFERENCES),
    "better_1",
    "better_2",
    "equal_0",
    *(f"needs_images_{difference}" for difference in DIFFERENCES),
    *(f"runs_{difference}" for difference in DIFFERENCES),
)
ERRORS = HEADER[7:12]
ADASTOP_CELLS = [Cell("normal", "seeds alone", 1, 148, sd) for sd in (1.0, 2.0)]


def cells() -> Iterator[Cell]:
    """Yield all cells; the distribution of the seeds' part matters where there is one, and not for the images."""
    for groups, shape, images, variance, sd in product(GROUPS, SHAPES, IMAGES, SIZES, DEVIATIONS):
        if shape == "normal" or (images == 148 and SIZES[variance][0]):
            yield Cell(shape, variance, groups, images, sd)


@lru_cache(maxsize=2)
def _drawn(seed: int, shape: str, variance: str, groups: int, images: int, studies: int) -> Studies:
    return draw(seed, SIZES[variance], images, groups, studies, shape)


def rows(cell: Cell, studies: int) -> Iterator[dict[str, str]]:
    """Yield a row a procedure."""
    for name, (teller, looks) in procedures(cell.groups).items():
        found, count = _figures(cell, studies, teller, looks), studies
        if name == "sequential" and any(highest(found[key], studies) >= ALPHA for key in ERRORS):
            count = MORE * studies
            found = _figures(cell, count, teller, looks)
        yield row(cell, name, count, found)


def _figures(cell: Cell, studies: int, teller: Teller, looks: tuple[int, ...]) -> dict[str, float]:
    drawn = _drawn(cell.seed, *cell[:-1], studies)
    return figures(*(follow(teller, looks, drawn, difference, cell.margin) for difference in DIFFERENCES))


def rows_of_adastop(cell: Cell, studies: int) -> Iterator[dict[str, str]]:
    """Yield the row of AdaStop, of the same studies as the others'."""
    scores = run_means(cell.seed, SIZES[cell.variance], cell.images, cell.groups + 1, studies, cell.shape)
    outcomes = (adastop(scores / cell.margin, difference) for difference in DIFFERENCES)
    yield row(cell, "adastop", studies, figures(*outcomes))


def figures(*outcomes: Outcome) -> dict[str, float]:
    """Return the columns of a row from the outcomes at DIFFERENCES.

    Errors are shares of the studies in which any group has one; verdicts are shares of the groups.
    """
    none, margin, twice = (outcome.verdict for outcome in outcomes)
    found = {
        "false_difference": np.isin(none, (BETTER, WORSE)).any(axis=0).mean(),
        "false_equal": (margin == EQUAL).any(axis=0).mean(),
        "better_1": (margin == BETTER).mean(),
        "better_2": (twice == BETTER).mean(),
        "equal_0": (none == EQUAL).mean(),
    }
    for difference, outcome in zip(DIFFERENCES, outcomes, strict=True):
        missed = (outcome.low > difference) | (outcome.high < difference)
        known = np.isfinite(outcome.low).any()
        found[f"missed_{difference}"] = missed.any(axis=0).mean() if known else np.nan
        found[f"needs_images_{difference}"] = (outcome.verdict == NEEDS_IMAGES).mean()
        found[f"runs_{difference}"] = outcome.runs.mean()
    return found


def highest(share: float, studies: int) -> float:
    """Return the upper end of the 99 % interval of a share (Clopper and Pearson, Biometrika 26(4), 1934)."""
    from scipy.stats import beta

    count = round(share * studies)
    return 1.0 if count == studies else float(beta.ppf(0.995, count + 1, studies - count))


def row(cell: Cell, procedure: str, studies: int, found: dict[str, float]) -> dict[str, str]:
    """Return a row as text; what a procedure does not have is empty."""
    texts = {key: "" if np.isnan(value) else f"{value:.5g}" for key, value in found.items()}
    return dict(zip(HEADER, (*map(str, cell), procedure, str(studies)), strict=False)) | texts


def read(path: Path) -> list[dict[str, str]]:
    """Return the rows of a file; a last line that was not written to its end is none."""
    whole = path.read_text().rpartition("\n")[0] if path.exists() else ""
    return list(csv.DictReader(io.StringIO(whole)))


def append(path: Path, new: list[dict[str, str]]) -> None:
    """Append rows after what is whole in a file; a kill leaves it as it was."""
    whole = "".join(path.read_text().rpartition("\n")[:2]) if path.exists() else ""
    text = io.StringIO()
    writer = csv.DictWriter(text, HEADER, lineterminator="\n")
    if not whole:
        writer.writeheader()
    writer.writerows(new)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".new")
    beside.write_text(whole + text.getvalue())
    beside.replace(path)


def main() -> None:
    """Append the rows of all cells that are not there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=2000, help="simulated for each cell")
    parser.add_argument("--adastop", action="store_true", help="AdaStop instead, for a few cells")
    parser.add_argument("--out", type=Path, default=RESULTS, help="the table")
    given = parser.parse_args()
    for cell in cells():
        if given.adastop and cell not in ADASTOP_CELLS:
            continue
        there = {tuple(item[key] for key in HEADER[:6]) for item in read(given.out)}
        wanted = ["adastop"] if given.adastop else list(procedures(cell.groups))
        if all((*map(str, cell), name) in there for name in wanted):
            continue
        new = list(rows_of_adastop(cell, ADASTOP_STUDIES) if given.adastop else rows(cell, given.studies))
        append(given.out, [item for item in new if tuple(item[key] for key in HEADER[:6]) not in there])
        print(*cell, flush=True)


if __name__ == "__main__":
    main()
