"""The table of real noise is whole, and what is drawn from it is decided as a sequential sweep decides."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import resample
from procedures import LOOKS, follow, procedures
from resample import IMAGES, POINT, RESULTS, SAME, differences, rows, scores, studies_of

from pets_seg.report.sequential.intervals import Rule
from pets_seg.report.sequential.looks import OPEN, Taker

RUNS = IMAGES.with_name("runs.csv")


def drawn_runs() -> dict[str, np.ndarray]:
    """Return runs of three configurations (seeds, images), of which "better" differs by three points."""
    random = np.random.default_rng(0)
    images = random.normal(0.7, 0.1, 50)
    noise = {name: 0.01 * random.standard_normal((60, 1)) for name in ("base", SAME, "better")}
    runs = {name: images + own + 0.05 * random.standard_normal((60, 50)) for name, own in noise.items()}
    return runs | {"better": runs["better"] + 0.03}


@pytest.mark.parametrize("name", [SAME, "better"])
def test_what_is_drawn_has_the_difference_that_is_called_true(name: str) -> None:
    runs = drawn_runs()
    drawn, truth = differences(runs, name, 4000)
    means = drawn.mean(axis=(1, 2))
    assert drawn.shape == (4000, LOOKS[-1], 50)
    assert means.mean() == pytest.approx(truth, abs=4 * means.std() / np.sqrt(len(means)))
    assert truth == (0.0 if name == SAME else pytest.approx((runs["better"] - runs["base"]).mean()))


def test_studies_are_decided_as_a_sweep_with_their_values_would_be() -> None:
    drawn, _ = differences(drawn_runs(), SAME, 20)
    teller, looks = procedures(1)["sequential"]
    found = follow(teller, looks, studies_of(drawn), 0.0, POINT)
    for study, values in enumerate(drawn):
        taker = Taker(Rule(POINT, LOOKS), lambda pairs, values=values: values[:pairs])
        pairs = next(pairs for pairs in LOOKS if taker.take(pairs) != OPEN)
        assert (found.verdict[0, study], found.pairs[0, study]) == (taker.looks[-1][0].verdict[0], pairs)


def test_a_row_a_margin_and_procedure_with_shares_that_add_up() -> None:
    # Wilcoxon's takes most of the time.
    ways = {name: way for name, way in procedures(1).items() if name != "wilcoxon"}
    table = pd.DataFrame(rows(drawn_runs(), "better", 100, ways))
    assert [*table["procedure"]] == 2 * [*ways]
    assert (table[["better", "worse", "equal"]].sum(axis=1) <= 1 + 1e-9).all()
    ours = table[table["procedure"] == "sequential"]
    assert (ours["better"] > 0.9).all()
    assert (ours["runs"] < 2 * LOOKS[-1]).all()


def test_the_kept_tables_are_whole_and_agree() -> None:
    runs, images = pd.read_csv(RUNS), pd.read_csv(IMAGES, dtype={"stem": str})
    assert (runs.groupby("configuration").size() == 60).all()
    assert runs["configuration"].nunique() >= 8
    assert IMAGES.stat().st_size < 5e6
    means = images.groupby(["configuration", "seed"])["dice"].mean()
    kept = runs.set_index(["configuration", "seed"])["test_dice"]
    pd.testing.assert_series_equal(means.sort_index(), kept.sort_index(), check_names=False, rtol=1e-9)
    assert (images.groupby(["configuration", "seed"]).size() == images["stem"].nunique()).all()


def test_tables_that_lack_runs_or_have_them_twice_are_refused(tmp_path: Path) -> None:
    keys = ["configuration", "pair", "stem", "dice"]
    whole = [(name, pair, stem, 0.5) for name in ("base", "a") for pair in (0, 1) for stem in ("x", "y")]
    file = tmp_path / "images.csv"
    pd.DataFrame(whole, columns=keys).to_csv(file, index=False)
    assert scores(file)["a"].shape == (2, 2)
    pd.DataFrame(whole[:-1], columns=keys).to_csv(file, index=False)
    with pytest.raises(ValueError, match="a lacks seeds or images"):
        scores(file)
    pd.DataFrame([*whole, whole[-1]], columns=keys).to_csv(file, index=False)
    with pytest.raises(ValueError, match="duplicate"):
        scores(file)


def test_the_kept_rows_are_what_the_command_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = pd.read_csv(RESULTS)
    name = kept["configuration"].iloc[-1]
    runs = scores(IMAGES)
    few = {key: runs[key] for key in runs if key in ("base", SAME, name)}
    monkeypatch.setattr(resample, "RESULTS", tmp_path / "resampled.csv")
    monkeypatch.setattr(resample, "scores", lambda path: few)
    monkeypatch.setattr(resample, "procedures", lambda groups: {"sequential": procedures(groups)["sequential"]})
    monkeypatch.setattr(sys, "argv", ["resample.py", "--studies", "100"])
    resample.main()
    found = pd.read_csv(tmp_path / "resampled.csv")
    for column in ("true", "sd"):
        mine, theirs = (table[table["configuration"] == name][column].iloc[0] for table in (found, kept))
        assert mine == pytest.approx(theirs, rel=0.1, abs=0.02)
