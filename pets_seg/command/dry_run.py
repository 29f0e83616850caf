"""`dry_run=true`: which runs a command would train, how far each is, and how long they would take."""

import copy
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from pets_seg.command.finished import folder_of, unknown_precision
from pets_seg.command.jobs import adds_seeds, chosen_later, swept
from pets_seg.command.prepare import words_given
from pets_seg.command.schedule import count_jobs, work_of
from pets_seg.config.groups import IDENTITY
from pets_seg.config.identity import made_of, run_name
from pets_seg.config.plain import plain_parts
from pets_seg.config.sources import check_sources, source_digests
from pets_seg.data.decoded import Look, look_at
from pets_seg.errors import InputError, escaped, reason
from pets_seg.evaluation.metrics import missing_metrics
from pets_seg.launch.progress import last_end
from pets_seg.launch.slots import Slot
from pets_seg.machine import cuda
from pets_seg.machine.terminal import duration, width
from pets_seg.machine.world import this_world
from pets_seg.report.study.words import count
from pets_seg.run_folder.damage import damage
from pets_seg.run_folder.folder import RunFolder
from pets_seg.run_folder.lock import holder, is_held
from pets_seg.run_folder.names import METRICS, STATUS
from pets_seg.run_folder.pace import Work, seconds_left
from pets_seg.run_folder.reading import read_json
from pets_seg.run_folder.recorded_data import check_same_data

FINISHED, SCORE, CONTINUE, RUN = "finished", "to score", "to continue", "to run"
AWAY, REFUSED = "at work elsewhere", "refused"
WORDS = (FINISHED, SCORE, CONTINUE, RUN, AWAY, REFUSED)
NEEDED = [*IDENTITY, "metric", "existing"]
# The folder of a run, and the names that it may have where that is not known yet.
Place = tuple[Path, tuple[str, ...]]
PRECISIONS = ("fp32", "bf16", "fp16")


@dataclass(frozen=True)
class State:
    """How far a run is, one of WORDS, what stands behind that word, why it is so, and whether the run begins anew."""

    word: str
    more: str = ""
    why: str = ""
    anew: bool = False

    @property
    def in_table(self) -> str:
        """What fits into a column; why it is so stands beneath the table."""
        return f"{self.word} ({self.more})" if self.more else self.word


def end_dry_run(
    config: DictConfig, jobs: Sequence[DictConfig], finished: bool = False, slots: Sequence[Slot] = ()
) -> NoReturn:
    """Print what is known of checked jobs, all of them `finished` or not, and end the process.

    `slots` are those of the local launcher, if that runs the jobs. Nothing is trained, written, fetched or decoded.
    """
    if this_world().first:
        looks = _Looks()
        sweep = config.hydra.mode == RunMode.MULTIRUN
        lines = (
            _later(config, looks, slots)
            if sweep and chosen_later(config.hydra)
            else _listed(jobs, finished, looks, slots)
        )
        print("\n".join(["dry run: nothing is trained or written", *lines]))
        for lacking in dict.fromkeys(look.lacking for look in looks.values() if look.lacking):
            print(f"{lacking} first; its images and masks are checked only then")
    sys.exit()


class _Looks(dict[str, Look]):
    """What is known of the data of each job, by their settings."""

    def at(self, data: Mapping[str, Any]) -> Look:
        if (settings := str(data)) not in self:
            self[settings] = look_at(data)
        return self[settings]


def _listed(jobs: Sequence[DictConfig], finished: bool, looks: _Looks, slots: Sequence[Slot]) -> Iterator[str]:
    """Yield a table of the jobs, and what the runs that are not finished will take."""
    # Importing it takes half a second.
    from pets_seg.report.columns import Column, fitted

    places = [*map(_place, jobs)]
    folders = [folder for folder, _ in places]
    # Jobs may be the same run, which is trained once.
    runs: dict[Place, State] = {}
    work: dict[Place, Work] = {}
    for job, place in zip(jobs, places, strict=True):
        if place in runs:
            continue
        settings, (folder, _) = plain_parts(job, NEEDED), place
        runs[place] = state = State(FINISHED) if finished else _state(settings, folder, looks.at(settings["data"]))
        images = looks.at(settings["data"]).images if state.word in (CONTINUE, RUN) and not cuda.elsewhere else None
        if images:
            if state.anew:
                settings["existing"] = "restart"
            threads = slots[0].threads if slots else None
            work[place] = work_of(settings, folder, images, threads, this_world().size)
    times = dict(zip(work, seconds_left(folders[0].parent.parent, [*work.values()]), strict=True)) if work else {}
    seconds = [times.get(place) for place in places]
    columns = [
        Column("run", [folder.name for folder in folders]),
        Column("settings", swept([words_given(job) for job in jobs]), 2),
        Column("state", [runs[place].in_table for place in places]),
        Column("time", ["" if value is None else _about(value) for value in seconds], 1),
    ]
    yield from ("", f"{count_jobs(len(jobs))} in {folders[0].parent}", "", fitted(columns, width()), "")
    for (folder, _), state in runs.items():
        if state.why:
            yield f"{folder.name} {state.word}: {state.why}"
    counts = Counter(state.word for state in runs.values())
    yield ", ".join(f"{counts[word]} {word}" for word in WORDS if counts[word])
    if wanted := counts[CONTINUE] + counts[RUN]:
        yield _total(wanted, [value for value in times.values() if value is not None], len(slots))
    if any(folder.name.endswith("-?") for folder in folders):
        yield (
            "a name that ends in ? is not known yet: it depends on the precision, and train.precision=auto chooses "
            "that on the machine of the job"
        )


def _total(wanted: int, known: Sequence[float], slots: int) -> str:
    if cuda.elsewhere:
        return "how long they take is not known: they run elsewhere"
    if not known:
        return "how long they take is not known: no run like them was trained on this machine"
    part = f" for {len(known)} of {wanted} runs" if len(known) < wanted else " in all"
    # The launcher begins with the longest.
    seconds = last_end([0.0] * max(1, slots), sorted(known, reverse=True))
    where = f" in {count(slots, 'slot')}" if slots else ""
    return f"{_about(seconds)}{part}{where} by what earlier runs took here"


def _about(seconds: float) -> str:
    return f"about {duration(max(1, round(seconds)))}"


def _place(job: DictConfig) -> Place:
    """Return the run folder of a job, and the names that it may have where only the device elsewhere says which.

    Such a folder ends in ?, unless one of the names is there.
    """
    if job.hydra.mode != RunMode.MULTIRUN:
        return Path(job.hydra.run.dir), ()
    if not cuda.elsewhere or not unknown_precision(job):
        return folder_of(job), ()
    sweep, names = Path(job.hydra.sweep.dir), []
    for precision in PRECISIONS:
        there = copy.deepcopy(job)
        with read_write(there), open_dict(there):
            there.train.precision = precision
        names.append(run_name(there))
    begun = [name for name in names if (sweep / name).is_dir()]
    return sweep / (begun[0] if len(begun) == 1 else f"{names[0].rpartition('-')[0]}-?"), tuple(names)


def _state(config: Mapping[str, Any], folder: Path, look: Look) -> State:
    """Return how far a run is, as its files say, without a look into last.pt."""
    if is_held(folder):
        return State(AWAY, why=escaped(holder(folder).strip(" ()")))
    run, epochs = RunFolder(folder), config["train"]["epochs"]
    try:
        status = run.read_status()
        if config["existing"] == "restart":
            return State(RUN, "anew" if status else "", anew=True)
        done = status.get("state") == "finished"
        if look.index and (done or run.last.exists()):
            files = [file._asdict() for file in look.index.files]
            check_same_data(folder, status.get("data"), look.index.record(config["data"]["boundary"]), files)
        if done or run.last.exists():
            check_sources(folder, status.get("sources"), source_digests(made_of(config)))
        if done:
            if broken := damage(folder, status, run.read_summary(), epochs):
                # With its last state only its files are written again.
                return State(CONTINUE, why=broken) if run.last.exists() else State(RUN, "anew", broken, anew=True)
            missing = missing_metrics(config["metric"], status.get("metrics"))
            return State(SCORE, ", ".join(missing)) if missing else State(FINISHED)
        if not run.last.exists():
            return State(RUN, anew=True)
        return State(CONTINUE, f"{_epochs(run)} of {epochs} epochs")
    except InputError as error:
        # The job would end with it, and the others go on.
        return State(REFUSED, why=escaped(str(error)))
    # The folder may be a stranger's, and hold anything.
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        return State(
            REFUSED, why=f"its files cannot be read ({escaped(reason(error))}); existing=restart trains it again"
        )


def _epochs(run: RunFolder) -> int:
    with suppress(InputError):
        return len(run.read_rows(METRICS))
    return 0


def _later(config: DictConfig, looks: _Looks, slots: Sequence[Slot]) -> Iterator[str]:
    """Yield what is known of a sweep whose jobs are not: what is done in its folder, and what one of them takes."""
    folder = Path(config.hydra.sweep.dir)
    name = OmegaConf.select(config, "hydra.runtime.choices")["hydra/sweeper"]
    if adds_seeds(config.hydra):
        from pets_seg.command.sequential_dry_run import design_lines

        yield from design_lines(config)
        yield ""
    else:
        yield f"hydra/sweeper={name} chooses the jobs one by one while the sweep runs: they are not known yet"
    states = []
    for file in folder.glob(f"*/{STATUS}"):
        with suppress(ValueError):
            states.append(escaped(str(read_json(file).get("state"))[:50]))
    counts = Counter(states)
    said = ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
    yield f"runs in {folder}: {said or 'none'}"
    settings = plain_parts(config, [*IDENTITY, "existing"])
    images = looks.at(settings["data"]).images
    if images and not cuda.elsewhere:
        # No run has this name.
        [seconds] = seconds_left(
            folder.parent, [work_of(settings, folder / "?", images, slots[0].threads if slots else None)]
        )
        if seconds is not None:
            yield f"a job of the settings that all have in common takes {_about(seconds)} here"
