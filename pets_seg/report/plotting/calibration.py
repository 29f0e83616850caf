"""Calibration: reliability at the best epoch, and the calibration error by epoch beside the loss."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pets_seg.report.plotting.courses import Course, course_of, draw_mean, last_point, limit_epochs, limit_y
from pets_seg.report.plotting.drawing import (
    WIDTH,
    Drawing,
    Lines,
    Mark,
    Points,
    add_axes,
    end_labels,
    grid,
    size_inches,
)
from pets_seg.report.plotting.legend import add_legend, legend_height
from pets_seg.report.plotting.looks import MUTED, Look
from pets_seg.report.plotting.widths import widest
from pets_seg.report.study.groups import Group
from pets_seg.report.study.study import Study

TITLES = {"val/loss": "validation loss", "val/ece": "calibration error, validation"}
# Inches: of the reliability and of a course in the narrow figure, and beneath panels for their x axis.
TALL, SHORT, AXIS = 2.1, 1.2, 0.42


@dataclass(frozen=True)
class Calibration:
    """What the figure shows: tables of `reliability` and courses by the name of a group, and how groups look."""

    looks: dict[str, Look]
    tables: dict[str, np.ndarray]
    courses: dict[str, Course]

    @property
    def shown(self) -> list[Look]:
        """The looks of the groups that have a table or a course."""
        return [look for name, look in self.looks.items() if name in self.tables or name in self.courses]


def draw_calibration(study: Study, looks: dict[str, Look], width: float = WIDTH) -> Drawing | None:
    """Return the reliability of test pixels, and the calibration error by epoch; None for runs without them."""
    groups = [group for group in study.finished if looks[group.name].strong]
    data = Calibration(
        {group.name: looks[group.name] for group in groups},
        {group.name: table for group in groups if (table := reliability(group)) is not None},
        {group.name: course for group in groups if (course := _course(group))},
    )
    if not data.shown:
        return None
    figure, hover = _draw_wide(data) if width >= WIDTH else _draw_narrow(data, width)
    labels = ", ".join(look.label for look in data.shown)
    alt = f"Reliability of predicted probabilities and calibration error by epoch of {labels}"
    return Drawing("calibration", "Calibration", _caption(study, data), alt, figure, hover)


def _draw_wide(data: Calibration) -> tuple[Figure, list[Lines | Points]]:
    """Draw all panels in a row, with labels at the ends of the lines of the last one."""
    count = bool(data.tables) + 2 * bool(data.courses)
    figure = Figure((WIDTH, 2.9))
    right = 0.35 + widest(look.label for look in data.shown)
    # A single panel over the whole width would be mostly empty.
    right = right if count > 1 else max(right, WIDTH - 3.8)
    [panels] = grid(figure, 1, count, (0.62, right, AXIS, 0.28), (0.5, 0))
    hover: list[Lines | Points] = []
    if data.tables:
        hover += _draw_reliability(panels[0], data)
        # The labels beside the last panel are those of the courses.
        lacking = [data.looks[name].label for name in data.tables if name not in data.courses]
        if data.courses and lacking:
            lines = [line for line in hover[0].axes.lines if line.get_label() in lacking]
            hover[0].axes.legend(handles=lines, frameon=False, fontsize=6, loc="upper left")
        elif not data.courses:
            end_labels(hover[0].axes, [(*table[-1, :2], data.looks[name]) for name, table in data.tables.items()])
    if data.courses:
        hover += _draw_courses(panels[-2:], data)
        ends = {name: last_point(course.epochs, course.mean("val/ece")) for name, course in data.courses.items()}
        end_labels(panels[-1], [(*end, data.looks[name]) for name, end in ends.items()])
    return figure, hover


def _draw_narrow(data: Calibration, width: float) -> tuple[Figure, list[Lines | Points]]:
    """Draw the reliability above the courses, under a legend."""
    head = legend_height(data.shown, width) + 0.2
    upper = TALL + AXIS if data.tables else 0.0
    lower = SHORT + AXIS if data.courses else 0.0
    between = 0.25 if upper and lower else 0.0
    figure = Figure((width, head + upper + between + lower))
    add_legend(figure, data.shown)
    hover: list[Lines | Points] = []
    if data.tables:
        hover += _draw_reliability(add_axes(figure, 0.62, lower + between + AXIS, width - 0.77, TALL), data)
    if data.courses:
        margins = (0.42, 0.12, AXIS, head + upper + between)
        [panels] = grid(figure, 1, 2, margins, (0.45, 0))
        hover += _draw_courses(panels, data)
        panels[1].set_title(TITLES["val/ece"].partition(",")[0])
    return figure, hover


def _caption(study: Study, data: Calibration) -> str:
    captions = []
    if data.tables:
        captions.append(
            "Reliability: share of pet among the test pixels of a predicted probability, and beneath it by how much"
            " that share is above the probability; the area of a dot is the number of pixels. On the dashed line"
            " probabilities are right."
        )
    if data.courses:
        captions.append(
            "By epoch: where the calibration error (mean gap between probability and outcome) grows while the"
            " validation loss rises, the network is surer than it is right."
        )
        if any(len(course.values["val/ece"]) > 1 for course in data.courses.values()):
            captions.append("Lines are means over seeds, bands ± one standard deviation.")
    if len(data.looks) < len(study.finished):
        captions.append(f"Shown are the {len(data.looks)} groups that are in colour elsewhere.")
    return " ".join(captions)


def reliability(group: Group) -> np.ndarray | None:
    """Return (bins, 3): mean probability, share of pet and number of test pixels over all seeds; None without any."""
    sums: dict[int, np.ndarray] = {}
    for run in group.finished:
        table = run.calibration[run.calibration["split"] == "test"]
        values = table[["bin", "pixels", "probability", "pet_share"]].to_numpy(dtype=float)
        for index, pixels, probability, share in values[np.isfinite(values).all(axis=1)]:
            sums[int(index)] = sums.get(int(index), np.zeros(3)) + pixels * np.array([probability, share, 1.0])
    bins = [[*(total[:2] / total[2]), total[2]] for _, total in sorted(sums.items()) if total[2] > 0]
    return np.array(bins) if bins else None


def _course(group: Group) -> Course | None:
    course = course_of(group, list(TITLES))
    return course if course and np.isfinite(course.values["val/ece"]).any() else None


def _draw_reliability(axes: Axes, data: Calibration) -> list[Lines | Points]:
    """Draw the shares of pet, and the gaps beneath them, in the place of `axes`."""
    place = axes.get_position()
    axes.set_axis_off()
    gaps = axes.figure.add_axes((place.x0, place.y0, place.width, 0.32 * place.height))
    shares = axes.figure.add_axes((place.x0, place.y0 + 0.4 * place.height, place.width, 0.6 * place.height))
    shares.plot([0, 1], [0, 1], color=MUTED, linewidth=0.8, linestyle=(0, (4, 2)))
    gaps.axhline(0, color=MUTED, linewidth=0.8, linestyle=(0, (4, 2)))
    series = []
    marks = []
    largest = max(table[:, 2].max() / table[:, 2].sum() for table in data.tables.values())
    for name, table in data.tables.items():
        look = data.looks[name]
        probability, share, pixels = table.T
        gap, weights = share - probability, pixels / pixels.sum()
        shares.plot(probability, share, color=look.colour, linewidth=1.0, linestyle=look.dash, label=look.label)
        gaps.plot(probability, gap, color=look.colour, linewidth=0.6, linestyle=look.dash)
        gaps.scatter(probability, gap, s=30 * weights / largest + 1, color=look.colour, alpha=0.75, linewidths=0)
        series.append((look.label, look.colour, probability, share, None))
        for x, y, weight in zip(probability, gap, weights, strict=True):
            lines = [name, f"probability {x:.3f}, gap {y:+.4f}", f"{100 * weight:.1f} % of the pixels"]
            marks.append(Mark(x, y, look.colour, lines))
    shares.set_ylim(-0.02, 1.02)
    shares.tick_params(labelbottom=False)
    shares.set_title("reliability, test pixels")
    gaps.set_xlabel("predicted probability of pet")
    gaps.yaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 5, 10]))
    for panel, label in ((shares, "share of pet"), (gaps, "gap")):
        panel.set_xlim(-0.02, 1.02)
        panel.set_ylabel(label)
        panel.yaxis.set_label_coords(-0.44 / size_inches(panel)[0], 0.5)
    return [Lines(shares, "probability", series), Points(gaps, marks)]


def _draw_courses(panels: Sequence[Axes], data: Calibration) -> list[Lines]:
    last = max(course.epochs[-1] for course in data.courses.values())
    first = min(course.epochs[0] for course in data.courses.values())
    hover = []
    for axes, (column, title) in zip(panels, TITLES.items(), strict=True):
        series = [draw_mean(axes, data.looks[name], *course.curve(column)) for name, course in data.courses.items()]
        limit_y(axes, [y for _, _, _, y, _ in series], floor=0)
        limit_epochs(axes, first, last)
        axes.set_title(title)
        axes.set_xlabel("epoch")
        hover.append(Lines(axes, "epoch", series))
    return hover
