"""The jobs of a sweep, composed before the first one starts."""

import copy
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import islice
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, RangeSweep
from hydra.errors import HydraException
from omegaconf import DictConfig

from pets_seg.command.messages import one_line
from pets_seg.command.sweeps import listed
from pets_seg.config.groups import GROUPS
from pets_seg.config.plain import plain
from pets_seg.errors import InputError

# Hydra takes sweepers from the modules below hydra_plugins alone, so that ours is registered under such a name.
SEQUENTIAL = "hydra_plugins.pets_seg.SequentialSweeper"
# Of one sweep: each is composed and checked before the first one starts.
MOST_JOBS = 10_000


def chosen_later(hydra: Any) -> bool:
    """Whether another sweeper than Hydra's own chooses the jobs of this sweep, one by one while it runs."""
    return hydra.sweeper._target_ != f"{BasicSweeper.__module__}.{BasicSweeper.__name__}"


def adds_seeds(hydra: Any) -> bool:
    """Whether the sweeper is the sequential one (`command.sequential`)."""
    return bool(hydra.sweeper._target_ == SEQUENTIAL)


def compose_jobs(config: DictConfig) -> list[DictConfig]:
    """Compose the jobs of a sweep as Hydra's own sweeper will; if they are `chosen_later`, what is common to them.

    Raises InputError for a sweep without jobs or with too many, and for options that do not go together in one.
    """
    return [config] if chosen_later(config.hydra) else compose_all(config)


def compose_all(config: DictConfig) -> list[DictConfig]:
    """Compose a job for every combination of what is swept over; raises as `compose_jobs`."""
    overrides = overrides_of(config)
    swept = {word: item for word, item in overrides.items() if item.is_sweep_override()}
    if endless := [word for word, item in swept.items() if item.is_interval_sweep()]:
        raise InputError(
            f"{endless[0]}: a sweep takes values one by one; list them, or search the interval with "
            "hydra/sweeper=optuna"
        )
    # A range is not listed whole, nor shuffled, which lists it: no memory may hold it.
    sweeps = [
        v.range() if isinstance(v := item.value(), RangeSweep) else item.sweep_iterator() for item in swept.values()
    ]
    jobs = math.prod(len(list(islice(values, MOST_JOBS + 1))) for values in sweeps)
    if not 1 <= jobs <= MOST_JOBS:
        raise InputError(f"{' '.join(swept)}: a sweep has 1 to {MOST_JOBS} jobs, this one {'more' if jobs else 'none'}")
    groups = {item.key_or_group: word for word, item in swept.items() if item.key_or_group in GROUPS}
    [batch] = BasicSweeper.split_arguments([*overrides.values()], max_batch_size=None)
    # Before the first job it would compose each once more, only to see that it can be done.
    sweeper: Any = BasicSweeper
    sweeper.validate_batch_is_legal = _composed_already
    with _files_read_once(GlobalHydra.instance().config_loader()):
        return [compose_job(config, words, groups) for words in batch]


def overrides_of(config: DictConfig) -> dict[str, Override]:
    """Return the overrides of a sweep by word; as in Hydra's sweeper, the last word on a key counts."""
    loader = GlobalHydra.instance().config_loader()
    given = [f"{key}={value}" for key, value in listed(config).items()]
    given += plain(config.hydra.overrides.task, resolve=False)
    overrides = OverridesParser.create(config_loader=loader).parse_overrides(given)
    last = {item.get_key_element(): (word, item) for word, item in zip(given, overrides, strict=True)}
    return dict(last.values())


def _composed_already(sweeper: BasicSweeper, batch: Sequence[Sequence[str]]) -> None:
    """Take the place of a sweeper's check that its jobs can be composed."""


@contextmanager
def _files_read_once(loader: Any) -> Iterator[None]:
    """Let what `loader` composes share the files that it reads, which takes a third of the time of each job."""

    def remembering(load: Callable[[str], Any]) -> Callable[[str], Any]:
        read = cache(load)
        # Composing changes what it gets.
        return lambda config_path: copy.deepcopy(read(config_path))

    sources = loader.repository.sources
    for source in sources:
        source.load_config = remembering(source.load_config)
    try:
        yield
    finally:
        for source in sources:
            del source.load_config


def words_of(config: DictConfig, job: DictConfig) -> list[str]:
    """Return what a composed job is launched with, beside what is common to all jobs of its sweep."""
    common = plain(config.hydra.overrides.hydra, resolve=False)
    return [
        *(word for word in plain(job.hydra.overrides.hydra, resolve=False) if word not in common),
        *plain(job.hydra.overrides.task, resolve=False),
    ]


def swept(jobs: Sequence[Sequence[str]]) -> list[str]:
    """Return of each job, by its words, those that not all jobs have."""
    common = set.intersection(*map(set, jobs)) if jobs else set()
    return [" ".join(word for word in words if word not in common) for words in jobs]


def compose_job(config: DictConfig, words: Sequence[str], groups: Mapping[str, str]) -> DictConfig:
    """Compose the job of these words; `groups` are what the sweep writes for the groups that it is over."""
    chosen = {word.partition("=")[0]: word for word in words if word.partition("=")[0] in groups}
    try:
        job = GlobalHydra.instance().config_loader().load_sweep_config(config, [*words])
    except HydraException as error:
        # What Hydra 1.4 says of a job whose files hold a sweep.
        if "must be configured before the sweep starts" in str(error):
            raise _several_studies(groups, chosen) from None
        line = one_line(error)
        match = re.match(r"(\w+)\..*?: (?:belongs to|is not in this option)", line)
        if not match or match[1] not in chosen:
            raise
        option = chosen[match[1]]
        raise InputError(
            f"{line} (with {option}); run {option} in a separate command with the same name=..., whose report then "
            "compares all runs of that name"
        ) from None
    if listed(job) != listed(config):
        raise _several_studies(groups, chosen)
    return job


def _several_studies(groups: Mapping[str, str], chosen: Mapping[str, str]) -> InputError:
    study = " ".join(chosen.values())
    return InputError(
        f"{' '.join(groups.values())}: {study} lists a sweep of its own (hydra.sweeper.params), which a sweep over "
        f"such files would ignore; run each file in its own command, this one as {study}"
    )
