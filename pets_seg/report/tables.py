"""The tables of a study: CSV files, and cells of text for the terminal, the page and W&B."""

import math
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from pets_seg.errors import escaped
from pets_seg.machine.files import write_text
from pets_seg.report.effects_file import write_effects
from pets_seg.report.study.compare import extra_metrics
from pets_seg.report.study.groups import Group, differing_settings
from pets_seg.report.study.study import MARKS, Reached, Study, plus_minus, reached, spread
from pets_seg.report.study.words import UNITS, p_value, points, unit_of
from pets_seg.run_folder.data_record import DATA_DIGEST
from pets_seg.run_folder.reading import tabular

COMPARISON = ["group", "baseline", "metric", "mean", "baseline_mean", "difference", "ci_low", "ci_high", "p", "p_holm"]
COMPARISON += ["seeds", "images"]
NOTE = (
    "Mean ± standard deviation over seeds; 95 % CI: t interval over seeds. Difference: paired over seeds and test "
    "images, in points (hundredths of Dice); its interval and p cover both; Holm's p is corrected for all groups. "
    "Validation Dice chose the best epoch, so it is slightly optimistic."
)
ONE_SEED_NOTE = (
    "One seed each. Difference: paired over test images, in points (hundredths of Dice); its interval is over images "
    "alone and leaves out how much training varies, so that there is no p. Validation Dice "
    "chose the best epoch, so it is slightly optimistic."
)
LOOKED_NOTE = (
    "Mean ± standard deviation over seeds. Difference: paired over the seeds of the last look and over images, in "
    "points (hundredths); its interval and p are valid at every look, and count all groups. Validation "
    "Dice chose the best epoch, so it is slightly optimistic."
)
COSTS = {
    "train_seconds": "time a run",
    "images_per_second": "images/s",
    "peak_memory_mb": "peak memory",
    "parameters": "parameters",
    "macs": "multiply-accumulates",
}


@dataclass(frozen=True)
class Table:
    """A table of text; `note` says how to read it."""

    title: str
    header: list[str]
    rows: list[list[str]]
    note: str = ""


def runs_frame(study: Study) -> pd.DataFrame:
    """Return one row per run: run, state, error, seed, groups, the configuration keys that differ, the summary.

    The digest of the data, which is in the summary, is given for runs that are not finished too.
    """
    keys = differing_settings(study.runs)
    rows = []
    for run in study.runs:
        state = {"run": escaped(run.name), "state": run.state, "error": run.error, "seed": run.seed}
        settings = {key: tabular(run.settings.get(key)) for key in keys}
        data = {DATA_DIGEST: run.data.digest} if run.data.digest else {}
        rows.append({**state, **run.options, **settings, **run.summary, **data})
    return pd.DataFrame(rows)


def comparison_frame(study: Study) -> pd.DataFrame:
    """Return one row per group and metric: its mean against that of its baseline, with interval and p-values."""
    rows = []
    for item in study.differences:
        estimate = item.estimate
        means = item.mean, item.baseline_mean
        paired = estimate.difference, estimate.low, estimate.high, estimate.p, item.p_holm
        counts = estimate.seeds, estimate.images
        rows.append((item.group.name, item.baseline.name, item.metric, *means, *paired, *counts))
    return pd.DataFrame(rows, columns=COMPARISON)


def write_tables(study: Study, folder: Path) -> None:
    """Write runs.csv and comparison.csv to `folder`, and main_effects.csv of a factorial sweep."""
    if study.runs:
        write_text(folder / "runs.csv", runs_frame(study).to_csv(index=False))
        write_text(folder / "comparison.csv", comparison_frame(study).to_csv(index=False))
        write_effects(study, folder)


def main_table(study: Study) -> Table:
    """Return the groups with their scores and their differences from the baseline."""
    names = {"test_dice": "test Dice", "val_dice": "val Dice", "test_iou": "test IoU", "test_loss": "test loss"}
    names |= {f"test_{name}": _heading(study, name) for name in extra_metrics(study.groups)}
    main = names.pop(study.metric)
    if study.design:
        names = {key: name for key, name in names.items() if any(spread(group, key).values for group in study.finished)}
    # One seed has no interval over seeds and no p; nor has a group an interval of its own where a look decided how many
    # seeds there are.
    one_seed = all(len(group.finished) < 2 for group in study.finished)
    alone = [] if study.design or one_seed else ["95 % CI"]
    p_names = ["p"] if study.design else [] if one_seed else ["p", "p (Holm)"]
    header = ["group", "seeds", main, *alone, f"difference, points ({study.level} CI)", *p_names]
    rows = []
    for group in study.finished:
        dice, item = spread(group, study.metric), study.difference(group, study.metric)
        interval = "" if math.isnan(dice.low) else f"{dice.low:.4f} to {dice.high:.4f}"
        p_values = [p_value(item.estimate.p), p_value(item.p_holm)] if item else ["", ""]
        row = [group.name, str(len(group.finished)), plus_minus(dice), *([interval] * len(alone))]
        row += [difference(study, group), *p_values[: len(p_names)]]
        rows.append(row + [plus_minus(spread(group, key)) for key in names])
    note = LOOKED_NOTE if study.design else ONE_SEED_NOTE if one_seed else NOTE
    return Table("Scores", [*header, *names.values()], rows, note)


def _heading(study: Study, metric: str) -> str:
    lower = any(run.metric_record(metric).get("lower_is_better") for run in study.runs)
    return f"test {metric} (lower is better)" if lower else f"test {metric}"


def course_table(study: Study) -> Table:
    """Return how fast each group learns, whether it overfits, and how well its probabilities can be trusted."""
    header = ["group", *(f"epochs to {mark:.2f}" for mark in MARKS)]
    header += ["best epoch", "val loss turns", "gap at the end", "val loss at best", "calibration error"]
    rows = []
    for group in study.finished:
        row = [group.name, *(_reached(reached(group, mark)) for mark in MARKS)]
        row += [plus_minus(spread(group, "best_epoch"), ".1f"), _turn(group)]
        row += [plus_minus(spread(group, key)) for key in ("gap", "val_loss_at_best", "test_ece")]
        rows.append(row)
    note = (
        "Epochs, and the time of training, to a validation Dice: medians over the runs, a run that never reached it "
        "counting as later than all. val loss turns: the epoch of the lowest validation loss, median; gap: validation "
        "less training loss in the last epoch. Calibration error: of the probability of pet, over all test pixels, at "
        "the best epoch."
    )
    return Table("Course", header, rows, note)


def cost_table(study: Study) -> Table:
    """Return what each group costs, every column in the unit that suits its largest value."""
    groups = study.finished
    header, columns = ["group"], [[group.name for group in groups]]
    for key, name in COSTS.items():
        means = [spread(group, key).mean for group in groups]
        # Memory is not known on the CPU (`facts.facts_of`).
        if key == "peak_memory_mb" and all(map(math.isnan, means)):
            continue
        unit = unit_of(key, means) if key in UNITS else None
        header.append(f"{name}, {unit.short}" if unit else name)
        columns.append([_short(mean / unit.scale if unit else mean) for mean in means])
    note = (
        "Means over seeds; multiply-accumulates are those of one image. k is a thousand, M a million, G a thousand "
        "million. Peak memory is that of the tensors on a GPU; on the CPU it would be that of the process, which holds "
        "what earlier jobs of a sweep left in it, and is not shown."
    )
    return Table("Cost", header, [list(row) for row in zip(*columns, strict=True)], note)


def markdown(table: Table) -> str:
    """Return a table in Markdown, with its title and note."""
    lines = [table.header, ["---"] * len(table.header), *table.rows]
    body = "\n".join("| " + " | ".join(map(_in_markdown, line)) + " |" for line in lines)
    return "\n\n".join(part for part in (f"## {table.title}", body, table.note) if part)


def _in_markdown(cell: str) -> str:
    return cell.replace("\\", "\\\\").replace("|", r"\|").replace("<", "&lt;")


def difference(study: Study, group: Group) -> str:
    """Return the cell of a group's difference from its baseline in test Dice, in points."""
    item = study.difference(group, study.metric)
    if item is None:
        return "baseline" if group in study.baselines.values() else ""
    if not item.estimate.seeds:
        return "no common seed"
    estimate = item.estimate
    over = " over images" if estimate.seeds == 1 else ""
    ends = "" if math.isnan(estimate.low) else f" ({points(estimate.low)} to {points(estimate.high)}{over})"
    return points(estimate.difference, sign=True) + ends


def epochs_cell(mark: Reached) -> str:
    """Return the cell of the epochs to a Dice, "" if they are not known."""
    return "not reached" if math.isinf(mark.epochs) else _short(mark.epochs)


def _reached(mark: Reached) -> str:
    seconds = f" ({mark.seconds:.0f} s)" if math.isfinite(mark.seconds) else ""
    some = f"; {mark.reached} of {mark.runs} runs did" if 0 < mark.reached < mark.runs else ""
    return epochs_cell(mark) + seconds + some


def _turn(group: Group) -> str:
    turns, known = spread(group, "turn").values, len(spread(group, "gap").values)
    if not turns:
        return "not yet" if known else ""
    return _short(pd.Series(turns).median()) + (f" ({len(turns)} of {known})" if len(turns) < known else "")


def _short(value: float) -> str:
    """Return a number with about three digits, two of a small one, never with an exponent."""
    if math.isnan(value):
        return ""
    small = 1 - math.floor(math.log10(abs(value))) if 0 < abs(value) < 0.1 else 2
    digits = 0 if abs(value) >= 100 or value == int(value) else 1 if abs(value) >= 1 else small
    return f"{value:.{digits}f}"
