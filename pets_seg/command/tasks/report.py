"""task=report: compare runs, on a page of their own and in tables."""

import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from pets_seg.command.arguments import key_of, typed
from pets_seg.command.next_sweep import proposal
from pets_seg.config.checks import check
from pets_seg.config.options import own_option
from pets_seg.config.parts import allow
from pets_seg.config.plain import plain
from pets_seg.errors import InputError, escaped
from pets_seg.machine.files import write_text
from pets_seg.report.factor_table import factor_tables
from pets_seg.report.limits import remarks
from pets_seg.report.made_of import MADE_OF, digest, files_digest, is_made_of, stamps
from pets_seg.report.origin import origin
from pets_seg.report.predicted import draw_examples
from pets_seg.report.search import next_command, only_trials, trials_table
from pets_seg.report.sentences import answer, progress
from pets_seg.report.sequential.words import design_table, verdicts_table
from pets_seg.report.study.runs import Run, run_folders
from pets_seg.report.study.study import Study, read_study
from pets_seg.report.sweep import show_comparison, show_sweep
from pets_seg.report.tables import Table, cost_table, course_table, main_table, markdown, write_tables
from pets_seg.report.wandb_report import check_account, save_report
from pets_seg.run_folder.data_record import DATA_DIGEST
from pets_seg.run_folder.lock import check_writable
from pets_seg.run_folder.names import PAGE
from pets_seg.tracking.wandb_names import project_name, recorded, sweep_place

log = logging.getLogger("pets_seg")


def prepare(cfg: DictConfig, overrides: Sequence[str]) -> None:
    """Raise InputError for a setting out of its range, or folders that are not there or cannot be written."""
    # The model and the data are those of the runs: here they are not built.
    config = check(cfg, named=("model", "data"))
    allow(config)
    for group in {*map(key_of, overrides)} & {"model", "data"}:
        if own_option(group, config[group]["name"]):
            raise InputError(
                f"{group}={config[group]['name']}: has no place with task=report, which compares runs; give only "
                "options of your own, so that masks of the runs that have them can be drawn"
            )
    folders = _folders(config["runs"])
    for folder in folders:
        run_folders(folder)
    check_writable(folders[0])
    if config["report"]["wandb"]:
        check_account()


def run(cfg: DictConfig) -> float:
    """Write the report into the first folder of `runs`, print the comparison, and return the number of runs.

    The comparison is printed even if the files cannot be written.
    """
    folders = _folders(plain(cfg.runs))
    study = read_study(folders, plain(cfg.report.baseline))
    if study.design and cfg.report.baseline is not None:
        raise InputError("report.baseline: that of a sequential sweep is in its design; leave it out")
    if not study.runs:
        reasons = "; ".join(f"{item.what}: {item.why}" for item in study.left_out[:3])
        problem = f"holds no run that can be read ({reasons})" if reasons else "holds no run"
        raise InputError(f"runs={folders[0]}: {problem}; give the folder of a sweep, e.g. runs=runs/default")
    print(progress(study))
    _conclude(study, cfg, partial(show_comparison, study))
    return float(len(study.runs))


def read_sweep(cfg: DictConfig) -> tuple[Study, str]:
    """Read the folder of a sweep; if no group is the baseline asked for, the simplest is taken, and a line says so."""
    folder = Path(cfg.hydra.sweep.dir)
    try:
        return read_study([folder], plain(cfg.report.baseline)), ""
    except InputError as error:
        return read_study([folder]), str(error)


def end_sweep(cfg: DictConfig, runs: Sequence[str], not_done: Mapping[str, str]) -> bool:
    """Make the report of a sweep and print its `runs` and their comparison; return whether all of them are finished.

    `not_done` are the runs of this command's jobs that it did not finish, and why.
    """
    folder = Path(cfg.hydra.sweep.dir)
    if not folder.is_dir():
        return False
    files = stamps(folder)
    study, problem = read_sweep(cfg)
    made_of = digest(study, files, plain(cfg.report))
    if problem:
        print(f"{problem}; the simplest group is the baseline", file=sys.stderr)
    finished = _conclude(
        study, cfg, lambda page, wandb: show_sweep(study, runs, page, wandb or sweep_place(folder), not_done), made_of
    )
    for run in study.runs:
        if run.finished and run.name in not_done:
            print(f"\n{run.name} not done now, and shown with its former figures: {not_done[run.name]}")
    if finished and (command := proposal(study, cfg, runs, typed)):
        print(f"\n{command}")
    return finished


def _conclude(
    study: Study, cfg: DictConfig, show: Callable[[Path | None, str | None], Any], made_of: str | None = None
) -> Any:
    """Make the page and, with report.wandb, the report in W&B; call `show` even if they cannot be written.

    A page that is `made_of` this already stays as it is.
    """
    page = wandb = None
    try:
        if study.runs and made_of and is_made_of(study.folders[0], made_of):
            page = study.folders[0] / PAGE
        elif study.runs:
            page = make_report(study, cfg.report.reference, made_of)
        if study.runs and cfg.report.wandb:
            wandb = publish(study, cfg.tracker.get("project"))
    finally:
        shown = show(page, wandb)
    return shown


def make_report(study: Study, reference: bool = False, made_of: str | None = None) -> Path:
    """Write the tables of figures, report.md, figures/ and report.html into the study's first folder.

    report.md says what all of them are `made_of`.
    """
    from pets_seg.report.page import write_page
    from pets_seg.report.plotting.files import pictures

    folder = study.folders[0]
    write_tables(study, folder)
    examples, reason, lasting = draw_examples(study)
    said, noted, tables = answer(study), [progress(study), *remarks(study)], tables_of(study)
    notes = [*noted, *([f"No test images are shown: {reason}."] if reason else [])]
    made = origin(study, typed)
    page = write_page(study, folder, said, tables, examples, notes, made, reference, gallery=True)
    # Written last. Images that could not be had now may be there the next time.
    made_line = MADE_OF.format(made_of, files_digest(folder)) if made_of and lasting else ""
    text = document(study, [*said, *_next(study), *noted], tables, made, pictures(folder))
    write_text(folder / "report.md", text + made_line)
    return page


def publish(study: Study, given: str | None) -> str:
    """Make or renew the study's report in W&B, in the project of its runs or the `given` one; return its address."""
    if study.searches:
        raise InputError("report.wandb=true: the trials of a search are no seeds and are not compared; leave it out")
    records = [record for run in study.runs for record in _wandb_records(run)]
    places = {(record["entity"], record["project"]) for record in records}
    if not given and len(places) > 1:
        names = ", ".join(sorted("/".join(filter(None, place)) for place in places))
        raise InputError(f"report.wandb=true: the runs are in several W&B projects ({names}); give tracker.project=...")
    entity, project = (None, given) if given and len(places) > 1 else places.pop()
    title = f"pets_seg: {', '.join(dict.fromkeys(str(run.config.get('name')) for run in study.runs))}"
    groups = list(dict.fromkeys(record["group"] for record in records))
    keys = [*study.keys, DATA_DIGEST] if any(group.data for group in study.groups) else study.keys
    return save_report(title, groups, keys, markdown_report(study), given or project, entity)


def markdown_report(study: Study) -> str:
    """Return all that there is to say of a study in Markdown."""
    said = [*answer(study), *_next(study), progress(study), *remarks(study)]
    return document(study, said, tables_of(study))


def _wandb_records(run: Run) -> list[dict[str, Any]]:
    """Return entity, project and group of a run in W&B; where they are not recorded, those of older versions."""
    tracker = run.config.get("tracker")
    given = tracker.get("project") if isinstance(tracker, dict) else None
    older = {"entity": None, "project": project_name(given), "group": str(run.config.get("name"))}
    return list(recorded(run.folder).values()) or [older]


def document(
    study: Study,
    said: Sequence[str],
    tables: Sequence[Table],
    made: Sequence[tuple[str, str]] = (),
    pictures: Sequence[str] = (),
) -> str:
    """Return what is `said` of a study and its tables in Markdown, with `pictures` given by their addresses."""
    parts = [f"# {escaped(study.name)}", *said, *map(markdown, tables)]
    parts += [f"![{Path(name).stem.rpartition('_')[0]}]({name})" for name in pictures]
    parts += [f"## How this was made\n\n{chr(10).join(f'- {name}: {text}' for name, text in made)}"] if made else []
    return "\n\n".join(parts) + "\n"


def _next(study: Study) -> list[str]:
    """Return the commands that its searches lead to, in Markdown."""
    return [f"    python -m pets_seg.run {words}" for item in study.searches if (words := next_command(study, item))]


def tables_of(study: Study) -> list[Table]:
    """Return the tables of the groups, if there are any, and one of the trials of each search."""
    told = [verdicts_table(study), design_table(study)] if study.design else []
    groups = [] if only_trials(study) else [main_table(study), course_table(study), cost_table(study)]
    return [*told, *factor_tables(study), *groups, *map(trials_table, study.searches)]


def _folders(names: Any) -> list[Path]:
    names = names if isinstance(names, list) else [names]
    if names in ([], [None]):
        raise InputError("runs: is needed with task=report: give the folder of a sweep, e.g. runs=runs/default")
    if not all(isinstance(name, str | int | float) for name in names):
        raise InputError(f"runs={str(names)[:100]}: expected a folder, or a list of folders")
    return [Path(os.path.expanduser(str(name))) for name in names]
