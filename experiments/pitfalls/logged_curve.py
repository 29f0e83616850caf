"""Do networks with the faults learn as the reference study's log says that its UNet did?

    python logged_curve.py runs/pitfalls

Prints losses and Dice at a few epochs, and in how many runs validation Dice fell after the first. Writes epochs.csv,
a row a group and epoch, and figure.png into results/ beside this file.
"""

import sys
from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl
import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[1]))
from run_courses import course, draw_courses
from run_groups import grouped, sweep_parser

from pets_seg.errors import InputError
from pets_seg.machine.files import write_text, write_whole
from pets_seg.report.plotting.curves import REFERENCE
from pets_seg.report.plotting.looks import COLOURS, INK, MUTED, STYLE, Look
from pets_seg.report.study.runs import Run

KEYS = ("model.stays_in_evaluation", "model.warps_images_alone", "data.normalisation")
# The groups that are shown, by the values of the keys.
SHOWN = {
    "no fault": (False, False, "imagenet"),
    "stays in evaluation mode": (True, False, "imagenet"),
    "all three faults": (True, True, "raw"),
}
LOGGED = "UNet, none"
TITLES = {"train/loss": "training loss", "val/loss": "validation loss", "val/dice": "validation Dice"}
EPOCHS = (1, 2, 10)
DPI = 200


def main() -> None:
    """Print the table and write the results."""
    given = sweep_parser(__file__, __doc__).parse_args()
    try:
        courses = {name: course([run.metrics for run in runs]) for name, runs in shown_of(given.sweep).items()}
    except InputError as error:
        raise SystemExit(str(error)) from None
    last = max(rows["epoch"].max() for rows in courses.values())
    logged = pd.read_csv(REFERENCE)
    logged = logged[(logged["curve"] == LOGGED) & (logged["epoch"] <= last)]
    courses[f"reference study: {LOGGED}"] = course([logged])
    print(table(courses))
    rows = pd.concat([rows.assign(group=name) for name, rows in courses.items()])
    write_text(given.results / "epochs.csv", rows.to_csv(index=False))
    with mpl.rc_context(STYLE):
        looks = [Look(name, colour) for name, colour in zip(courses, (INK, *COLOURS[:2], MUTED), strict=True)]
        figure = draw_courses(looks, [*courses.values()], TITLES)
        write_whole(given.results / "figure.png", lambda file: figure.savefig(file, format="png", dpi=DPI))


def shown_of(sweep: Path) -> dict[str, list[Run]]:
    """Return the runs of the groups that are shown; raises as `grouped`, and if a group is missing."""
    groups = grouped(sweep, KEYS)
    for name, values in SHOWN.items():
        if values not in groups:
            raise InputError(f"{sweep}: has no runs of the group {name!r}; continue the sweep")
    return {name: groups[values] for name, values in SHOWN.items()}


def table(courses: Mapping[str, pd.DataFrame]) -> str:
    """Return training loss and validation Dice at a few epochs, and how often Dice fell at the second."""
    heads = [f"{what}, epoch {epoch}" for what in ("training loss", "val Dice") for epoch in EPOCHS]
    lines = [f"| group | {' | '.join(heads)} | Dice fell at epoch 2 |", "|---" * (len(heads) + 2) + "|"]
    for name, rows in courses.items():
        at = rows.set_index("epoch")
        cells = [f"{at[column][epoch]:.3f}" for column in ("train/loss", "val/dice") for epoch in EPOCHS]
        lines.append(f"| {name} | {' | '.join(cells)} | in {at['fell'][2]} of {at['runs'][2]} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
