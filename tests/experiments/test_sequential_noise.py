"""What is drawn from real runs is decided as a sequential sweep decides."""

import numpy as np
import pandas as pd
import pytest
from procedures import LOOKS, follow, procedures
from resample import POINT, SAME, differences, rows, studies_of

from pets_seg.report.sequential.intervals import Rule
from pets_seg.report.sequential.looks import OPEN, Taker


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
    table = pd.DataFrame(rows(drawn_runs(), "better", 200))
    assert len(table) == 2 * len(procedures(1))
    assert (table[["better", "worse", "equal"]].sum(axis=1) <= 1 + 1e-9).all()
    ours = table[table["procedure"] == "sequential"]
    assert (ours["better"] > 0.9).all()
    assert (ours["runs"] < 2 * LOOKS[-1]).all()
