"""Whether probabilities can be believed: reliability at the best epoch, and the error by epoch beside the loss."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pets_seg.report.plotting.courses import Course, course
from pets_seg.report.plotting.drawing import WIDTH, Drawing, Lines, Points, end_labels, grid, thinned
from pets_seg.report.plotting.looks import MUTED, Look, ranked
from pets_seg.report.plotting.widths import widest
from pets_seg.report.study.groups import Group
from pets_seg.report.study.study import Study

ERROR = "val/ece"
LOSS = "val/loss"


def draw_calibration(study: Study, looks: dict[str, Look]) -> Drawing | None:
    """Return the reliability of test pixels, and the calibration error by epoch; None for runs without them."""
    groups = [group for group in ranked(study) if looks[group.name].strong]
    tables = {group.name: table for group in groups if (table := reliability(group)) is not None}
    courses = {group.name: found for group in groups if (found := _course(group)) is not None}
    if not tables and not courses:
        return None
    names = [group.name for group in groups if group.name in tables or group.name in courses]
    right = 0.35 + widest([looks[name].label for name in names])
    count = bool(tables) + 2 * bool(courses)
    figure = Figure((WIDTH if count > 1 else 4.2, 2.9))
    [panels] = grid(figure, 1, count, (0.62, right, 0.42, 0.28), (0.5, 0))
    hover: list[Lines | Points] = []
    shares = panels[0]
    captions = []
    if tables:
        hover += _draw_reliability(panels[0], tables, looks)
        shares = hover[0].axes
        captions.append(
            "Reliability: share of pet among the test pixels of a predicted probability, and beneath it by how much"
            " that share is above the probability; the area of a dot is the number of pixels. On the dashed line"
            " probabilities are right."
        )
    if courses:
        for axes, column in zip(panels[-2:], (LOSS, ERROR), strict=True):
            hover.append(_draw_course(axes, courses, column, looks))
        captions.append(
            "By epoch: where the calibration error (mean gap between probability and outcome) grows while the loss"
            " rises, the network is surer than it is right. Lines are means over seeds, bands ± one standard deviation."
        )
        ends = {name: _end(found) for name, found in courses.items()}
        _label_inside(shares, [looks[name] for name in tables if name not in courses])
        end_labels(panels[-1], [(*ends[name], looks[name].label, looks[name].colour) for name in ends])
    else:
        ends = {name: (table[-1, 0], table[-1, 1]) for name, table in tables.items()}
        end_labels(shares, [(*ends[name], looks[name].label, looks[name].colour) for name in ends])
    if len(groups) < sum(bool(group.finished) for group in study.groups):
        captions.append(f"Shown are the {len(groups)} groups that are in colour elsewhere.")
    alt = "Reliability of predicted probabilities and calibration error by epoch of " + ", ".join(
        looks[name].label for name in names
    )
    return Drawing("calibration", "Calibration", " ".join(captions), alt, figure, hover)


def reliability(group: Group) -> np.ndarray | None:
    """Return (bins, 3): mean probability, share of pet, number; of test pixels, all seeds; None without any."""
    sums: dict[int, np.ndarray] = {}
    for run in group.finished:
        table = run.calibration[run.calibration["split"] == "test"]
        values = table[["bin", "pixels", "probability", "pet_share"]].to_numpy(dtype=float)
        for index, pixels, probability, share in values[np.isfinite(values).all(axis=1)]:
            sums[int(index)] = sums.get(int(index), np.zeros(3)) + pixels * np.array([probability, share, 1.0])
    found = [total for _, total in sorted(sums.items()) if total[2] > 0]
    return np.array([[total[0] / total[2], total[1] / total[2], total[2]] for total in found]) if found else None


def _course(group: Group) -> Course | None:
    found = course(group, (LOSS, ERROR))
    return found if found is not None and np.isfinite(found.values[ERROR]).any() else None


def _end(found: Course) -> tuple[float, float]:
    values = found.mean(ERROR)
    last = np.flatnonzero(np.isfinite(values))[-1]
    return float(found.epochs[last]), float(values[last])


def _label_inside(axes: Axes, looks: Sequence[Look]) -> None:
    """Name what has no line in the panel at whose right the others are named."""
    for row, look in enumerate(looks):
        y = 0.95 - 0.1 * row
        axes.plot([0.03, 0.11], [y, y], transform=axes.transAxes, color=look.colour, linestyle=look.dash, linewidth=1.0)
        axes.text(0.13, y, look.label, transform=axes.transAxes, fontsize=6, va="center_baseline")


def _draw_reliability(axes: Axes, tables: dict[str, np.ndarray], looks: dict[str, Look]) -> list[Lines | Points]:
    place = axes.get_position()
    axes.set_axis_off()
    gaps = axes.figure.add_axes((place.x0, place.y0, place.width, 0.32 * place.height))
    shares = axes.figure.add_axes((place.x0, place.y0 + 0.4 * place.height, place.width, 0.6 * place.height))
    shares.plot([0, 1], [0, 1], color=MUTED, linewidth=0.8, linestyle=(0, (4, 2)))
    gaps.axhline(0, color=MUTED, linewidth=0.8, linestyle=(0, (4, 2)))
    series, marks = [], []
    most = max(table[:, 2].max() / table[:, 2].sum() for table in tables.values())
    for name, table in tables.items():
        look = looks[name]
        probability, share, pixels = table.T
        part = pixels / pixels.sum()
        shares.plot(probability, share, color=look.colour, linewidth=1.0, linestyle=look.dash)
        gaps.plot(probability, share - probability, color=look.colour, linewidth=0.6, linestyle=look.dash)
        gaps.scatter(
            probability, share - probability, s=30 * part / most + 1, color=look.colour, alpha=0.75, linewidths=0
        )
        series.append((look.label, look.colour, probability, share, None))
        for x, y, weight in zip(probability, share - probability, part, strict=True):
            text = [f"probability {x:.3f}, gap {y:+.4f}", f"{100 * weight:.1f} % of the pixels"]
            marks.append((float(x), float(y), look.colour, [name, *text]))
    for panel in (gaps, shares):
        panel.set_xlim(-0.02, 1.02)
    shares.set_ylim(-0.02, 1.02)
    shares.tick_params(labelbottom=False)
    shares.set_title("reliability, test pixels")
    gaps.set_xlabel("predicted probability of pet")
    for panel, label in ((shares, "share of pet"), (gaps, "gap")):
        panel.set_ylabel(label)
        panel.yaxis.set_label_coords(-0.44 / (place.width * axes.figure.get_figwidth()), 0.5)
    gaps.yaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 5, 10]))
    return [Lines(shares, "probability", series), Points(gaps, marks)]


def _draw_course(axes: Axes, courses: dict[str, Course], column: str, looks: dict[str, Look]) -> Lines:
    series, late = [], []
    for name, found in courses.items():
        keep = thinned(len(found.epochs))
        x, y, deviation = found.epochs[keep], found.mean(column)[keep], found.deviation(column)[keep]
        look = looks[name]
        if np.isfinite(deviation).any():
            axes.fill_between(x, y - deviation, y + deviation, color=look.colour, alpha=0.13, linewidth=0)
        marker = {"marker": "o", "markersize": 3} if len(x) == 1 else {}
        axes.plot(x, y, color=look.colour, linewidth=1.15, linestyle=look.dash, **marker)
        series.append((look.label, look.colour, x, y, deviation))
        late.append(y[len(y) // 8 + (len(y) > 3) :])
    values = np.concatenate(late)
    values = values[np.isfinite(values)]
    if len(values):
        pad = 0.08 * (values.max() - values.min()) or 0.01
        axes.set_ylim(max(min(0.0, values.min()), values.min() - pad), values.max() + pad)
    last = max(found.epochs[-1] for found in courses.values())
    if last > 1:
        axes.set_xlim(0, last)
    axes.set_title("calibration error, validation" if column == ERROR else "validation loss")
    axes.set_xlabel("epoch")
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    return Lines(axes, "epoch", series)
