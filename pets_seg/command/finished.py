"""Runs that are finished: a sweep of nothing else is answered without torch, whose import takes seconds."""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from pets_seg.command.after_run import show_result
from pets_seg.command.jobs import chosen_later, swept
from pets_seg.command.own_masks import tell_of_masks
from pets_seg.command.prepare import without_hydra, words_given
from pets_seg.config.checks import check
from pets_seg.config.groups import GROUPS
from pets_seg.config.identity import identity, made_of
from pets_seg.config.parts import allow
from pets_seg.config.sources import check_sources, read_digests
from pets_seg.config.weights import named_weights, with_digest
from pets_seg.data import Index
from pets_seg.data.decoded import known_index
from pets_seg.errors import InputError
from pets_seg.evaluation.metrics import metric_digest
from pets_seg.machine import cuda
from pets_seg.machine.device import with_precision
from pets_seg.machine.terminal import from_here
from pets_seg.run_folder.config_file import given_paths, read_config
from pets_seg.run_folder.damage import damage
from pets_seg.run_folder.folder import RunFolder, git_commit
from pets_seg.run_folder.lock import is_held
from pets_seg.run_folder.names import CONFIG
from pets_seg.run_folder.recorded_data import check_same_data
from pets_seg.tracking.tracker import check_tracker, finished_already

# Groups whose parts were tried when a run was trained with them; those of the others are used here.
TRIED = [group for group, about in GROUPS.items() if about.passed is not None and group not in ("data", "tracker")]
log = logging.getLogger("pets_seg")


@dataclass(frozen=True)
class Finished:
    """A run that is finished, its summary, the tracker of the command, and what has to be said of the run, if it is."""

    folder: Path
    summary: dict[str, Any]
    tracker: dict[str, Any]
    remarks: list[str] = field(default_factory=list)


class Finder:
    """Finds the finished runs of the jobs of a sweep; what the jobs have in common is looked at once."""

    def __init__(self) -> None:
        # By their settings; None where something has to be decoded.
        self.data: dict[str, Index | None] = {}
        self.trackers: set[str] = set()
        self.commit = cache(git_commit)

    def find(self, job: DictConfig, folder: Path, words: Sequence[str]) -> Finished | None:
        """Return the run of a job if training, asked for it, would find nothing to do; None if it has to look.

        That is a run of the same configuration, data and code, whose files are whole and have all metrics. `job` is a
        configuration without Hydra's own, `words` those of the command. Raises InputError for settings that training
        refuses, as far as it can be told without the parts that the run was trained with.
        """
        config = with_digest(check(job, trained=TRIED))
        # The masks on the page are predicted by parts of one's own, too.
        allow(config)
        if config["existing"] == "restart" or config["replay"] is not None:
            return None
        config = config if cuda.elsewhere else with_precision(config)
        run = RunFolder(folder)
        try:
            status, summary = run.read_status(), run.read_summary()
            if status.get("state") != "finished" or is_held(folder) or not _is_of(config, read_config(folder / CONFIG)):
                return None
            if damage(folder, status, summary, config["train"]["epochs"]) or not _has_code(config, status):
                return None
            # A run that was killed may have left it.
            if run.last.exists() and not config["train"]["keep_state"]:
                return None
            if (index := self._index(config["data"])) is None:
                return None
            now, files = index.record(config["data"]["boundary"]), [file._asdict() for file in index.files]
            decoded = check_same_data(folder, status.get("data"), now, files)
        # What is wrong with a run, the job says; it may be a stranger's, and hold anything.
        except (InputError, LookupError, TypeError, ValueError, AttributeError):
            return None
        if (settings := json.dumps(config["tracker"], sort_keys=True, default=str)) not in self.trackers:
            self.trackers.add(settings)
            check_tracker(config["tracker"], False)
        index.refuse_unused_range()
        tell_of_masks(index, config["data"], words)
        remarks = [line for line in (other_commit(status, self.commit), decoded) if line]
        return Finished(folder, summary, config["tracker"], remarks)

    def _index(self, data: Mapping[str, Any]) -> Index | None:
        if (settings := json.dumps(data, sort_keys=True, default=str)) not in self.data:
            self.data[settings] = known_index(data)
        return self.data[settings]


def find_finished(config: DictConfig, jobs: Sequence[DictConfig]) -> list[Finished]:
    """Return the runs of the jobs of a sweep if all are finished, otherwise nothing; raises as `Finder.find`."""
    # What a sweeper chooses later is not known, nor on which device a job computes elsewhere, and so what its run is.
    if chosen_later(config.hydra) or (cuda.elsewhere and any(unknown_precision(job) for job in jobs)):
        return []
    finder, found = Finder(), []
    for job in jobs:
        run = finder.find(without_hydra(job), folder_of(job), words_given(job))
        if run is None:
            return []
        found.append(run)
    return found


def unknown_precision(job: DictConfig) -> bool:
    """Return whether only the device of a job says in which precision it computes."""
    return bool(OmegaConf.select(job, "train.precision") == "auto")


def folder_of(job: DictConfig) -> Path:
    """Return the run folder of a job of a sweep."""
    return Path(job.hydra.sweep.dir) / job.hydra.sweep.subdir


def show_finished(runs: Sequence[Finished], given: Sequence[Sequence[str]]) -> None:
    """Print of each job what it would: which one it is, that its run is finished, and the figures of that.

    `given` are the words of each job.
    """
    if len(runs) > 1:
        print(f"{len(runs)} jobs")
    for number, (run, settings) in enumerate(zip(runs, swept(given), strict=True), 1):
        if len(runs) > 1:
            print(f"\njob {number}/{len(runs)}{f': {settings}' if settings else ''}")
        for remark in run.remarks:
            log.warning(remark)
        tell_of_finished(run.folder)
        finished_already(run.tracker, run.folder, rescored=False)
        show_result(run.summary)


def tell_of_finished(folder: Path) -> None:
    """Log that a run is finished."""
    log.info(f"{from_here(folder)}: finished already (existing=restart trains it again)")


def is_damaged(run: RunFolder, status: Mapping[str, Any], summary: Mapping[str, Any], epochs: int) -> bool:
    """Return whether the files of a finished run are not whole (`damage`), and log what of them is not."""
    broken = damage(run.path, status, summary, epochs)
    if broken:
        then = "its files are written again from last.pt" if run.last.exists() else "it is trained again"
        log.warning(f"{from_here(run.path)}: was finished, but {broken}; {then}")
    return bool(broken)


def other_commit(status: Mapping[str, Any], asked: Callable[[], Mapping[str, Any] | None]) -> str:
    """Return what to say of a run that was begun with another commit than that of the code now, "" if it was not.

    `asked` returns what `git_commit` does.
    """
    git = status.get("git")
    commit = git.get("commit") if isinstance(git, dict) else None
    if not commit or not (now := asked()) or commit == now["commit"]:
        return ""
    return f"this run was begun with commit {str(commit)[:10]}, the code is now at {now['commit'][:10]}"


def _is_of(config: Mapping[str, Any], kept: dict[str, Any]) -> bool:
    """Return whether a run whose config.yaml holds `kept` is that of a configuration, its precision resolved."""
    for key, path in given_paths(kept).items():
        group, _, name = key.rpartition(".")
        if group in kept:
            kept[group] = {**kept[group], name: path}
    # Of weights that a run starts or learns from this decides which are refused.
    allowed = not named_weights(config) or kept.get("allow_trained") == config["allow_trained"]
    return allowed and identity(config) == identity(kept)


def _has_code(config: Mapping[str, Any], status: Mapping[str, Any]) -> bool:
    """Return whether a run has all metrics of a configuration, and its code of one's own is as it was."""
    metrics = config["metric"] or {}
    recorded = status.get("source_files")
    digests = read_digests(made_of(config), recorded)
    if digests is None:
        return False
    check_sources(Path(), status.get("sources"), digests)
    known = status.get("metrics")
    for name, node in metrics.items():
        code = read_digests(node, recorded)
        record = known.get(name) if isinstance(known, Mapping) else None
        if code is None or not isinstance(record, Mapping) or record.get("digest") != metric_digest(node, code):
            return False
    return True
