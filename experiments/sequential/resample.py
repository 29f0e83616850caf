"""How sequential sweeps end whose runs are drawn from the real ones in noise/results.

    python experiments/sequential/resample.py

A study is a baseline and one configuration with 20 seeds on as many images as there are. Seeds and images are drawn
with replacement, so that the true difference is known: it is that of all seeds and images. Writes
results/resampled.csv: for each configuration and margin a row a procedure, over the same studies.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from procedures import Teller, follow, procedures
from studies import FIRST, LAST, Studies

from pets_seg.report.study.statistics import image_part
from pets_seg.run_folder.design import BETTER, EQUAL, WORSE

HERE = Path(__file__).parent
IMAGES, RESULTS = HERE / "noise" / "results" / "images.csv.xz", HERE / "results" / "resampled.csv"
SEED = 20261129
BASELINE, SAME = "base", "same"
MARGINS = (1.0, 2.0)
POINT = 0.01


def scores(path: Path) -> dict[str, np.ndarray]:
    """Return the Dice of each configuration (seeds, images), with its seeds and the images in one order.

    Raises ValueError if a configuration has two runs of one seed, or if some of its seeds or images are missing.
    """
    table = pd.read_csv(path, dtype={"stem": str})
    pairs, stems = sorted(table["pair"].unique()), sorted(table["stem"].unique())
    runs = {}
    for name, part in table.groupby("configuration", sort=False):
        whole = part.pivot(index="pair", columns="stem", values="dice").reindex(index=pairs, columns=stems)
        if whole.isna().any(axis=None):
            raise ValueError(f"{path.name}: {name} lacks seeds or images that other configurations have")
        runs[str(name)] = whole.to_numpy(dtype=float)
    return runs


def differences(runs: dict[str, np.ndarray], name: str, studies: int) -> tuple[np.ndarray, float]:
    """Return the drawn differences of a configuration (studies, LAST, images), and the true difference.

    The runs of BASELINE and SAME differ in nothing but their seeds: a difference of theirs is one of two runs out of
    both, and the true one is 0.
    """
    generator = np.random.default_rng((SEED, list(runs).index(name)))
    images = generator.integers(runs[name].shape[1], size=(studies, 1, runs[name].shape[1]))
    if name == SAME:
        pool = np.concatenate([runs[BASELINE], runs[SAME]])
        first, second = generator.integers(len(pool), size=(2, studies, LAST, 1))
        return pool[second, images] - pool[first, images], 0.0
    paired = runs[name] - runs[BASELINE]
    seeds = generator.integers(len(paired), size=(studies, LAST, 1))
    return paired[seeds, images], float(paired.mean())


def studies_of(drawn: np.ndarray) -> Studies:
    """Return what looks read of differences (studies, LAST, images)."""
    studies, _, images = drawn.shape
    of_images, over_images = np.full((2, LAST + 1, studies), np.nan)
    for pairs in range(FIRST, LAST + 1):
        of_images[pairs] = [image_part(values[:pairs]) for values in drawn]
        over_images[pairs] = drawn[:, :pairs].mean(axis=1).var(axis=1, ddof=1) / images
    return Studies(1, images, drawn.mean(axis=2).T, of_images, over_images)


def rows(
    runs: dict[str, np.ndarray], name: str, studies: int, ways: Mapping[str, tuple[Teller, tuple[int, ...]]]
) -> list[dict[str, object]]:
    """Return a row for each margin and each of the `ways` to tell, as `procedures` has them."""
    drawn, truth = differences(runs, name, studies)
    deviation = float(drawn.mean(axis=2).std(ddof=1))
    known, found = studies_of(drawn), []
    for margin in MARGINS:
        key = {"configuration": name, "margin": margin, "true": truth / POINT, "sd": deviation / POINT}
        for procedure, (teller, looks) in ways.items():
            outcome = follow(teller, looks, known, 0.0, margin * POINT)
            shares = {verdict: float((outcome.verdict == verdict).mean()) for verdict in (BETTER, WORSE, EQUAL)}
            found.append({**key, "procedure": procedure, **shares, "runs": float(outcome.runs.mean())})
    return found


def main() -> None:
    """Write the rows of all configurations but the baseline."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=2000)
    studies = parser.parse_args().studies
    runs, ways = scores(IMAGES), procedures(1)
    table = pd.DataFrame([row for name in runs if name != BASELINE for row in rows(runs, name, studies, ways)])
    table.to_csv(RESULTS, index=False, float_format="%.5g")
    print(table.to_string(index=False, float_format="%.3f"))


if __name__ == "__main__":
    main()
