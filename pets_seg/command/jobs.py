"""The jobs of a sweep, composed before the first one starts."""

import math
import re

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep
from hydra.errors import HydraException
from omegaconf import DictConfig

from pets_seg.command.messages import one_line
from pets_seg.command.sweeps import listed
from pets_seg.config.groups import GROUPS
from pets_seg.config.plain import plain
from pets_seg.errors import InputError

# Of one sweep: each is composed and checked before the first one starts.
MOST_JOBS = 10_000


def chosen_later(config: DictConfig) -> bool:
    """Whether another sweeper than Hydra's own chooses the jobs of this sweep, one by one while it runs."""
    return not config.hydra.sweeper._target_.endswith("BasicSweeper")


def compose_jobs(config: DictConfig) -> list[DictConfig]:
    """Compose the jobs of a sweep as Hydra's own sweeper will; if they are `chosen_later`, what is common to them.

    Raises InputError for a sweep without jobs or with too many, and for options that do not go together in one.
    """
    if chosen_later(config):
        return [config]
    loader = GlobalHydra.instance().config_loader()
    given = [f"{key}={value}" for key, value in listed(config).items()]
    given += plain(config.hydra.overrides.task, resolve=False)
    overrides = OverridesParser.create(config_loader=loader).parse_overrides(given)
    _check_sweep(overrides)
    if (size := config.hydra.sweeper.max_batch_size) is not None and size < 1:
        raise InputError(f"hydra.sweeper.max_batch_size={size}: must be 1 or more, or null")
    swept = {override.key_or_group: override.input_line for override in overrides if override.is_sweep_override()}
    groups = {group: line for group, line in swept.items() if group in GROUPS}
    [jobs] = BasicSweeper.split_arguments(overrides, max_batch_size=None)
    return [_compose(config, words, groups) for words in jobs]


def _compose(config: DictConfig, words: list[str], groups: dict[str, str]) -> DictConfig:
    """Compose the job of these words; `groups` are what the sweep writes for the groups that it is over."""
    chosen = {word.partition("=")[0]: word for word in words if word.partition("=")[0] in groups}
    try:
        job = GlobalHydra.instance().config_loader().load_sweep_config(config, words)
    except HydraException as error:
        # What Hydra 1.4 says of a job whose files hold a sweep.
        if "must be configured before the sweep starts" in str(error):
            raise _several_studies(groups, chosen) from None
        line = one_line(error)
        match = re.match(r"(\w+)\..*?: (?:belongs to|is not in this option)", line)
        if not match or match[1] not in chosen:
            raise
        option = chosen[match[1]]
        line = line.replace(f"the {match[1]} chosen", option).replace("this option", option)
        raise InputError(
            f"{line}; to sweep over it, take {option} out here and give it a command of its own with the same "
            "name=...: the report at the end of the later one compares all runs of that name"
        ) from None
    if listed(job) != listed(config):
        raise _several_studies(groups, chosen)
    return job


def _several_studies(groups: dict[str, str], chosen: dict[str, str]) -> InputError:
    study = " ".join(chosen.values())
    return InputError(
        f"{' '.join(groups.values())}: {study} lists a sweep of its own (hydra.sweeper.params), which a sweep over "
        f"such files would leave out; start them singly, this one as {study}"
    )


def _check_sweep(overrides: list[Override]) -> None:
    """Raise InputError for a sweep without jobs, or with too many."""
    counts: dict[str, float] = {}
    for override in overrides:
        # As in Hydra's sweeper, the last word on a key counts.
        counts[override.get_key_element()] = count = _count(override)
        if count < 1:
            raise InputError(f"{override.input_line}: has no value; a sweep needs one or more")
        if math.prod(counts.values()) > MOST_JOBS:
            raise InputError(
                f"{override.input_line}: brings the sweep to {math.prod(counts.values()):.6g} jobs, {MOST_JOBS} are "
                "the most; sweep over fewer values, or in several commands"
            )


def _count(override: Override) -> float:
    """Return the number of an override's values; those of a range are not listed, for no memory may hold them."""
    sweep = override.value()
    if isinstance(sweep, IntervalSweep):
        raise InputError(f"{override.input_line}: has no countable values; write range(...) or values with commas")
    if not isinstance(sweep, RangeSweep):
        return len(list(override.sweep_iterator())) if override.is_sweep_override() else 1
    try:
        return math.ceil((sweep.stop - sweep.start) / sweep.step)
    except OverflowError:
        return math.inf
    except (ZeroDivisionError, ValueError):
        raise InputError(
            f"{override.input_line}: is not a range; write range(start,stop,step), the step not 0"
        ) from None
