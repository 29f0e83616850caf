"""The history of a W&B run: numbered lines, made of what a run passes on."""

from collections.abc import Mapping, Sequence
from typing import Any

from pets_seg.run_folder.pictures import Picture

# What a line of the history holds: its number, its figures, and pictures.
Line = tuple[int, Mapping[str, Any], Sequence[Picture]]


class Lines:
    """The lines so far, in `made`. They are numbered by steps of the run, or in the order of epochs."""

    def __init__(self) -> None:
        self.made: list[Line] = []
        self.rows = 0
        # What belongs to the epoch whose row comes next.
        self.steps: list[Mapping[str, Any]] = []
        self.pictures: list[Picture] = []

    def add(self, row: Mapping[str, Any], by_steps: bool) -> list[Line]:
        """Return the lines of an epoch: one for each of its steps, the last of which has the row and the pictures."""
        # Rows of the oldest versions do not know their step, which no epoch's number exceeds.
        last = row.get("updates") or self.rows if by_steps else self.rows
        lines: dict[int, Line] = {step["step"]: (step["step"], step, []) for step in self.steps if by_steps}
        _, figures, _ = lines.get(last, (last, {}, []))
        lines[last] = (last, {**figures, **row}, self.pictures)
        self.steps, self.pictures, self.rows = [], [], self.rows + 1
        self.made += lines.values()
        return [*lines.values()]

    def add_rest(self, by_steps: bool) -> list[Line]:
        """Return, at the end of a run, the lines of steps whose epoch has no row."""
        lines: list[Line] = [(step["step"], step, []) for step in self.steps if by_steps]
        self.steps = []
        self.made += lines
        return lines
