"""The design of a sequential sweep, from its command: groups, baseline, looks, and the runs that it will make."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from pets_seg.command.finished import unknown_precision
from pets_seg.command.jobs import compose_all, overrides_of, words_of
from pets_seg.command.prepare import without_hydra
from pets_seg.command.sweeps import listed
from pets_seg.config.groups import COMPARED
from pets_seg.config.identity import ADDED_LATER, resolved_identity, run_name
from pets_seg.config.plain import plain
from pets_seg.errors import InputError, nearest
from pets_seg.machine import cuda
from pets_seg.report.sequential.decisions import rule_of
from pets_seg.report.sequential.intervals import FUTILE
from pets_seg.report.study.groups import Group, find_baselines, group_runs
from pets_seg.report.study.runs import Run
from pets_seg.run_folder.design import Design, DesignGroup
from pets_seg.run_folder.folder import git_commit
from pets_seg.run_folder.reading import flat

Metric = Literal["test_dice", "val_dice", "test_iou"]
MOST_SEEDS = 1000
# A group fails when more than this share of its seeds has failed.
FAILING = 0.25
# The levels are simulated; a lesser share of alpha would rest on too few paths.
LEAST_ALPHA = 0.0005
# Standard deviations of the paired difference, in margins, for which the design says what futility costs.
DEVIATIONS = (1.0, 1.5, 2.0)
METHOD = (
    "repeated confidence intervals on paired differences (Jennison and Turnbull 1989), levels 2 (1 - Phi(C (n / "
    "N)^-0.25)), C by simulating the path of t; the widest of the intervals over seeds, over images, and over both; "
    "running intersection; alpha shared equally by the groups; equal by two one-sided tests"
)


@dataclass(frozen=True)
class Plan:
    """A design, and the words with which the jobs of each of its groups are launched, but for the seed."""

    design: Design
    words: dict[str, list[str]]
    jobs: list[DictConfig]


def plan_sweep(config: DictConfig) -> Plan:
    """Return what the command of a sequential sweep asks for; InputError for what is wrong with it."""
    settings = _settings(config)
    overrides = overrides_of(config)
    if any(item.key_or_group == "seed" for item in overrides.values()):
        where = "~hydra.sweeper.params.seed" if "seed" in listed(config) else "leave seed out"
        raise InputError(
            "seed: a sequential sweep chooses its seeds itself, as many as are needed; "
            f"{where}; hydra.sweeper.first_seed=N goes past the seeds of a pilot"
        )
    jobs = compose_all(config)
    if cuda.elsewhere and any(map(unknown_precision, jobs)):
        raise InputError(
            "train.precision=auto: depends on the machine of each job, and the design names its runs before; give "
            "train.precision=fp32, bf16 or fp16"
        )
    by_run = {run_name(job): job for job in jobs}
    runs = {name: _as_run(name, job) for name, job in by_run.items()}
    _, groups, _ = group_runs([*runs.values()])
    if len(groups) < 2:
        raise InputError(
            "hydra/sweeper=sequential: compares groups, and this sweep has one; give e.g. aug=none,elastic"
        )
    baselines = find_baselines(groups, plain(config.report.baseline))
    if not baselines:
        raise InputError(f"report.baseline={config.report.baseline}: leaves no group to compare; give another")
    _refuse_uncompared(groups, baselines, config.report.baseline)
    ordered = [*dict.fromkeys(baselines.values()), *(group for group in groups if group.name in baselines)]
    jobs_of = {group.name: by_run[group.runs[0].name] for group in ordered}
    seeds = [settings["first_seed"] + index for index in range(settings["max_seeds"])]
    declared = {
        group.name: DesignGroup(
            values=group.values,
            baseline=baselines[group.name].name if group.name in baselines else "",
            settings=_settings_of(jobs_of[group.name]),
            runs=_names(jobs_of[group.name], seeds),
        )
        for group in ordered
    }
    design = _design(declared, settings)
    if design.alpha / len(design.compared) < LEAST_ALPHA:
        raise InputError(
            f"hydra.sweeper.alpha={design.alpha}: is too little for {len(design.compared)} groups, whose share of it "
            f"must be {LEAST_ALPHA} or more; give more, or compare fewer groups"
        )
    return Plan(design, {name: words_of(config, job) for name, job in jobs_of.items()}, [*jobs_of.values()])


def with_costs(design: Design) -> Design:
    """Return a design that says what stopping for futility costs it."""
    from pets_seg.report.sequential.chances import cost_of_futility

    rule = rule_of(design)
    costs = {f"{ratio:g}": round(cost_of_futility(rule, ratio * rule.margin), 3) for ratio in DEVIATIONS}
    return replace(design, futility_costs=costs)


def _refuse_uncompared(groups: Sequence[Group], baselines: Mapping[str, Group], given: Any) -> None:
    """Raise InputError for a group that neither has a baseline nor is one of another group: it would get no verdict."""
    used = {group.name for group in baselines.values()}
    left = [group.name for group in groups if group.name not in baselines and group.name not in used]
    if left:
        more = f" (and {len(left) - 1} more)" if len(left) > 1 else ""
        keys = ",".join(f"{key}:VALUE" for key in groups[0].values)
        raise InputError(
            f"report.baseline={given!s:.100}: leaves {left[0]}{more} with no group to be compared with; give every key "
            f"a value, 'report.baseline={{{keys}}}', which compares all groups with one, or leave that group out"
        )


def _design(groups: dict[str, DesignGroup], settings: Mapping[str, Any]) -> Design:
    from pets_seg.report.sequential.levels import levels

    margin, metric = float(settings["margin"]), settings["metric"]
    compared = [name for name, group in groups.items() if group.baseline]
    looks = [*range(settings["first_look"], settings["max_seeds"], settings["look_every"]), settings["max_seeds"]]
    critical = {
        name: {
            str(pairs): round(value, 3)
            for pairs, value in levels(tuple(looks), alpha, len(compared)).critical().items()
        }
        for name, alpha in (("different", settings["alpha"]), ("equal", 2 * settings["alpha"]))
    }
    against = " or ".join(dict.fromkeys(group.baseline for group in groups.values() if group.baseline))
    git = git_commit()
    return Design(
        question=f"Is {metric} of {', '.join(compared)} better or worse than that of {against}, or the same within "
        f"{margin:g} point{'' if margin == 1 else 's'}?",
        groups=groups,
        metric=metric,
        margin=margin,
        alpha=settings["alpha"],
        first_seed=settings["first_seed"],
        looks=looks,
        futility=FUTILE,
        fails=FAILING,
        method=METHOD,
        critical_values=critical,
        when=datetime.now(UTC).isoformat(timespec="seconds"),
        commit=f"{git['commit']}{' and changes' if git['dirty'] else ''}" if git else "",
    )


def _settings(config: DictConfig) -> dict[str, Any]:
    """Return the settings of the sweeper; InputError for one that is wrong."""
    node = plain(config.hydra.sweeper, resolve=True)
    if node["margin"] is None:
        raise InputError(
            "hydra.sweeper.margin: is needed: the difference that is not worth having, in points (hundredths) of "
            f"{node['metric']}, e.g. hydra.sweeper.margin=1"
        )
    for key in ("margin", "sd"):
        value = node[key]
        if value is not None and (type(value) not in (int, float) or not 0 < value < 100):
            raise InputError(f"hydra.sweeper.{key}={value}: must be a number of points above 0 and below 100")
    for key, least in (("max_seeds", 2), ("first_look", 2), ("look_every", 1), ("first_seed", 0)):
        most = 2**31 if key == "first_seed" else MOST_SEEDS
        if type(value := node[key]) is not int or not least <= value <= most:
            raise InputError(f"hydra.sweeper.{key}={value}: must be a whole number from {least} to {most}")
    if node["first_look"] > node["max_seeds"]:
        raise InputError(
            f"hydra.sweeper.first_look={node['first_look']}: must not be more than max_seeds ({node['max_seeds']})"
        )
    if type(alpha := node["alpha"]) is not float or not 0.001 <= alpha <= 0.2:
        raise InputError(f"hydra.sweeper.alpha={alpha}: must be a number from 0.001 to 0.2")
    if (metric := node["metric"]) not in get_args(Metric):
        raise InputError(
            f"hydra.sweeper.metric={metric}: must be one of {', '.join(get_args(Metric))}"
            f"{nearest(str(metric), get_args(Metric))}"
        )
    return node


def _as_run(name: str, job: DictConfig) -> Run:
    """Return the run that a job will make, so that groups are named as those of finished runs are."""
    options = {group: OmegaConf.select(job, f"{group}.name") for group in COMPARED}
    settings = ADDED_LATER | flat(resolved_identity(job))
    return Run(Path(name), "finished", None, job.seed, options, settings, {}, {})


def _settings_of(job: DictConfig) -> dict[str, Any]:
    """Return what makes a run of a group what it is, but for the seed; a key of a later version adds nothing to it."""
    return {key: value for key, value in flat(resolved_identity(job)).items() if key != "seed"}


def _names(job: DictConfig, seeds: Sequence[int]) -> list[str]:
    """Return the name of the run of each seed."""
    bare = without_hydra(job)
    names = []
    for seed in seeds:
        own = copy.deepcopy(bare)
        with read_write(own), open_dict(own):
            own.seed = seed
        names.append(run_name(own))
    return names
