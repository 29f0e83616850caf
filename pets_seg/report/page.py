"""The page of a study: one file that needs nothing else, and its figures for a paper."""

import json
import math
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.resources import files
from pathlib import Path
from typing import Any

import matplotlib as mpl
from jinja2 import Environment
from markupsafe import Markup

from pets_seg.errors import RunError, escaped
from pets_seg.machine.files import write_text, write_whole
from pets_seg.report.plotting.calibration import draw_calibration
from pets_seg.report.plotting.cost import draw_cost
from pets_seg.report.plotting.curves import draw_curves
from pets_seg.report.plotting.differences import draw_differences
from pets_seg.report.plotting.drawing import STYLE, Drawing, hover_data
from pets_seg.report.plotting.factors import draw_factors
from pets_seg.report.plotting.images import draw_images
from pets_seg.report.plotting.looks import find_looks
from pets_seg.report.plotting.masks import draw_masks
from pets_seg.report.plotting.svg import inline_svg, plain_svg
from pets_seg.report.study.examples import Example
from pets_seg.report.study.groups import written
from pets_seg.report.study.study import Study
from pets_seg.report.tables import Table

# What a report may have left in figures/.
NAMES = ("differences", "curves", "factors", "images", "masks", "calibration", "cost")
DPI = 300
MOST_OF_ERROR = 300
NUMBER = re.compile(r"[-+<>~\N{MINUS SIGN}]? ?[0-9].*|[-\N{EN DASH}\N{EM DASH}]?")
# More are folded away.
MOST_OPEN = 12
# Longer tables scroll in a box of their own, so that what follows stays near.
MOST_ROWS = 25


def write_page(
    study: Study,
    folder: Path,
    answer: list[str],
    tables: list[Table],
    examples: list[Example],
    notes: list[str],
    made: list[tuple[str, str]],
    reference: bool = False,
) -> Path:
    """Write `folder`/report.html and `folder`/figures/*.svg and .png, and return the path of the page.

    `answer` stands at the top, the first of `tables` beneath it. Figures of a former report that this one does not have
    are removed; one that cannot be drawn is named among the notes. `reference` lays the curves of the reference study
    under the learning curves. Raises RunError if a file cannot be written.
    """
    shown, failed = [], []
    with _style():
        for name, draw in _figures(study, examples, reference):
            # A figure draws what anyone's files hold; whatever is wrong with it, all else on the page is worth having.
            try:
                drawing = draw()
                if drawing is not None:
                    shown.append(_save(drawing, folder / "figures" / name))
            # A full disk is no fault of the figure; what stands there stays.
            except RunError:
                raise
            except Exception as error:
                reason = f"{type(error).__name__}: {error}"[:MOST_OF_ERROR]
                failed.append(f"{name}: could not be drawn ({reason})")
    kept = {figure["name"] for figure in shown}
    for name in NAMES:
        for suffix in (".svg", ".png"):
            if name not in kept:
                with suppress(OSError):
                    (folder / "figures" / f"{name}{suffix}").unlink(missing_ok=True)
    page = folder / "report.html"
    write_text(page, _render(study, answer, tables, shown, [*notes, *failed], made))
    return page


def _figures(
    study: Study, examples: Sequence[Example], reference: bool
) -> list[tuple[str, Callable[[], Drawing | None]]]:
    """Return names and functions of all figures, in the order of the page."""
    looks = find_looks(study)
    return [
        ("differences", lambda: draw_differences(study, looks)),
        ("factors", lambda: draw_factors(study)),
        ("curves", lambda: draw_curves(study, looks, reference)),
        ("masks", lambda: draw_masks(study, looks, examples)),
        ("images", lambda: draw_images(study, looks)),
        ("calibration", lambda: draw_calibration(study, looks)),
        ("cost", lambda: draw_cost(study, looks)),
    ]


def _save(drawing: Drawing, base: Path) -> dict[str, Any]:
    """Write `base`.svg and .png, and return what the page shows of a figure."""
    shown = {
        "name": drawing.name,
        "title": drawing.title,
        "caption": drawing.caption,
        "svg": inline_svg(drawing),
        "hover": Markup(_json(hover_data(drawing))),
    }
    write_text(base.with_suffix(".svg"), plain_svg(drawing))
    write_whole(base.with_suffix(".png"), lambda file: drawing.figure.savefig(file, dpi=DPI, format="png"))
    return shown


@contextmanager
def _style() -> Iterator[None]:
    with mpl.rc_context(STYLE), warnings.catch_warnings():
        # A name in a script that the font lacks is drawn as boxes; the page's own fonts have it.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def _json(value: Any) -> str:
    # No `</script>` in a name ends the script that holds it.
    return json.dumps(value, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c").replace("&", "\\u0026")


def _render(
    study: Study,
    answer: Sequence[str],
    tables: Sequence[Table],
    figures: Sequence[dict[str, Any]],
    notes: Sequence[str],
    made: Sequence[tuple[str, str]],
) -> str:
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, finalize=_harmless)
    environment.tests["numeric"] = _is_numeric
    environment.filters["counted"] = lambda count, word: f"{count} {word}" + ("" if count == 1 else "s")
    source = files("pets_seg.report").joinpath("template")
    style, script, page = (
        source.joinpath(name).read_text(encoding="utf-8") for name in ("style.css", "hover.js", "report.html.jinja")
    )
    names = ", ".join(dict.fromkeys(folder.resolve().name for folder in study.folders))
    configurations = [
        (group.name, [written(group.values[key]) for key in study.keys], len(group.finished), len(group.runs))
        for group in study.groups
    ]
    return environment.from_string(page).render(
        names=names,
        study=study,
        answer=answer,
        tables=tables,
        figures=figures,
        notes=notes,
        made=made,
        configurations=configurations,
        unfinished=[run for run in study.runs if not run.finished],
        finished=sum(run.finished for run in study.runs),
        most_open=MOST_OPEN,
        most_rows=MOST_ROWS,
        dpi=DPI,
        style=Markup(style),
        script=Markup(script),
    )


def _is_numeric(table: Table, column: int) -> bool:
    cells = [row[column] for row in table.rows if column < len(row)]
    return column > 0 and any(cells) and all(NUMBER.fullmatch(cell) for cell in cells)


def _harmless(value: Any) -> Any:
    """Return what a template shows without what a file of UTF-8 cannot hold, or what would turn its text around."""
    if isinstance(value, float) and not math.isfinite(value):
        return ""
    return escaped(value) if isinstance(value, str) and not isinstance(value, Markup) else value
