"""The tables of thousands of runs are read without pandas' help, and are what pandas makes of them."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pets_seg.report.plotting.courses import Course
from pets_seg.report.study.results import COLUMNS, read_results
from pets_seg.run_folder import reading
from pets_seg.run_folder.reading import read_csv

NAMES = COLUMNS["per_image"]
CELLS = st.sampled_from(["0.1", "1", "-2", "1e-05", "", "nan", "inf", "1_0", " 1", "True", "x", "+3", "-", "."])
NUMBERS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(repr), st.integers(-(2**63), 2**63 - 1).map(str)
)
STEMS = st.text(st.sampled_from("aB1_ \N{LATIN SMALL LETTER U WITH DIAERESIS}NA-"), min_size=1, max_size=4)


def as_pandas_has_it(text: str) -> pd.DataFrame | str:
    """Return a table as `read_csv` would have it if every file went through pandas, or that it is refused."""
    numbers = {name: ["", "nan"] for name in (*NAMES[2:], "val/ece")}
    types = {"split": str, "stem": str}
    try:
        table = pd.read_csv(io.BytesIO(text.encode()), dtype=types, keep_default_na=False, na_values=numbers)
    except ValueError:
        return "refused"
    fits = all(name in types or table[name].dtype.kind in "iuf" for name in NAMES)
    return table if fits and len(table) else "refused"


@settings(deadline=None)
@given(rows=st.lists(st.tuples(STEMS, *[st.one_of(NUMBERS, CELLS)] * 4), max_size=4), end=st.sampled_from(["\n", ""]))
def test_any_table_is_what_pandas_makes_of_it(
    rows: list[tuple[str, ...]], end: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    lines = [",".join(NAMES), *(",".join(("test", *row)) for row in rows)]
    path = tmp_path_factory.getbasetemp() / "per_image.csv"
    path.write_text("\n".join(lines) + end, encoding="utf-8")
    expected = as_pandas_has_it(path.read_text(encoding="utf-8"))
    try:
        found: pd.DataFrame | str = read_csv(path, NAMES)
    except ValueError:
        found = "refused"
    if isinstance(expected, str) or isinstance(found, str):
        assert found is expected
    else:
        pd.testing.assert_frame_equal(found, expected, check_exact=True)


def table(rows: int, seed: int) -> pd.DataFrame:
    """Return scores in no order, some of them of images without a counted pixel."""
    generator = np.random.default_rng(seed)
    scores = pd.DataFrame(generator.random((rows, 3)), columns=["dice", "iou", "loss"])
    scores.insert(0, "split", generator.choice(["valid", "test"], rows))
    scores.insert(1, "stem", [f"pet_{number}" for number in generator.permutation(rows)])
    return scores.assign(pixels=generator.choice([0, 100, 1024], rows))


def test_scores_are_those_of_the_file_by_split_and_stem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scores = table(40, 0)
    scores.to_csv(tmp_path / "per_image.csv", index=False)
    for pass_by in (False, True):
        if pass_by:
            monkeypatch.setattr(reading, "_plain_columns", lambda content, numbers: None)
        found = read_results(tmp_path).scores
        counted = scores[scores["pixels"] != 0]
        assert found.images.keys() == set(counted["split"])
        for split, images in found.images.items():
            expected = counted[counted["split"] == split].set_index("stem").sort_index().drop(columns="split")
            pd.testing.assert_frame_equal(images, expected.astype(float), check_exact=True)
            left_out = (scores["split"] == split) & (scores["pixels"] == 0)
            assert found.left_out.get(split, 0) == left_out.sum()
        assert found.counts_them


def test_runs_of_the_same_images_share_their_stems(tmp_path: Path) -> None:
    for seed, name in enumerate("ab"):
        (tmp_path / name).mkdir()
        scores = table(30, 0).assign(dice=np.random.default_rng(seed).random(30), pixels=9)
        scores.to_csv(tmp_path / name / "per_image.csv", index=False)
    first, second = (read_results(tmp_path / name).scores.images["test"] for name in "ab")
    assert first.index is second.index
    assert not np.array_equal(first["dice"], second["dice"])


def test_an_image_twice_is_told_and_the_first_is_used(tmp_path: Path) -> None:
    scores = table(10, 0).assign(pixels=9)
    pd.concat([scores, scores.assign(dice=2.0)]).to_csv(tmp_path / "per_image.csv", index=False)
    found = read_results(tmp_path)
    assert "per_image.csv: has images twice; the first of each is used" in found.damage
    assert all((images["dice"] < 2).all() for images in found.scores.images.values())


def test_the_mean_of_a_course_is_that_of_pandas() -> None:
    generator = np.random.default_rng(0)
    for runs in (1, 2, 9, 300):
        values = generator.standard_normal((runs, 20, 3))
        values[generator.random(values.shape) < 0.1] = np.nan
        course = Course(np.arange(20.0), {"val/dice": values[:, :, 1]})
        np.testing.assert_array_equal(course.mean("val/dice"), pd.DataFrame(values[:, :, 1]).mean().to_numpy())
