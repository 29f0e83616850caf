"""Groups that are scored against different masks are named, and how each of them reads its masks is said."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from other_data import A, B, record, write

from pets_seg.report.data_remarks import data_of_runs
from pets_seg.report.study.study import read_study
from pets_seg.report.truths import other_truths

STEMS = [f"pet_{index}" for index in range(40)]
ALONE = "so that the difference between them is not one of predictions alone."
OTHERS = [("data.normalisation", ("imagenet", "raw"), 0), ("aug.name", ("none", "crop"), 0)]
CONTENTS = "5 train, 10 valid, 40 test"


def score_against(run: Path, digest: str, truths: Mapping[str, str]) -> None:
    record(run, digest, files=False)
    with open(run / "data.csv", "w", encoding="utf-8", newline="") as file:
        rows = [("test", stem, f"i{stem}", f"m{stem}", truth) for stem, truth in truths.items()]
        csv.writer(file).writerows([("split", "stem", "image", "mask", "truth"), *rows])


def sweep(folder: Path, key: str, values: tuple[Any, Any]) -> list[Path]:
    """Write two groups of two seeds that differ in a setting and have recorded no data yet."""
    return write(folder, {"one": "--", "two": "--"}, groups=[{"config": {key: value}} for value in values])


CASES = [
    ("data.boundary", ("background", "foreground"), (A, A)),
    ("data.mask_threshold", (20, 150), (A, A)),
    ("data.root", ("one", "two"), (A, B)),
    # A setting of a data source of one's own.
    ("data.labeller", ("anna", "bert"), (A, A)),
]


@pytest.mark.parametrize(("key", "values", "digests"), CASES)
def test_groups_with_other_masks_are_named(
    tmp_path: Path, key: str, values: tuple[Any, Any], digests: tuple[str, str]
) -> None:
    runs = sweep(tmp_path / "s", key, values)
    alike = {stem: f"t{stem}" for stem in STEMS}
    for other, named in ((alike, []), ({**alike, "pet_7": "other"}, [f"{key}={values[1]}"])):
        for number, run in enumerate(runs):
            score_against(run, digests[number // 2], other if number > 1 else alike)
        study = read_study([tmp_path / "s"])
        assert len(study.differences) == 4
        said = [f"{name} is scored against other masks than its baseline, {ALONE}" for name in named]
        assert other_truths(study) == said


def test_what_only_one_group_is_scored_on_does_not_count(tmp_path: Path) -> None:
    runs = sweep(tmp_path / "s", "data.split_seed", (0, 1))
    for number, run in enumerate(runs):
        score_against(run, (A, B)[number // 2], {stem: f"{stem}" for stem in STEMS[number // 2 * 10 :][:30]})
    assert other_truths(read_study([tmp_path / "s"])) == []


@pytest.mark.parametrize(("key", "values", "count"), [("data.boundary", ("ignore", "foreground"), 1), *OTHERS])
def test_of_older_runs_the_boundary_alone_is_known(
    tmp_path: Path, key: str, values: tuple[Any, Any], count: int
) -> None:
    sweep(tmp_path / "s", key, values)
    assert len(other_truths(read_study([tmp_path / "s"]))) == count


def test_sizes_of_the_same_masks_are_compared_without_a_word(tmp_path: Path) -> None:
    runs = sweep(tmp_path / "s", "data.size", (32, 64))
    for number, run in enumerate(runs):
        # Of a large mask with soft edges, another size may show other levels.
        score_against(run, A, dict.fromkeys(STEMS, f"{number // 2}"))
    study = read_study([tmp_path / "s"])
    assert other_truths(study) == []
    assert data_of_runs(study) == [f"{A} (4 runs: {CONTENTS})"]


def test_each_reading_of_the_masks_has_a_text(tmp_path: Path) -> None:
    runs = sweep(tmp_path / "s", "data.boundary", ("background", "foreground"))
    for number, run in enumerate(runs):
        score_against(run, A, dict.fromkeys(STEMS, f"{number // 2}"))
    assert sorted(data_of_runs(read_study([tmp_path / "s"]))) == [
        f"{A} (2 runs: {CONTENTS}; data.boundary={rule})" for rule in ("background", "foreground")
    ]
    for run in runs:
        score_against(run, A, dict.fromkeys(STEMS, "same"))
    assert data_of_runs(read_study([tmp_path / "s"])) == [f"{A} (4 runs: {CONTENTS})"]
