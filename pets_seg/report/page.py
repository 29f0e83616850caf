"""The page of a study: one file that needs nothing else, and its figures for a paper."""

import math
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib as mpl
from jinja2 import Environment, PackageLoader
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from pets_seg.errors import RunError, escaped
from pets_seg.machine.files import write_text, write_whole
from pets_seg.report.configurations import configurations_table, left_out_table, shared_settings, unfinished_table
from pets_seg.report.gallery import gallery_data
from pets_seg.report.layout import WINDOWS, laid_out
from pets_seg.report.plotting.calibration import draw_calibration
from pets_seg.report.plotting.cost import draw_cost
from pets_seg.report.plotting.curve_data import curve_data
from pets_seg.report.plotting.curves import draw_curves
from pets_seg.report.plotting.differences import draw_differences
from pets_seg.report.plotting.drawing import Drawing, hover_data
from pets_seg.report.plotting.factors import draw_factors
from pets_seg.report.plotting.images import draw_images
from pets_seg.report.plotting.interaction import draw_interaction
from pets_seg.report.plotting.looks import STYLE, Look, find_looks
from pets_seg.report.plotting.main_effects import draw_main_effects
from pets_seg.report.plotting.masks import draw_masks
from pets_seg.report.plotting.search import draw_search
from pets_seg.report.plotting.svg import inline_svg, plain_svg
from pets_seg.report.study.examples import Example
from pets_seg.report.study.study import Study
from pets_seg.report.tables import Table

DPI = 300
LONGEST_ERROR = 300
# Sections with more rows are folded at first.
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
    gallery: bool = False,
) -> Path:
    """Write `folder`/report.html and `folder`/figures/*.svg and .png, and return the path of the page.

    `answer` stands at the top, the first of `tables` beneath it. Figures of a former report that this one does not have
    are removed; one that cannot be drawn is named among the notes. `reference` lays the curves of the reference study
    under the learning curves; with `gallery` masks are predicted, to leaf through images. Raises RunError if a file
    cannot be written.
    """
    looks = find_looks(study)
    drawings: dict[str, Callable[[], Drawing | None]] = {
        "search": lambda: draw_search(study),
        "main_effects": lambda: draw_main_effects(study),
        "interaction": lambda: draw_interaction(study),
        "differences": lambda: draw_differences(study, looks),
        "factors": lambda: draw_factors(study),
        "curves": lambda: _with_data(draw_curves(study, looks, reference), study, looks, reference),
        "masks": lambda: draw_masks(study, looks, examples),
        "images": lambda: draw_images(study, looks),
        "calibration": lambda: draw_calibration(study, looks),
        "cost": lambda: draw_cost(study, looks),
    }
    shown: dict[str, Any] = {}
    figures, failed = [], []
    with mpl.rc_context(STYLE), warnings.catch_warnings():
        # A name in a script that the font lacks is drawn as boxes; the page's own fonts have it.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        for name, draw in drawings.items():
            base = folder / "figures" / name
            # Whatever in the run folders keeps a figure from being drawn, the rest of the page is made.
            try:
                if drawing := draw():
                    figures.append(_save(drawing, base))
                    continue
            # A file cannot be written, because the disk is full for example: a former figure stays.
            except RunError:
                raise
            except Exception as error:
                reason = f"{type(error).__name__}: {error}"[:LONGEST_ERROR]
                failed.append(f"{name}: could not be drawn ({reason})")
            for suffix in (".svg", ".png"):
                with suppress(OSError):
                    base.with_suffix(suffix).unlink()
    leafed = gallery_data(study, {name: look.label for name, look in looks.items()}) if gallery else None
    if leafed:
        shown = {"gallery": htmlsafe_json_dumps(leafed, separators=(",", ":"), allow_nan=False)}
        shown["gallery_first"] = leafed["groups"][0]
    shown |= {"answer": answer, "tables": tables, "figures": figures, "notes": [*notes, *failed], "made": made}
    write_text(folder / "report.html", render(study=study, **shown))
    return folder / "report.html"


def _with_data(drawing: Drawing | None, study: Study, looks: dict[str, Look], reference: bool) -> Drawing | None:
    return drawing and replace(drawing, data=curve_data(study, looks, reference))


def _save(drawing: Drawing, base: Path) -> dict[str, Any]:
    """Write `base`.svg and .png, and return what the page shows of a figure."""
    hover = htmlsafe_json_dumps(hover_data(drawing), separators=(",", ":"), allow_nan=False)
    shown = {"drawing": drawing, "svg": inline_svg(drawing), "hover": hover}
    if drawing.data is not None:
        shown["curves"] = htmlsafe_json_dumps(drawing.data, separators=(",", ":"), allow_nan=False)
    write_text(base.with_suffix(".svg"), plain_svg(drawing))
    write_whole(base.with_suffix(".png"), lambda file: drawing.figure.savefig(file, dpi=DPI, format="png"))
    return shown


def render(study: Study, **shown: Any) -> str:
    """Return the page of a study that shows this; the parameters are those of the template."""
    loader = PackageLoader("pets_seg.report", "template")
    environment = Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True, finalize=_harmless)
    environment.filters["laid_out"] = laid_out
    environment.filters["counted"] = lambda count, word: f"{count} {word}" + ("" if count == 1 else "s")
    environment.globals |= {"most_open": MOST_OPEN, "most_rows": MOST_ROWS, "windows": WINDOWS, "dpi": DPI}
    shown |= {"configurations": configurations_table(study), "shared": shared_settings(study)}
    shown |= {"not_finished": unfinished_table(study), "left_out": left_out_table(study)}
    return environment.get_template("report.html.jinja").render(study=study, **shown)


def _harmless(value: Any) -> Any:
    """Return a value of the template without characters that UTF-8 cannot hold or that turn the text around."""
    if isinstance(value, float) and not math.isfinite(value):
        return ""
    return escaped(value) if isinstance(value, str) and not isinstance(value, Markup) else value
