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
        # In the order of epochs, the pictures of the last one are a line behind it, where older versions had them.
        self.at_end: list[Line] = []

    def add(self, row: Mapping[str, Any], by_steps: bool) -> list[Line]:
        """Return the lines of an epoch: one for each of its steps, the last of which has the row and the pictures."""
        # Rows of the oldest versions have no number of updates. An epoch has one or more, so its place is not above it.
        last = row.get("updates") or self.rows if by_steps else self.rows
        lines: dict[int, Line] = {step["step"]: (step["step"], step, []) for step in self.steps if by_steps}
        _, figures, _ = lines.get(last, (last, {}, []))
        if not by_steps and self.pictures:
            self.at_end, self.pictures = [(self.rows + 1, {"epoch": row["epoch"]}, self.pictures)], []
        lines[last] = (last, {**figures, **row}, self.pictures)
        self.steps, self.pictures, self.rows = [], [], self.rows + 1
        self.made += lines.values()
        return [*lines.values()]

    def add_rest(self, by_steps: bool, failed: bool) -> list[Line]:
        """Return, at the end of a run, the lines behind its last row: steps of an epoch without one, or pictures."""
        lines: list[Line] = [(step["step"], step, []) for step in self.steps if by_steps]
        if not failed:
            lines += [line for line in self.at_end if line[0] == self.rows]
        self.steps, self.at_end = [], []
        self.made += lines
        return lines

    def pictures_again(self, begin: int) -> list[Line]:
        """Return lines behind all others for the pictures of the lines before number `begin`."""
        behind = max(begin, self.made[-1][0] + 1 if self.made else 0)
        shown = [(figures["epoch"], pictures) for place, figures, pictures in self.made if pictures and place < begin]
        return [(behind + nth, {"epoch": epoch}, pictures) for nth, (epoch, pictures) in enumerate(shown)]
