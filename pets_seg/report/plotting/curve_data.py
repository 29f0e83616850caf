"""The learning curves as data, which the script of the page draws: courses of groups by epoch and by time."""

from typing import Any

import numpy as np
import pandas as pd

from pets_seg.report.plotting.courses import SECONDS, Course, course_of, known_range
from pets_seg.report.plotting.curves import REFERENCE
from pets_seg.report.plotting.drawing import series_data
from pets_seg.report.plotting.looks import OTHER, Look
from pets_seg.report.study.study import Study
from pets_seg.report.study.words import PANELS, Unit, unit_of


def curve_data(study: Study, looks: dict[str, Look], reference: bool = False) -> dict[str, Any]:
    """Return a caption, and for each panel its title, whether it holds losses, and its views: by epoch, and by time.

    There is no view by time where that is not known. A view has its unit, and for each group name, colour and dash, and
    x, y and sd as lists with None where not known. By epoch there are the curves of the reference study, if wanted.
    """
    courses = {group.name: course for group in study.groups if (course := course_of(group, list(PANELS)))}
    unit = unit_of("train_seconds", [known_range(course.values[SECONDS])[1] for course in courses.values()])
    panels = []
    for column, title in PANELS.items():
        views = [_view(courses, looks, column, None), _view(courses, looks, column, unit)]
        views[0]["series"] += _references(column) if reference else []
        known = any(len(series["x"]) for series in views[1]["series"])
        panels.append({"title": title, "loss": column.endswith("loss"), "views": views[: 1 + known]})
    several = max((len(course.values[SECONDS]) for course in courses.values()), default=0) > 1
    caption = "Lines are means over seeds, bands ± one standard deviation." if several else "Every group has one run."
    if reference:
        caption += " In grey: the six curves of the reference study, of other conditions."
    return {"panels": panels, "caption": caption}


def _references(column: str) -> list[dict[str, Any]]:
    curves = pd.read_csv(REFERENCE).groupby("curve")
    known = ((str(label), *table[["epoch", column]].to_numpy(dtype=float).T) for label, table in curves)
    return [series_data(label, OTHER, x, y, None) | {"thin": True} for label, x, y in known]


def _view(courses: dict[str, Course], looks: dict[str, Look], column: str, unit: Unit | None) -> dict[str, Any]:
    series = []
    for name, course in courses.items():
        x, y, deviation = course.curve(column, unit.scale if unit else None)
        keep = np.isfinite(x)
        data = series_data(looks[name].label, looks[name].colour, x[keep], y[keep], deviation[keep])
        more = {"dash": looks[name].dash != "-", "thin": not looks[name].strong}
        series.append(data | {key: value for key, value in more.items() if value})
    return {"unit": unit.name if unit else "epoch", "series": series}
