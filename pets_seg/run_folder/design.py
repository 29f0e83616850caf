"""The design of a sweep that decides by itself when it has seen enough: design.json in the sweep's folder."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from pets_seg.errors import InputError, escaped, reason
from pets_seg.machine.files import write_text
from pets_seg.run_folder.names import DESIGN, VERDICTS
from pets_seg.run_folder.reading import read_json

# The verdicts that answer the question; the others leave it open.
BETTER, WORSE, EQUAL = DECIDED = ("better", "worse", "equal")
# What a design is not made of.
NOT_HASHED = ("when", "commit", "futility_costs")


@dataclass(frozen=True)
class DesignGroup:
    """A group: the keys in which groups differ with its values, its baseline ("" if it is one), settings and runs.

    `settings` are all that make a run what it is but the seed, by dotted key; `runs` are the names of its run folders,
    one a seed from the first on.
    """

    values: dict[str, Any]
    baseline: str
    settings: dict[str, Any]
    runs: list[str]


@dataclass(frozen=True)
class Design:
    """What was declared before the first run; `margin` is in points, that is, hundredths of the metric's unit.

    `looks` are the numbers of pairs of seeds at which groups are looked at, `critical_values` those of t over seeds, by
    look: "different" those of the intervals that tell better and worse, "equal" those that tell equal.
    """

    question: str
    groups: dict[str, DesignGroup]
    metric: str
    margin: float
    alpha: float
    first_seed: int
    looks: list[int]
    futility: float
    fails: float
    method: str
    critical_values: dict[str, dict[str, float]]
    # The most that stopping for futility takes from the chance of a verdict, by the standard deviation in margins.
    futility_costs: dict[str, float] = field(default_factory=dict)
    when: str = ""
    commit: str = ""

    @property
    def compared(self) -> list[str]:
        """The groups that have a baseline."""
        return [name for name, group in self.groups.items() if group.baseline]

    @property
    def seeds(self) -> range:
        """All seeds that a group may get."""
        return range(self.first_seed, self.first_seed + self.looks[-1])

    @property
    def hash(self) -> str:
        """The SHA-256 of all but when and where it was declared."""
        declared = {key: value for key, value in asdict(self).items() if key not in NOT_HASHED}
        return hashlib.sha256(json.dumps(declared, sort_keys=True).encode()).hexdigest()

    def differences(self, other: "Design") -> list[str]:
        """Return how `other` differs from this design, a phrase for each key."""
        mine, theirs = self._flat(), other._flat()
        return [
            f"{key}: was {mine.get(key, 'not there')}, is now {theirs.get(key, 'not there')}"
            for key in {**mine, **theirs}
            if mine.get(key, "not there") != theirs.get(key, "not there")
        ]

    def _flat(self) -> dict[str, Any]:
        """Return what a design was asked for, by key; the rest follows from it."""
        known = {key: getattr(self, key) for key in ("metric", "margin", "alpha", "first_seed", "futility", "fails")}
        known["looks"] = ", ".join(map(str, self.looks))
        known["groups"] = ", ".join(self.groups)
        for name, group in self.groups.items():
            known[f"baseline of {name}"] = group.baseline or "none"
            known |= {f"{key} of {name}": value for key, value in group.settings.items()}
        return known


def read_design(folder: Path) -> Design | None:
    """Return the design of the sweep in `folder`, None if there is none; InputError if it was changed or damaged."""
    path = folder / DESIGN
    if not path.exists():
        return None
    try:
        content = read_json(path)
        kept = content.pop("hash")
        groups = {name: DesignGroup(**group) for name, group in content.pop("groups").items()}
        design = Design(groups=groups, **content)
        if design.hash != kept:
            raise ValueError("it does not have the hash that was declared")
        _check(design)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise InputError(
            f"{path}: cannot be read as the design of a sweep ({escaped(reason(error))}); without it the runs beside "
            "it were stopped by a rule that nobody knows, so bring it back, or move these runs and it to another folder"
        ) from None
    return design


def refuse_design(folder: Path) -> None:
    """Raise InputError if the folder of a sweep holds a sequential one: its runs are that sweep's alone to make."""
    if (folder / DESIGN).exists():
        raise InputError(
            f"{folder}: holds a sequential sweep, whose runs are those of its design alone; give another name=..., "
            "or the command of that sweep"
        )


def write_design(folder: Path, design: Design) -> None:
    """Declare a design in the folder of its sweep."""
    content = {item.name: asdict(design)[item.name] for item in fields(Design)} | {"hash": design.hash}
    write_text(folder / DESIGN, json.dumps(content, indent=2) + "\n")


def _check(design: Design) -> None:
    """Raise ValueError for what no design holds."""
    numbers = (design.margin, design.alpha, design.futility, design.fails)
    ints = [design.first_seed, *design.looks]
    if not all(isinstance(n, int | float) and n >= 0 for n in numbers) or not all(type(n) is int for n in ints):
        raise ValueError("its numbers are not those of a design")
    if not design.looks or design.looks != sorted(set(design.looks)) or design.looks[0] < 2:
        raise ValueError("its looks do not rise from 2 pairs or more")
    for name, group in design.groups.items():
        if group.baseline and group.baseline not in design.groups:
            raise ValueError(f"the baseline of {name} is not one of its groups")
        if len(group.runs) != design.looks[-1] or not isinstance(group.values, Mapping):
            raise ValueError(f"the runs of {name} are not one a seed")


def exit_code(folder: Path) -> int:
    """Return what a sequential sweep ends with: 0 if every group is decided, 3 if not, 1 if it could not go on."""
    try:
        verdicts = [group["verdict"] for group in read_json(folder / f"{VERDICTS}.json")["groups"]]
    except (ValueError, TypeError, KeyError):
        return 1
    return 1 if "open" in verdicts else 0 if all(verdict in DECIDED for verdict in verdicts) else 3
