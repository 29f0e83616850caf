"""What a search may choose: the words of a command line as distributions of Optuna's."""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig

from pets_seg.command.jobs import MOST_JOBS, overrides_of
from pets_seg.errors import InputError

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Space = dict[str, "BaseDistribution"]


def read_space(config: DictConfig) -> tuple[Space, list[str]]:
    """Return what is searched, by key, and the words of all trials; InputError if nothing is, or the seed."""
    searched, others = {}, []
    for word, override in overrides_of(config).items():
        if override.is_interval_sweep() or (override.is_discrete_sweep() and _several(override)):
            searched[override.get_key_element()] = _distribution(word, override)
        else:
            others.append(override)
    if "seed" in searched:
        raise InputError("seed: cannot be searched, for the best seed is luck; give one, and run the best with others")
    if not searched:
        raise InputError(
            "hydra/sweeper=optuna: nothing is searched; give an interval or a list of values, e.g. "
            "'optimizer.lr=tag(log,interval(1e-4,1e-2))'"
        )
    [[words]] = BasicSweeper.split_arguments(others, max_batch_size=None)
    return searched, words


def in_words(values: Mapping[str, Any]) -> list[str]:
    """Return what a trial chose as words of a command line."""
    return [f"{key}={value}" for key, value in values.items()]


def ends(space: Space) -> list[dict[str, Any]]:
    """Return so many choices that each end of an interval and each value of a list is in one of them."""
    sides = {key: _ends(distribution) for key, distribution in space.items()}
    return [{key: side[i % len(side)] for key, side in sides.items()} for i in range(max(map(len, sides.values())))]


def described(space: Space) -> dict[str, str]:
    """Return what each key may be, as a text that is the same however it was written."""
    texts = {}
    for key, distribution in space.items():
        details = [name for name in ("log",) if getattr(distribution, name, False)]
        if step := getattr(distribution, "step", None):
            details.append(f"step {step}")
        joint = ", " if hasattr(distribution, "choices") else " to "
        texts[key] = joint.join(map(str, _ends(distribution))) + "".join(f" ({detail})" for detail in details)
    return texts


def _several(override: Override) -> bool:
    return len([*islice(override.sweep_iterator(), 2)]) > 1


def _distribution(word: str, override: Override) -> "BaseDistribution":
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    value: Any = override.value()
    if tags := set(getattr(value, "tags", ())) - ({"log"} if override.is_interval_sweep() else set()):
        raise InputError(f"{word}: an interval may have the tag log, and nothing else a tag; leave out {min(tags)}")
    try:
        if override.is_interval_sweep():
            low, high, log = value.start, value.end, "log" in value.tags
            if isinstance(low, int) and isinstance(high, int):
                return IntDistribution(low, high, log=log)
            return FloatDistribution(low, high, log=log)
        if override.is_choice_sweep():
            return CategoricalDistribution([*override.sweep_string_iterator()])
        numbers: list[Any] = [*islice(value.range(), MOST_JOBS + 1)]
        if len(numbers) > MOST_JOBS:
            raise ValueError(f"has more than {MOST_JOBS} values; give an interval")
        kind: Any = IntDistribution if all(isinstance(number, int) for number in numbers) else FloatDistribution
        return kind(min(numbers), max(numbers), step=abs(value.step))
    except ValueError as error:
        raise InputError(f"{word}: cannot be searched ({str(error).rstrip('.')})") from None


def _ends(distribution: Any) -> Sequence[Any]:
    return getattr(distribution, "choices", None) or (distribution.low, distribution.high)
