"""The tables of a study: files for other programs, and cells of text for the terminal, the page and W&B."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from pets_seg.errors import escaped
from pets_seg.files import write_text
from pets_seg.report.groups import Group, differing_settings
from pets_seg.report.reading import plain
from pets_seg.report.sentences import points
from pets_seg.report.study import MARKS, Reached, Spread, Study, reached, spread

COMPARISON = ("group", "baseline", "metric", "mean", "baseline_mean", "difference", "ci_low", "ci_high", "p", "p_holm")
COMPARISON += ("seeds", "images")


@dataclass(frozen=True)
class Table:
    """A table of text; `note` says how to read it."""

    title: str
    header: list[str]
    rows: list[list[str]]
    note: str = ""


def runs_frame(study: Study) -> pd.DataFrame:
    """Return a row a run: run, state, error, seed, groups, the configuration keys that differ, the summary."""
    keys = differing_settings(study.runs)
    rows = []
    for run in study.runs:
        row: dict[str, Any] = {"run": escaped(run.name), "state": run.state, "error": run.error, "seed": run.seed}
        row |= run.options | {key: plain(run.settings.get(key)) for key in keys}
        rows.append(row | run.summary)
    return pd.DataFrame(rows)


def comparison_frame(study: Study) -> pd.DataFrame:
    """Return a row a group and metric: its mean against that of its baseline, with interval and p-values."""
    rows = []
    for item in study.differences:
        found = item.found
        known = (math.nan,) * 4 if found is None else (found.difference, found.low, found.high, found.p)
        counts = (0, 0) if found is None else (found.seeds, found.images)
        means = item.mean, item.baseline_mean
        rows.append((item.group.name, item.baseline.name, item.metric, *means, *known, item.p_holm, *counts))
    return pd.DataFrame(rows, columns=list(COMPARISON))


def write_tables(study: Study, folder: Path) -> None:
    """Write runs.csv and comparison.csv to `folder`."""
    if study.runs:
        write_text(folder / "runs.csv", runs_frame(study).to_csv(index=False))
        write_text(folder / "comparison.csv", comparison_frame(study).to_csv(index=False))


def main_table(study: Study) -> Table:
    """Return the groups with their scores, and what sets them apart from the baseline."""
    header = ["group", "seeds", "test Dice", "95 % CI", "difference, points (95 % CI)", "p", "p (Holm)"]
    header += ["val Dice", "test IoU", "test loss"]
    rows = []
    for group in finished(study):
        dice = spread(group, "test_dice")
        row = [group.name, str(len(group.finished)), _plus_minus(dice), _interval(dice)]
        item = study.difference(group, "test_dice")
        p_values = [_p(item.found.p), _p(item.p_holm)] if item and item.found else ["", ""]
        row += [_difference(study, group), *p_values]
        row += [_plus_minus(spread(group, key)) for key in ("val_dice", "test_iou", "test_loss")]
        rows.append(row)
    note = (
        "Mean ± standard deviation over seeds; 95 % CI: t interval over seeds. Difference: paired over seeds and test "
        "images, in points (hundredths of Dice); its interval and p cover both; Holm's p is corrected for all groups. "
        "val Dice is that of the best epoch, which was chosen by it."
    )
    return Table("Scores", header, rows, note)


def course_table(study: Study) -> Table:
    """Return how fast each group learns, whether it overfits, and how well its probabilities can be trusted."""
    header = ["group", *(f"epochs to {mark:.2f}" for mark in MARKS)]
    header += ["best epoch", "val loss turns", "gap at the end", "val loss at best", "calibration error"]
    rows = []
    for group in finished(study):
        row = [group.name, *(_reached(reached(group, mark), with_time=True) for mark in MARKS)]
        row += [_plus_minus(spread(group, "best_epoch"), ".1f"), _turn(group)]
        row += [_plus_minus(spread(group, key)) for key in ("gap", "val_loss_at_best", "test_ece")]
        rows.append(row)
    note = (
        "Epochs, and the time of training, to a validation Dice: medians over the runs, a run that never reached it "
        "counting as later than all. val loss turns: the epoch of the lowest validation loss, median; gap: validation "
        "less training loss in the last epoch. Calibration error: of the probability of pet, over all test pixels, at "
        "the best epoch."
    )
    return Table("Course", header, rows, note)


def cost_table(study: Study) -> Table:
    """Return what each group costs."""
    header = ["group", "minutes a run", "images/s", "peak memory, MB", "parameters, M", "multiply-accumulates, G"]
    rows = []
    for group in finished(study):
        keys = ("images_per_second", 1, ".0f"), ("peak_memory_mb", 1, ".0f"), ("parameters", 1e6, ".2f")
        costs = [_number(spread(group, key).mean / unit, form) for key, unit, form in keys]
        macs = _short(spread(group, "macs").mean / 1e9)
        rows.append([group.name, _short(spread(group, "train_seconds").mean / 60), *costs, macs])
    return Table("Cost", header, rows, "Means over seeds; multiply-accumulates are those of one image.")


def terminal_table(study: Study) -> Table:
    """Return the groups in a few columns, for a terminal."""
    header = ["group", "seeds", "val dice", "test dice", "difference (95 % CI)", "epochs to 0.80", "to 0.85"]
    header += ["minutes a run"]
    rows = []
    for group in finished(study):
        row = [group.name, str(len(group.finished)), _plus_minus(spread(group, "val_dice"))]
        row += [_plus_minus(spread(group, "test_dice")), _difference(study, group)]
        row += [_reached(reached(group, mark)) for mark in MARKS[:2]]
        rows.append([*row, _short(spread(group, "train_seconds").mean / 60)])
    return Table("", header, rows)


def jobs_table(study: Study, names: Sequence[str] | None = None) -> Table:
    """Return a line a run, or a line for each of `names`: its state and best figures."""
    runs = {run.name: run for run in study.runs}
    rows = []
    for name in names or runs:
        run = runs.get(name)
        summary = run.summary if run else {}
        figures = [_number(summary.get(key, math.nan), ".4f") for key in ("best_val_dice", "test_dice")]
        rows.append([name, run.state if run else "not made", *figures])
    return Table("", ["run", "state", "val dice", "test dice"], rows)


def text(table: Table) -> str:
    """Return a table for a terminal."""
    lines = [table.header, *table.rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def markdown(table: Table) -> str:
    """Return a table in Markdown, with its title and note."""
    lines = [table.header, ["---"] * len(table.header), *table.rows]
    body = "\n".join("| " + " | ".join(map(_in_markdown, line)) + " |" for line in lines)
    return "\n\n".join(part for part in (f"## {table.title}", body, table.note) if part)


def _in_markdown(cell: str) -> str:
    return cell.replace("\\", "\\\\").replace("|", r"\|").replace("<", "&lt;")


def finished(study: Study) -> list[Group]:
    """Return the groups that have a finished run."""
    return [group for group in study.groups if group.finished]


def _difference(study: Study, group: Group) -> str:
    item = study.difference(group, "test_dice")
    if item is None:
        return "baseline" if group in study.baselines.values() else ""
    if item.found is None:
        return "no common seed"
    ends = "" if math.isnan(item.found.low) else f" ({points(item.found.low)} to {points(item.found.high)})"
    return points(item.found.difference, sign=True) + ends


def _plus_minus(figure: Spread, form: str = ".4f") -> str:
    if math.isnan(figure.mean):
        return ""
    return f"{figure.mean:{form}}" + ("" if math.isnan(figure.deviation) else f" ± {figure.deviation:{form}}")


def _interval(figure: Spread) -> str:
    return "" if math.isnan(figure.low) else f"{figure.low:.4f} to {figure.high:.4f}"


def _p(value: float) -> str:
    return "" if math.isnan(value) else "< 0.001" if value < 0.001 else f"{value:.3f}"


def _reached(found: Reached, with_time: bool = False) -> str:
    if found.epochs is None:
        return ""
    shown = "not reached" if math.isinf(found.epochs) else _short(found.epochs)
    if with_time and found.seconds is not None and math.isfinite(found.seconds):
        shown += f" ({found.seconds:.0f} s)"
    return shown if found.reached in (0, found.runs) else f"{shown}; {found.reached} of {found.runs} runs did"


def _turn(group: Group) -> str:
    turns, known = spread(group, "turn").values, len(spread(group, "gap").values)
    if not turns:
        return "not yet" if known else ""
    return _short(pd.Series(turns).median()) + (f" ({len(turns)} of {known})" if len(turns) < known else "")


def _short(value: float) -> str:
    """Return a number with about three digits, never with an exponent."""
    if math.isnan(value):
        return ""
    digits = 0 if abs(value) >= 100 or value == int(value) else 1 if abs(value) >= 1 else 2
    return f"{value:.{digits}f}"


def _number(value: float | None, form: str) -> str:
    return "" if value is None or math.isnan(value) else f"{value:{form}}"
