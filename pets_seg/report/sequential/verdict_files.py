"""verdicts.csv and verdicts.json in the folder of a sequential sweep: what the looks told so far, for programs."""

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pets_seg.errors import InputError, escaped, reason
from pets_seg.machine.files import write_text
from pets_seg.report.sequential.decisions import POINT, Decision
from pets_seg.run_folder.design import Design
from pets_seg.run_folder.names import VERDICTS
from pets_seg.run_folder.reading import read_json

COLUMNS = ("group", "baseline", "verdict", "look", "seeds", "failed", "difference", "low", "high", "p")


def write_verdicts(folder: Path, design: Design, decisions: Sequence[Decision], given_up: Sequence[str] = ()) -> None:
    """Write both files: a row a group, differences in points.

    `look` is the number of the last look, `seeds` how many pairs it had. verdicts.json also has the hash of the design,
    the seeds in the order in which they entered, and the runs that are `given_up`.
    """
    rows = [row_of(item) for item in decisions]
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(folder / f"{VERDICTS}.csv", text.getvalue())
    entered = {item.group: {"entered": [*item.entered], "failed_seeds": [*item.failed]} for item in decisions}
    groups = [{**row, **entered[str(row["group"])]} for row in rows]
    content = {"design": design.hash, "groups": groups, "given_up": [*given_up]}
    write_text(folder / f"{VERDICTS}.json", json.dumps(content, indent=2) + "\n")


def row_of(item: Decision) -> dict[str, Any]:
    """Return a group's row; what is not known is None."""
    estimate = item.estimate
    numbers = {"difference": estimate.difference, "low": estimate.low, "high": estimate.high}
    points = {key: value / POINT if math.isfinite(value) else None for key, value in numbers.items()}
    return {
        "group": item.group,
        "baseline": item.baseline,
        "verdict": item.verdict,
        "look": len(item.looks),
        "seeds": item.pairs,
        "failed": len(item.failed),
        **points,
        "p": estimate.p if math.isfinite(estimate.p) else None,
    }


@dataclass(frozen=True)
class Record:
    """What follows from no run folder: the order in which seeds entered, by group, and the runs that were given up."""

    entered: Mapping[str, Sequence[int]] = field(default_factory=dict)
    given_up: Sequence[str] = ()


def read_record(folder: Path, design: Design) -> Record:
    """Return what verdicts.json records, nothing if there is none; InputError if it cannot be read."""
    path = folder / f"{VERDICTS}.json"
    if not path.exists():
        return Record()
    try:
        content = read_json(path)
        if content["design"] != design.hash:
            raise ValueError("it is of another design")
        entered = {group["group"]: [*map(int, group["entered"])] for group in content["groups"]}
        if not all(len({*order}) == len(order) and {*order} <= {*design.seeds} for order in entered.values()):
            raise ValueError("it has seeds that the design has not")
        return Record(entered, [str(name) for name in content["given_up"]])
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(
            f"{path}: cannot be read ({escaped(reason(error))}); remove it, and the verdicts are taken again from the "
            "runs, in the order of their seeds"
        ) from None
