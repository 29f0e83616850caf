"""The rule of a setting: which values it takes, said by a type annotation."""

import inspect
import math
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pets_seg.errors import InputError, nearest

KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "a string", type(None): "null"}
LISTS = (list, tuple, Sequence)


@dataclass(frozen=True)
class Range:
    """The finite numbers from `low` to `high`, both included; None is no bound. It stands in an Annotated type.

    With `above` it does not include `low`.
    """

    low: float | None = None
    high: float | None = None
    above: bool = False

    def __str__(self) -> str:
        if self.low is None:
            return "finite" if self.high is None else f"{self.high} or less and finite"
        least = f"above {self.low}" if self.above else f"{self.low} or more"
        if self.high is None:
            return f"{least} and finite"
        return f"{least} and at most {self.high}" if self.above else f"from {self.low} to {self.high}"

    def holds(self, value: float) -> bool:
        """Return whether a number lies in it."""
        return (
            (self.low is None or value > self.low or (value == self.low and not self.above))
            and (self.high is None or value <= self.high)
            and abs(value) < math.inf
        )


def check_value(key: str, value: Any, annotation: Any) -> None:
    """Raise InputError unless `value` is what `annotation` says.

    Understood are int, float, bool, str, None, Literal, list, tuple, dict, unions of them, and Annotated with a Range;
    any other annotation takes every value.
    """
    if reason := _reason(value, annotation):
        number = isinstance(value, int | float) and not isinstance(value, bool) and "a string" in reason
        hint = f"; as a string it is written {key}='\"{value}\"'" if number else ""
        raise InputError(f"{key}={shown(value)}: {reason}{hint}")


def shown(value: Any) -> str:
    """Return the beginning of a value as a configuration has it."""
    if isinstance(value, list):
        return f"[{','.join(map(shown, value))}]"[:100]
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)[:100]


def describe(annotation: Any) -> str:
    """Return what kind of value an annotation stands for: "a whole number", "a list of numbers", "a string or null"."""
    kinds = [_kind(part) for part in _alternatives(annotation)]
    return " or ".join(dict.fromkeys(kind for kind in kinds if kind)) or "another kind of value"


def takes_one(annotation: Any) -> bool:
    """Return whether a setting takes a single number or word, so that several of them can only be a sweep."""
    return all(_bare(part)[0] in KINDS or _bare(part)[0] is Literal for part in _alternatives(annotation))


def takes_path(annotation: Any) -> bool:
    """Return whether a setting takes a path, or a list of them: whether Path is in its annotation."""
    return annotation is Path or any(takes_path(part) for part in get_args(annotation))


def arguments_of(target: Callable[..., Any], passed: int) -> tuple[dict[str, inspect.Parameter], bool]:
    """Return by name what a class or function takes beside the first `passed` arguments, and whether it takes any name.

    The annotations are resolved; one that cannot be is Any. What begins with _ is not for options.
    """
    parameters = list(inspect.signature(target).parameters.values())
    # What the package passes takes the first of them; *arguments takes all that is left.
    by_place = [item for item in parameters if item.kind in (item.POSITIONAL_ONLY, item.POSITIONAL_OR_KEYWORD)]
    parameters = [item for item in parameters if item not in by_place[:passed]]
    try:
        made_by = target.__init__ if isinstance(target, type) else target  # type: ignore[misc]  # It is a class's own.
        hints = get_type_hints(made_by, include_extras=True)
    # It may name what is imported for type checkers only.
    except Exception:
        hints = {}
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    named = [item for item in parameters if item.kind in kinds and not item.name.startswith("_")]
    anything = any(item.kind is item.VAR_KEYWORD for item in parameters)
    return {item.name: item.replace(annotation=hints.get(item.name, Any)) for item in named}, anything


def _reason(value: Any, annotation: Any) -> str:
    """Return why a value is not what an annotation says, or nothing."""
    fitting = [part for part in _alternatives(annotation) if _fits(value, part)]
    problems = [_problem(value, part) for part in fitting]
    if not fitting:
        return f"expected {describe(annotation)}"
    return problems[0] if all(problems) else ""


def _alternatives(annotation: Any) -> Sequence[Any]:
    if get_origin(annotation) is Annotated:
        inner, *extras = get_args(annotation)
        parts = _alternatives(inner)
        return [part if part in (type(None), Any) else Annotated[part, *extras] for part in parts]
    if get_origin(annotation) not in (Union, types.UnionType):
        return [annotation]
    parts = [part for whole in get_args(annotation) for part in _alternatives(whole)]
    # Of a number or a tensor, a file can only give the number.
    known = [part for part in parts if _bare(part)[0] in (*KINDS, *LISTS, dict, Literal)]
    return known if any(part is not type(None) for part in known) else [Any]


def _bare(annotation: Any) -> tuple[Any, tuple[Any, ...], list[Range]]:
    """Return the kind of an annotation that is no union, what it holds, and its ranges."""
    ranges: list[Range] = []
    if get_origin(annotation) is Annotated:
        annotation, *extras = get_args(annotation)
        ranges = [extra for extra in extras if isinstance(extra, Range)]
    annotation = type(None) if annotation is None else annotation
    return get_origin(annotation) or annotation, get_args(annotation), ranges


def _kind(annotation: Any) -> str:
    kind, inner, _ = _bare(annotation)
    if kind is Literal:
        return "a string"
    if kind in LISTS:
        item = describe(inner[0]) if inner else ""
        return f"a list of {item.removeprefix('a ')}s" if item.startswith("a ") else "a list"
    return "a mapping" if kind is dict else KINDS.get(kind, "")


def _fits(value: Any, annotation: Any) -> bool:
    kind, inner, _ = _bare(annotation)
    if kind is Literal:
        return isinstance(value, str | int | float | None)
    if kind in LISTS:
        return isinstance(value, list | tuple) and all(
            any(_fits(item, part) for part in _alternatives(wanted)) for item, wanted in _items(value, inner)
        )
    if kind is dict:
        return isinstance(value, Mapping)
    if kind not in KINDS:
        return True
    # To Python true is a whole number.
    whole = isinstance(value, int | float if kind is float else kind)
    return whole and (kind is bool or not isinstance(value, bool))


def _problem(value: Any, annotation: Any) -> str:
    """Return what is wrong with a value of the right kind, or nothing."""
    kind, inner, ranges = _bare(annotation)
    if kind is Literal and value not in inner:
        words = [shown(choice) for choice in inner]
        return f"must be one of {', '.join(words)}{nearest(str(value), words)}"
    if kind in LISTS:
        if kind is tuple and ... not in inner and len(value) != len(inner or value):
            return f"must hold {len(inner)} values"
        # A range beside a list is that of its items.
        problems = (
            _reason(item, Annotated[wanted, *ranges] if ranges else wanted) for item, wanted in _items(value, inner)
        )
        return next(filter(None, problems), "")
    broken = [limit for limit in ranges if not limit.holds(value)]
    return f"must be {broken[0]}" if broken else ""


def _items(values: Sequence[Any], inner: tuple[Any, ...]) -> list[tuple[Any, Any]]:
    """Return each value of a list with the annotation that it must fit."""
    wanted = [part for part in inner if part is not ...] or [Any]
    return [(value, wanted[min(index, len(wanted) - 1)]) for index, value in enumerate(values)]
