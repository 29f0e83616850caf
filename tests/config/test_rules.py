"""What a type annotation allows: values of the right kind and range, and a line that says what is expected."""

import math
from typing import Annotated, Any, Literal

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pets_seg.config.rules import Range, arguments_of, check_value, describe
from pets_seg.errors import InputError

SHARE = Annotated[float, Range(0, 1)]
SOME = Annotated[float, Range(0, 1, above=True)]
ALLOWED = [
    (3, int),
    (3, float),
    (True, bool),
    ("a", str),
    (None, str | None),
    (None, Annotated[int | None, Range(1, 8)]),
    (2, Annotated[int, Range(1, 8)] | None),
    ([0.1, 1], list[SHARE]),
    ([5e-324, 1], list[SOME]),
    ([None, 0.5], list[SHARE | None]),
    ([0.1, 0.9], tuple[SHARE, SHARE]),
    ([1, 2, 3], tuple[int, ...]),
    ([1, 2], Annotated[list[int], Range(1, 2)]),
    ("a", Literal["a", "b"]),
    ([3, "a"], list[Literal["a"] | int]),
    ({"a": 1}, dict[str, int]),
    ("anything", torch.nn.Module),
    (0.1, float | torch.Tensor),
    ({"a": 1}, Any),
]
REFUSED = [
    (True, int, "expected a whole number"),
    (1.5, int, "expected a whole number"),
    ("1", float, "expected a number"),
    (1, bool, "expected true or false"),
    (None, str, "k=null: expected a string"),
    (2024, str, "expected a string; as a string it is written k='\"2024\"'"),
    ("x", Annotated[int | None, Range(1, 8)], "expected a whole number or null"),
    (9, Annotated[int | None, Range(1, 8)], "must be from 1 to 8"),
    (math.nan, SHARE, "must be from 0 to 1"),
    (0, SOME, "k=0: must be above 0 and at most 1"),
    (1.01, SOME, "must be above 0 and at most 1"),
    (math.nan, SOME, "must be above 0 and at most 1"),
    (0.0, Annotated[float, Range(0, above=True)], "must be above 0 and finite"),
    (math.inf, Annotated[float, Range(0)], "must be 0 or more and finite"),
    ([0.1, 2], list[SHARE], "must be from 0 to 1"),
    ([0.1, "x"], list[SHARE], "expected a list of numbers"),
    ([0.1], tuple[SHARE, SHARE], "must hold 2 values"),
    ([1, 3], Annotated[list[int], Range(1, 2)], "must be from 1 to 2"),
    ("c", Literal["a", "cc"], "must be one of a, cc (did you mean cc?)"),
    ([3.5, "a"], list[Literal["a"] | int], "must be one of a"),
    ("fast", float | torch.Tensor, "expected a number"),
]


@pytest.mark.parametrize(("value", "annotation"), ALLOWED)
def test_a_value_that_fits_is_taken(value: Any, annotation: Any) -> None:
    check_value("k", value, annotation)


@pytest.mark.parametrize(("value", "annotation", "reason"), REFUSED)
def test_one_that_does_not_is_refused_with_the_rule(value: Any, annotation: Any, reason: str) -> None:
    with pytest.raises(InputError) as refused:
        check_value("k", value, annotation)
    assert reason in str(refused.value)
    assert str(refused.value).startswith("k=")


@given(st.integers() | st.floats(), st.integers(-100, 100), st.integers(0, 100))
def test_a_range_takes_just_the_finite_numbers_in_it(value: float, low: int, width: int) -> None:
    rule = Annotated[float, Range(low, low + width)]
    inside = math.isfinite(value) and low <= value <= low + width
    if inside:
        check_value("k", value, rule)
        return
    with pytest.raises(InputError):
        check_value("k", value, rule)


def test_a_kind_is_named_in_words() -> None:
    assert describe(list[float]) == "a list of numbers"
    assert describe(Annotated[int, Range(1)] | None) == "a whole number or null"
    assert describe(torch.nn.Module) == "another kind of value"


def test_arguments_are_those_that_an_option_may_set() -> None:
    def loss(
        logits: Any, mask: Any, gamma: "Annotated[float, Range(0)]" = 2.0, *, _hidden: int = 0, **more: Any
    ) -> None:
        """Annotations may be strings."""

    named, anything = arguments_of(loss, 2)
    assert list(named) == ["gamma"]
    assert anything
    check_value("k", 1, named["gamma"].annotation)
    with pytest.raises(InputError):
        check_value("k", -1, named["gamma"].annotation)
    assert list(arguments_of(lambda *parts, gamma=1: None, 2)[0]) == ["gamma"]
    assert list(arguments_of(torch.optim.SGD, 1)[0])[:2] == ["lr", "momentum"]
