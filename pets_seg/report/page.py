"""The page of a study: one file that needs nothing else, and its figures for a paper."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl

from pets_seg.errors import RunError
from pets_seg.machine.files import write_text
from pets_seg.report.configurations import configurations_table, left_out_table, shared_settings, unfinished_table
from pets_seg.report.environment import environment, for_script
from pets_seg.report.gallery import gallery_data
from pets_seg.report.layout import WINDOWS, laid_out
from pets_seg.report.plotting.calibration import draw_calibration
from pets_seg.report.plotting.cost import draw_cost
from pets_seg.report.plotting.curve_data import curve_data
from pets_seg.report.plotting.curves import draw_curves
from pets_seg.report.plotting.differences import draw_differences
from pets_seg.report.plotting.drawing import WIDTHS, Drawing, hover_data
from pets_seg.report.plotting.factors import draw_factors
from pets_seg.report.plotting.files import links, remove_figure, remove_former, stem, write_figure
from pets_seg.report.plotting.images import draw_images
from pets_seg.report.plotting.interaction import draw_interaction
from pets_seg.report.plotting.looks import STYLE, find_looks
from pets_seg.report.plotting.main_effects import draw_main_effects
from pets_seg.report.plotting.masks import draw_masks
from pets_seg.report.plotting.search import draw_search
from pets_seg.report.plotting.svg import inline_svg
from pets_seg.report.plotting.widths import LONGEST
from pets_seg.report.study.examples import Example
from pets_seg.report.study.study import Study
from pets_seg.report.tables import Table

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
    """Write `folder`/report.html and the files of `folder`/figures/, and return the path of the page.

    `answer` stands at the top, the first of `tables` beneath it. Figures of a former report that this one does not have
    are removed; one that cannot be drawn is named among the notes. `reference` lays the curves of the reference study
    under the learning curves; with `gallery` masks are predicted, to leaf through images. Raises RunError if a file
    cannot be written.
    """
    shown: dict[str, Any] = {}
    looks = find_looks(study)
    # What the page's script draws in place of a figure, where there is a window.
    scripted = {"curves": lambda: curve_data(study, looks, reference)}
    figures, failed = [], []
    with mpl.rc_context(STYLE), warnings.catch_warnings():
        # A name in a script that the font lacks is drawn as boxes; the page's own fonts have it.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        for name, draw in drawings(study, examples, reference).items():
            remove_former(name, folder)
            # Whatever in the run folders keeps a figure from being drawn, the rest of the page is made.
            try:
                if figure := _figure(draw, folder):
                    figure |= {"data": for_script(scripted[name]())} if name in scripted else {}
                    figures.append(figure)
                    continue
            # A file cannot be written, because the disk is full for example: a former figure stays.
            except RunError:
                raise
            except Exception as error:
                reason = f"{type(error).__name__}: {error}"[:LONGEST_ERROR]
                failed.append(f"{name}: could not be drawn ({reason})")
            remove_figure(name, folder)
    labels = {name: look.label for name, look in looks.items()}
    leafed = gallery_data(study, labels) if gallery else None
    if leafed:
        shown = {"gallery": for_script(leafed)}
        shown |= {"gallery_first": leafed["groups"][0], "gallery_side": leafed["side"]}
    shown |= {"answer": answer, "tables": tables, "figures": figures, "notes": [*notes, *failed], "made": made}
    write_text(folder / "report.html", render(study=study, **shown))
    return folder / "report.html"


def drawings(study: Study, examples: list[Example], reference: bool) -> dict[str, Callable[[float], Drawing | None]]:
    """Return what draws each figure at a width, by its name, in the order of the page."""
    looks = {width: find_looks(study, min(LONGEST, width / 3)) for width in WIDTHS}
    return {
        "search": lambda width: draw_search(study, width),
        "main_effects": lambda width: draw_main_effects(study, width),
        "interaction": lambda width: draw_interaction(study, width),
        "differences": lambda width: draw_differences(study, looks[width], width),
        "factors": lambda width: draw_factors(study, width),
        "curves": lambda width: draw_curves(study, looks[width], width, reference),
        "masks": lambda width: draw_masks(study, looks[width], examples, width),
        "images": lambda width: draw_images(study, looks[width], width),
        "calibration": lambda width: draw_calibration(study, looks[width], width),
        "cost": lambda width: draw_cost(study, looks[width], width),
    }


def _figure(draw: Callable[[float], Drawing | None], folder: Path) -> dict[str, Any] | None:
    """Write the files of a figure, and return what the page shows of it; None if there is no data.

    `layouts` has the drawing at each width, by the class that style.css shows where it fits.
    """
    layouts: dict[str, dict[str, Any]] = {}
    for layout, width in zip(("wide", "narrow"), WIDTHS, strict=True):
        if (drawing := draw(width)) is None:
            return None
        prefix = stem(drawing.name, width)
        layouts[layout] = {"drawing": drawing, "id": prefix, "hover": for_script(hover_data(drawing))}
        layouts[layout]["svg"] = inline_svg(drawing, write_figure(drawing, width, folder), prefix)
    return {"drawing": layouts["wide"]["drawing"], "layouts": layouts, "links": links(layouts["wide"]["drawing"].name)}


def render(study: Study, **shown: Any) -> str:
    """Return the page of a study that shows this; the parameters are those of the template."""
    templates = environment()
    templates.filters["laid_out"] = laid_out
    templates.filters["counted"] = lambda count, word: f"{count} {word}" + ("" if count == 1 else "s")
    templates.globals |= {"most_open": MOST_OPEN, "most_rows": MOST_ROWS, "windows": WINDOWS}
    shown |= {"configurations": configurations_table(study), "shared": shared_settings(study)}
    shown |= {"not_finished": unfinished_table(study), "left_out": left_out_table(study)}
    return templates.get_template("report.html.jinja").render(study=study, **shown)
