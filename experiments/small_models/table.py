"""The table of the study, made of what runs.csv and exports.csv keep."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import kept
import numpy as np
import pandas as pd
from cells import PLAIN, TEACHER_ROW, TRAININGS, Network

from pets_seg.machine.files import write_text
from pets_seg.report.study.statistics import Estimate, estimate, over_seeds

GROUP = ["network", "width", "training", "form"]
HEADER = ["network, width", "training", "form", "parameters, k", "MACs, M", "MB", "test Dice (95 % CI)"]
HEADER += ["distilled - plain, points (95 % CI)", "int8 - fp32, points (95 % CI)", "ms a photo"]
DIFFERENCES = ("distillation", "int8")


def summarised(runs: pd.DataFrame, exports: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each network, way of training and form: means over seeds with their 95 % intervals.

    A Dice is that of the exported network; a refused one counts with the Dice for which it was refused. Differences
    are paired over the seeds that both sides have, and in points. Sizes and times are medians over seeds, those of the
    files that were written for the times.
    """
    costs = runs[runs["training"] != TEACHER_ROW].groupby(["network", "width"])[["parameters", "macs"]].first()
    groups = dict(iter(exports.groupby(GROUP, sort=False)))
    rows = []
    for key in sorted(groups, key=lambda key: _place(key, costs)):
        network, width, training, form = key
        group = groups[key]
        mean, _, low, high = over_seeds(group["dice"].tolist())
        row: dict[str, Any] = dict(zip(GROUP, key, strict=True))
        row |= {"seeds": len(group), "refused": int(kept.refused(group).sum())}
        row |= {"parameters": costs.loc[(network, width), "parameters"], "macs": costs.loc[(network, width), "macs"]}
        row |= {"mb": group["mb"].median(), "dice": mean, "dice_low": low, "dice_high": high}
        baselines = ((network, width, PLAIN, form), (network, width, training, "fp32"))
        for name, baseline in zip(DIFFERENCES, baselines, strict=True):
            found = paired(group, groups.get(baseline)) if baseline != key else Estimate()
            row |= {name: 100 * found.difference, f"{name}_low": 100 * found.low, f"{name}_high": 100 * found.high}
        rows.append({**row, "ms": group["ms"].median()})
    return pd.DataFrame(rows)


def paired(group: pd.DataFrame, baseline: pd.DataFrame | None) -> Estimate:
    """Return the difference of two groups over the seeds that both have, with Student's t interval over them."""
    if baseline is None:
        return Estimate()
    both = group.set_index("seed")["dice"] - baseline.set_index("seed")["dice"]
    values = both.dropna().to_numpy(dtype=float)
    # One column stands for means without images.
    return estimate(values[:, None]) if len(values) else Estimate()


def _place(key: Sequence[Any], costs: pd.DataFrame) -> tuple[Any, ...]:
    """Return the place of a group in the table: networks by their work, plain before distilled, fp32 before int8."""
    network, width, training, form = key
    work = costs.loc[(network, width), "macs"]
    return (work, network, width, TRAININGS.index(training), kept.FORMS.index(form))


def markdown(table: pd.DataFrame, runs: pd.DataFrame, exports: pd.DataFrame) -> str:
    """Return the table in Markdown, followed by what has to be known of it."""
    lines = [HEADER, ["---"] * len(HEADER), *(cells(row) for _, row in table.iterrows())]
    text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return "\n\n".join([text, *remarks(table, runs, exports)])


def cells(row: pd.Series) -> list[str]:
    """Return a row as text; what is not known is empty."""
    form = row["form"] + (f", {row['refused']} of {row['seeds']} refused" if row["refused"] else "")
    differences = [_interval(row, name, _points) for name in DIFFERENCES]
    return [
        Network(row["network"], row["width"]).label,
        row["training"],
        form,
        f"{row['parameters'] / 1e3:.0f}",
        f"{row['macs'] / 1e6:.1f}",
        f"{row['mb']:.2f}",
        _interval(row, "dice", _dice),
        *differences,
        "" if math.isnan(row["ms"]) else f"{row['ms']:.2f}",
    ]


def _interval(row: pd.Series, name: str, written: Callable[[float, bool], str]) -> str:
    mean, low, high = (row[key] for key in (name, f"{name}_low", f"{name}_high"))
    if math.isnan(mean):
        return ""
    return written(mean, True) + ("" if math.isnan(low) else f" ({written(low, False)} to {written(high, False)})")


def _dice(value: float, _: bool) -> str:
    return f"{value:.4f}"


def _points(value: float, sign: bool) -> str:
    rounded = round(value, 2) + 0.0
    return f"{rounded:{'+' if sign and rounded else ''}.2f}"


def remarks(table: pd.DataFrame, runs: pd.DataFrame, exports: pd.DataFrame) -> list[str]:
    """Return sentences on the number of seeds, the teacher, and where the times were measured."""
    seeds = sorted(set(table["seeds"]))
    said = [f"Seeds: {' or '.join(map(str, seeds))} a row; {int(runs['test_images'].max())} test images."]
    for _, run in runs[runs["training"] == TEACHER_ROW].iterrows():
        name = Network(run["network"], run["width"]).label
        said.append(f"Teacher: {name}, {run['epochs']} epochs, test Dice {run['test_dice']:.4f}.")
    timed = exports[exports["ms"].notna()]
    for where, rows in timed.groupby(["processor", "onnxruntime"]):
        others = np.nanmax(rows["others"]) if rows["others"].notna().any() else math.nan
        busy = "" if math.isnan(others) else f"; other processes used {others:g} cores meanwhile"
        said.append(f"Times: one thread, {where[0]}, ONNX Runtime {where[1]}{busy}.")
    return said


def read_table(results: Path) -> tuple[pd.DataFrame, str]:
    """Return the table of what is kept, in numbers and in Markdown; SystemExit if nothing is kept."""
    runs, exports = kept.read(results, "runs"), kept.read(results, "exports")
    exports = exports[exports["weights"].isin(runs["weights"])]
    if exports.empty:
        raise SystemExit(f"{results}: holds no exported run yet")
    table = summarised(runs, exports)
    return table, markdown(table, runs, exports)


def write_table(results: Path) -> pd.DataFrame:
    """Write table.csv from what is kept, print it, and return it; SystemExit if nothing is kept."""
    table, text = read_table(results)
    write_text(results / "table.csv", table.to_csv(index=False))
    print(text)
    return table


if __name__ == "__main__":
    # For `make verify`, which changes nothing.
    print(read_table(Path(__file__).parent / "results")[1])
