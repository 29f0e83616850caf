"""What the terminal shows at the end of a sweep: jobs, why any failed, the groups side by side, and their verdicts."""

import math
import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from pets_seg.machine.terminal import coloured, python, width
from pets_seg.report.columns import groups_table, jobs_table
from pets_seg.report.effects import effect_sentences, interaction_sentences
from pets_seg.report.limits import remarks, splits_without_pet
from pets_seg.report.search import NO_SEEDS, next_command, only_trials, search_lines
from pets_seg.report.sentences import constant_networks, no_comparison
from pets_seg.report.sequential.words import decision_sentences
from pets_seg.report.study.compare import Difference
from pets_seg.report.study.runs import Run
from pets_seg.report.study.statistics import MOST_SEEDS
from pets_seg.report.study.study import Study
from pets_seg.report.study.verdicts import Verdict, compared, constants, has_plan, verdict
from pets_seg.report.study.words import count, points
from pets_seg.run_folder.design import BETTER, EQUAL, WORSE
from pets_seg.run_folder.search import COMPLETE

MOST_LEFT_OUT = 10
# Of more jobs only those have a line each that are not finished.
MOST_JOBS = 60
# So many runs that are not finished for the same reason have a line each.
MOST_ALIKE = 4
NO_REASON = {"running": "another process is at work on it"}
# Text is not wrapped to fewer columns, whatever the terminal says.
NARROWEST = 20
# Of more groups only the best and the worst have a line each, in the order of the groups.
MOST_LINES = 12
# Of a factor with more levels only so many clear ones have a line each.
MOST_EFFECTS = 3
COLOURS = {Verdict.BETTER: "green", Verdict.WORSE: "red"}
DECISION_COLOURS = {BETTER: "green", WORSE: "red", EQUAL: "green"}
# What stands behind a group's figures.
WORDS = {
    Verdict.NO_COMMON_SEED: "no seed in common with {against}; run the missing seeds",
    Verdict.NOT_FINITE: "no verdict, because scores are not finite",
    Verdict.EQUAL: "the differences from {against} are all exactly zero",
    Verdict.CONSTANT: "no verdict, because the networks of both predict one class for every image",
    Verdict.NO_VARIANCE: "no verdict, because all its seeds differ from {against} by the same",
    Verdict.ONE_SEED: "one seed gives no verdict against {against}; run more seeds",
    Verdict.BETTER: "better than {against}",
    Verdict.WORSE: "worse than {against}",
    Verdict.UNCORRECTED: "cannot be told apart from {against} once all groups are counted (Holm's p {p:.2f})",
    Verdict.UNDECIDED: "cannot be told apart from {against} with {seeds}{plan}",
}


def show_sweep(
    study: Study,
    names: Sequence[str],
    page: Path | None,
    wandb: str | None = None,
    not_done: Mapping[str, str] | None = None,
) -> bool:
    """Print the jobs of a sweep, why any did not finish, and their comparison; return whether all did.

    `names` are the run folders of this command's jobs; the sweep's folder may hold runs of earlier ones. Without names,
    where another sweeper chose the jobs, the trials of its search count, or else all runs. `wandb` is the address of
    the runs or the report in W&B, `not_done` why jobs ended whose run may not say it.
    """
    reasons = not_done or {}
    [folder] = study.folders
    searched = () if names else study.searches
    names = names or [trial.run for search in searched for trial in search.trials if trial.run]
    jobs = [run for run in study.runs if run.name in names] if names else study.runs
    print(f"\n{count(len(jobs), 'run')} in {folder}, listed in {folder / 'runs.csv'}")
    if jobs and not searched:
        _show_jobs(study, jobs, names)
    states = {run.name: (run.state, run.error or NO_REASON.get(run.state, "no reason recorded")) for run in jobs}
    states |= {name: ("not made", reason) for name, reason in reasons.items() if name not in states}
    _show_reasons({name: why for name, why in states.items() if why[0] != "finished"})
    show_comparison(study, page, wandb)
    failed = any(trial.state != COMPLETE for search in searched for trial in search.trials)
    # Trials may be the same run.
    whole = len(jobs) == len({*names} or jobs)
    if study.design:
        # A run that was begun ahead may never be needed.
        return not any(run.state == "failed" for run in jobs)
    return bool(jobs) and whole and not failed and all(run.finished for run in jobs)


def _show_jobs(study: Study, jobs: Sequence[Run], names: Sequence[str]) -> None:
    """Print a line for each job; of more than MOST_JOBS those that finished are counted."""
    listed = others = [*names] or [run.name for run in jobs]
    if len(listed) > MOST_JOBS:
        finished = {run.name for run in jobs if run.finished}
        others = [name for name in listed if name not in finished]
        print(f"\n{len(listed) - len(others)} of {len(listed)} are finished{'; these are not:' if others else ''}")
        listed = others[:MOST_JOBS]
    if listed:
        print(f"\n{jobs_table(study, listed, width())}")
    if len(listed) < (left := len(others)):
        print(f"and {left - len(listed)} more")


def _show_reasons(states: Mapping[str, tuple[str, str]]) -> None:
    """Print the state of each run that is not finished, and why; the many that have one in common in one line."""
    names: dict[tuple[str, str], list[str]] = {}
    for name, why in states.items():
        names.setdefault(why, []).append(name)
    for (state, reason), same in names.items():
        shown = same if len(same) <= MOST_ALIKE else [f"{same[0]} and {len(same) - 1} more"]
        for name in shown:
            print(f"\n{name} {state}: {reason}")


def show_comparison(study: Study, page: Path | None, wandb: str | None = None) -> None:
    """Print searches, what was left out, the groups, the address of their page, if it could be made, and verdicts."""
    wide = width()
    left_out = [f"left out: {item.what}: {item.why}" for item in study.left_out[:MOST_LEFT_OUT]]
    if len(study.left_out) > MOST_LEFT_OUT:
        left_out.append(f"left out: {len(study.left_out) - MOST_LEFT_OUT} more")
    parts = [
        *([search_lines(study, search, wide)] for search in study.searches),
        left_out,
        [groups_table(study, wide)] if study.finished else [],
        [_wrapped(remark, wide) for remark in remarks(study)],
        [f"W&B       {wandb.replace(chr(10), chr(10) + ' ' * 10)}"] if wandb else [],
        [f"page      {page.absolute().as_uri()}"] if page else [],
        [_wrapped(line, wide, colour) for line, colour in verdict_lines(study)],
    ]
    for part in parts:
        if part:
            print("\n" + "\n".join(part))
    for search in study.searches:
        if words := next_command(study, search):
            print(f"\n{_wrapped(NO_SEEDS, wide)}\n\n  {python()} -m pets_seg.run {words}")


def _wrapped(text: str, wide: int, colour: str = "") -> str:
    lines = textwrap.wrap(text, max(wide, NARROWEST), subsequent_indent="  ", break_on_hyphens=False)
    return "\n".join(coloured(line, colour) if colour else line for line in lines)


def verdict_lines(study: Study) -> list[tuple[str, str]]:
    """Return pairs of a line and its colour ("" for none): what limits them, effects, then groups, in their order.

    A group has a line. Of more than MOST_LINES groups the best and the worst have one, and the others are counted.
    """
    lines = [(sentence, "yellow") for sentence in splits_without_pet(study) + constant_networks(study)]
    if only_trials(study):
        return lines
    if study.design:
        return lines + [(line, DECISION_COLOURS.get(kind, "yellow")) for kind, line in decision_sentences(study)]
    if reason := no_comparison(study):
        return [*lines, (reason, "")]
    effects = [*effect_sentences(study, MOST_EFFECTS), *interaction_sentences(study, most=1)]
    lines += [(sentence, "") for sentence in effects]
    against = study.baseline.short if study.baseline else "the baseline of each"
    lines.append((f"test Dice against {against}, in points (95 % CI):", "bold"))
    places = {Verdict.BETTER: 0, Verdict.WORSE: 2}
    ordered = sorted(compared(study), key=lambda item: places.get(verdict(item), 1))
    half = MOST_LINES // 2
    others = ordered[half:-half] if len(ordered) > MOST_LINES else []
    # The differences of a study are in the order of its groups.
    lines += [_line(item, study) for item in study.differences if item in ordered and item not in others]
    if not others:
        return lines
    between = Counter(kind.value if kind in COLOURS else "without a verdict" for kind in map(verdict, others))
    counts = [f"{between[name]} {name}" for name in ("better", "worse", "without a verdict") if between[name]]
    return [*lines, (f"{count(len(others), 'group')} between them: {', '.join(counts)}; all are in the page", "")]


def _line(item: Difference, study: Study) -> tuple[str, str]:
    kind, baseline, estimate = verdict(item), item.baseline, item.estimate
    # A long name of the one baseline stands in the heading alone; the short name of an option is repeated.
    against = "the baseline" if study.baseline and baseline.short == baseline.name else baseline.short
    where = " over images" if estimate.seeds == 1 else ""
    ends = "" if math.isnan(estimate.low) else f" ({points(estimate.low)} to {points(estimate.high)}{where})"
    known = kind not in (Verdict.NO_COMMON_SEED, Verdict.NOT_FINITE)
    figures = f" {points(estimate.difference, sign=True)} points{ends}:" if known else ""
    plan = f"; {_plan(item)}" if has_plan(item) else ""
    words = WORDS[kind].format(against=against, p=item.p_holm, seeds=count(estimate.seeds, "seed"), plan=plan)
    line = f"{item.group.short}:{figures} {words}"
    names = [group.short for group in (item.group, baseline) if constants(group)]
    if names and kind not in (Verdict.EQUAL, Verdict.CONSTANT):
        line += f"; but see above what the networks of {' and '.join(names)} predict"
    return line, COLOURS.get(kind, "yellow")


def _plan(item: Difference) -> str:
    needed = item.needed
    if needed is None:
        return "to tell half a point may take more test images too"
    if needed <= item.estimate.seeds:
        return "a difference of half a point would probably have shown"
    return f"{f'{MOST_SEEDS:,} or more' if needed >= MOST_SEEDS else f'about {needed}'} would tell half a point"
