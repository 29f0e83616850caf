"""When a sweep counts as factorial, and what its factors and cells are."""

from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from sweeps import SMALL, write_sweep

from pets_seg.report.limits import remarks
from pets_seg.report.sentences import answer
from pets_seg.report.study.factorial import Factorial, find_factorial
from pets_seg.report.study.groups import Group
from pets_seg.report.study.study import read_study

NETWORKS, AUGS = ("unet", "resnet34_unet"), ("none", "elastic", "crop")


def group(values: dict[str, Any], finished: bool = True, data: str = "") -> Group:
    runs: Any = ["a run"] if finished else []
    return Group(" ".join(f"{key}={value}" for key, value in values.items()), values, runs, runs, data)


def crossed(factors: dict[str, tuple[Any, ...]], missing: tuple[tuple[Any, ...], ...] = ()) -> list[Group]:
    cells = product(*factors.values())
    return [group(dict(zip(factors, cell, strict=True)), cell not in missing) for cell in cells]


def found(groups: list[Group], *baselines: Group) -> Factorial | None:
    given = baselines or [next(item for item in groups if item.finished)]
    return find_factorial(groups, {str(index): base for index, base in enumerate(given)})


TWO = {"model": NETWORKS, "aug": AUGS}
THREE = {"model": NETWORKS, "aug": AUGS, "optimizer.lr": (0.1, 0.01)}
MISSING = ("resnet34_unet", "crop")


@pytest.mark.parametrize(
    ("groups", "factorial"),
    [
        (crossed(TWO), True),
        (crossed(THREE), True),
        (crossed({f"k{index}": (0, 1) for index in range(4)}), True),
        (crossed(TWO, missing=(MISSING,)), True),
        # One factor, or one with runs of a single level alone.
        (crossed({"aug": AUGS}), False),
        (crossed(TWO, missing=tuple(("resnet34_unet", aug) for aug in AUGS)), False),
        # One setting changed at a time: there is nothing to average over.
        (crossed({"model": NETWORKS, "aug": ("none", "crop")}, missing=(MISSING,)), False),
        ([group({"a": a, "b": b}) for a, b in ((0, 0), (1, 0), (2, 0), (0, 1), (0, 2))], False),
        # Half of all combinations, of which no two differ in one factor alone.
        ([group({"a": a, "b": b, "c": a ^ b}) for a in (0, 1) for b in (0, 1)], False),
        # Values drawn at random, which no two share.
        ([group({"lr": 0.1 * index, "width": 7 * index % 5}) for index in range(5)], False),
        # A width that one network alone has.
        (
            [
                group({"model": model, "model.width": width, "aug": aug})
                for model, width in (("unet", 8), ("unet", 16), ("resnet34_unet", None))
                for aug in AUGS
            ],
            False,
        ),
        # Two settings that go together are one.
        ([group({"model": name, "train.batch_size": len(name)}) for name in NETWORKS], False),
        # Fewer than half of the combinations.
        ([group({"a": a, "b": b}) for a, b in product(range(9), repeat=2) if a < 2 > b or a == 0 or b == 0], False),
    ],
)
def test_which_sweeps_are_factorial(groups: list[Group], factorial: bool) -> None:
    assert (found(groups) is not None) == factorial


def test_factors_have_the_base_level_first_and_settings_that_go_together_are_one() -> None:
    sizes = dict(zip(NETWORKS, (20, 60), strict=True))
    groups = [
        group({"model": model, "aug": aug, "train.batch_size": sizes[model], "optimizer.lr": rate})
        for model, aug, rate in product(NETWORKS, AUGS, (1.0, 0.1, 0.01))
    ]
    base = groups[10]
    design = found(groups, base)
    assert base.values == {"model": "resnet34_unet", "aug": "none", "train.batch_size": 60, "optimizer.lr": 0.1}
    assert [(factor.key, factor.along, factor.levels) for factor in design.factors] == [
        ("model", ("train.batch_size",), ("resnet34_unet", "unet")),
        ("aug", (), AUGS),
        ("optimizer.lr", (), ("0.1", "0.01", "1.0")),
    ]
    assert all(factor.has_base for factor in design.factors)
    assert len(design.cells) == 18
    assert design.cells[0, 0, 0] is base
    for place, cell in design.cells.items():
        texts = [factor.levels[index] for factor, index in zip(design.factors, place, strict=True)]
        assert texts == [str(cell.values[factor.key]) for factor in design.factors]


def test_a_factor_in_which_baselines_differ_is_averaged_over_alone() -> None:
    groups = crossed(TWO)
    design = found(groups, *(item for item in groups if item.values["aug"] == "none"))
    assert [(factor.key, factor.has_base) for factor in design.factors] == [("model", False), ("aug", True)]


def test_groups_of_other_data_are_in_no_cell() -> None:
    groups = [group(item.values, data="3fa2c1") for item in crossed(TWO)]
    groups += [group({"model": "unet", "aug": "strong"}, data="9b01d4")]
    assert found(groups).factors[1].levels == AUGS
    assert len(found(groups).cells) == 6


def test_levels_that_are_written_alike_or_shared_by_factors_are_told_apart() -> None:
    design = found(crossed({"aug": ("none", "crop"), "loss": ("none", "dice"), "x": (1, "1", True)}))
    assert design.factors[2].levels == ("1", "'1'", "true")
    assert [design.level(design.factors[0], level) for level in ("none", "crop")] == ["aug=none", "crop"]
    assert design.named((None, 0, 2)) == "loss=none x=true"


def test_a_sequential_sweep_has_neither_main_effects_nor_interactions(tmp_path: Path) -> None:
    groups = {
        str(item.values): {"config": {f"{key}.name": name for key, name in item.values.items()}}
        for item in crossed({"model": NETWORKS, "aug": ("none", "crop")})
    }
    write_sweep(tmp_path / "s", groups, **SMALL)
    study = read_study([tmp_path / "s"])
    assert (len(study.main_effects), len(study.interactions)) == (2, 1)
    design: Any = object()
    looked = replace(study, design=design)
    assert (looked.factorial, looked.main_effects, looked.interactions) == (None, [], [])


def test_a_sweep_that_is_not_factorial_says_so(tmp_path: Path) -> None:
    pairs = {"a": ("unet", "none"), "b": ("unet", "crop"), "c": ("resnet34_unet", "none")}
    groups = {name: {"config": {"model.name": model, "aug.name": aug}} for name, (model, aug) in pairs.items()}
    write_sweep(tmp_path / "s", groups, **SMALL)
    study = read_study([tmp_path / "s"])
    assert study.main_effects == []
    assert not any("Averaged" in said for said in answer(study))
    [said] = remarks(study)
    assert said.startswith("The groups differ in model and aug, but have too few of the combinations of these")
