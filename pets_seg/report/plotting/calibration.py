"""Calibration: reliability at the best epoch, and the calibration error by epoch beside the loss."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pets_seg.report.plotting.courses import Course, course_of, draw_mean, last_point, limit_y
from pets_seg.report.plotting.drawing import WIDTH, Drawing, Lines, Mark, Points, end_labels, grid, size_inches
from pets_seg.report.plotting.looks import MUTED, Look, ranked
from pets_seg.report.plotting.widths import widest
from pets_seg.report.study.groups import Group
from pets_seg.report.study.study import Study

TITLES = {"val/loss": "validation loss", "val/ece": "calibration error, validation"}


def draw_calibration(study: Study, looks: dict[str, Look]) -> Drawing | None:
    """Return the reliability of test pixels, and the calibration error by epoch; None for runs without them."""
    groups = [group for group in ranked(study) if looks[group.name].strong]
    tables = {group.name: table for group in groups if (table := reliability(group)) is not None}
    courses = {group.name: course for group in groups if (course := _course(group))}
    if not tables and not courses:
        return None
    labels = [looks[group.name].label for group in groups if group.name in tables or group.name in courses]
    count = bool(tables) + 2 * bool(courses)
    figure = Figure((WIDTH if count > 1 else 4.2, 2.9))
    [panels] = grid(figure, 1, count, (0.62, 0.35 + widest(labels), 0.42, 0.28), (0.5, 0))
    hover: list[Lines | Points] = []
    captions = []
    if tables:
        hover += _draw_reliability(panels[0], tables, looks)
        captions.append(
            "Reliability: share of pet among the test pixels of a predicted probability, and beneath it by how much"
            " that share is above the probability; the area of a dot is the number of pixels. On the dashed line"
            " probabilities are right."
        )
        # The labels beside the last panel are those of the courses.
        lacking = [looks[name].label for name in tables if name not in courses]
        if courses and lacking:
            lines = [line for line in hover[0].axes.lines if line.get_label() in lacking]
            hover[0].axes.legend(handles=lines, frameon=False, fontsize=6, loc="upper left")
        elif not courses:
            end_labels(hover[0].axes, [(*table[-1, :2], looks[name]) for name, table in tables.items()])
    if courses:
        hover += [_draw_course(axes, courses, column, looks) for axes, column in zip(panels[-2:], TITLES, strict=True)]
        captions.append(
            "By epoch: where the calibration error (mean gap between probability and outcome) grows while the loss"
            " rises, the network is surer than it is right. Lines are means over seeds, bands ± one standard deviation."
        )
        ends = {name: last_point(course.epochs, course.mean("val/ece")) for name, course in courses.items()}
        end_labels(panels[-1], [(*end, looks[name]) for name, end in ends.items()])
    if len(groups) < len(study.finished):
        captions.append(f"Shown are the {len(groups)} groups that are in colour elsewhere.")
    alt = f"Reliability of predicted probabilities and calibration error by epoch of {', '.join(labels)}"
    return Drawing("calibration", "Calibration", " ".join(captions), alt, figure, hover)


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


def _draw_reliability(axes: Axes, tables: dict[str, np.ndarray], looks: dict[str, Look]) -> list[Lines | Points]:
    place = axes.get_position()
    axes.set_axis_off()
    gaps = axes.figure.add_axes((place.x0, place.y0, place.width, 0.32 * place.height))
    shares = axes.figure.add_axes((place.x0, place.y0 + 0.4 * place.height, place.width, 0.6 * place.height))
    shares.plot([0, 1], [0, 1], color=MUTED, linewidth=0.8, linestyle=(0, (4, 2)))
    gaps.axhline(0, color=MUTED, linewidth=0.8, linestyle=(0, (4, 2)))
    series = []
    marks = []
    largest = max(table[:, 2].max() / table[:, 2].sum() for table in tables.values())
    for name, table in tables.items():
        look = looks[name]
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


def _draw_course(axes: Axes, courses: dict[str, Course], column: str, looks: dict[str, Look]) -> Lines:
    series = [draw_mean(axes, looks[name], *course.curve(column)) for name, course in courses.items()]
    limit_y(axes, [y for _, _, _, y, _ in series], 0.08, floor=0)
    last = max(course.epochs[-1] for course in courses.values())
    if last > 1:
        axes.set_xlim(0, last)
    axes.set_title(TITLES[column])
    axes.set_xlabel("epoch")
    return Lines(axes, "epoch", series)
