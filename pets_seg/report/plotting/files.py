"""The files of figures beside the page: each as PDF and as SVG, at every width."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from fontTools import subset

from pets_seg.machine.files import write_text, write_whole
from pets_seg.report.plotting.drawing import WIDTH, WIDTHS, Drawing
from pets_seg.report.plotting.svg import PICTURE_DPI, plain_svg

FOLDER = "figures"
FORMATS = ("pdf", "svg")
# Without a date and a version the same study gives the same file.
NO_METADATA = {"CreationDate": None, "Creator": None, "Producer": None}
# Tables of a font by which text is laid out.
LAYOUT = {"GSUB", "GPOS", "GDEF", "kern"}


def stem(name: str, width: float) -> str:
    """Return what the files of a figure at a width are called, without the suffix."""
    return f"{name}_{width:g}in"


def links(name: str) -> dict[str, dict[str, str]]:
    """Return the addresses of a figure's files from the page, by format and width in words."""
    return {
        form.upper(): {f"{width:g} inches": f"{FOLDER}/{stem(name, width)}.{form}" for width in WIDTHS}
        for form in FORMATS
    }


def write_figure(drawing: Drawing, width: float, folder: Path) -> str:
    """Write the files of a drawing, made at `width`, under the page's folder, and return its SVG.

    Raises RunError if a file cannot be written.
    """
    base = folder / FOLDER / stem(drawing.name, width)
    svg = plain_svg(drawing)
    write_text(base.with_name(f"{base.name}.svg"), svg)
    options: dict[str, Any] = {"format": "pdf", "dpi": PICTURE_DPI, "metadata": NO_METADATA}
    with _less_font():
        write_whole(base.with_name(f"{base.name}.pdf"), lambda file: drawing.figure.savefig(file, **options))
    return svg


@contextmanager
def _less_font() -> Iterator[None]:
    """Embed fonts without the tables by which text is laid out: no PDF uses them, and cutting them takes a second."""
    load = subset.load_font

    def load_less(*given: Any, **options: Any) -> Any:
        font = load(*given, **options)
        for table in LAYOUT & {*font.keys()}:
            del font[table]
        return font

    subset.load_font = load_less
    try:
        yield
    finally:
        subset.load_font = load


def remove_figure(name: str, folder: Path) -> None:
    """Remove the files of a figure under the page's folder, if there are any."""
    for width in WIDTHS:
        for form in FORMATS:
            with suppress(OSError):
                (folder / FOLDER / f"{stem(name, width)}.{form}").unlink()
    remove_former(name, folder)


def remove_former(name: str, folder: Path) -> None:
    """Remove the files of a figure that an older version wrote."""
    for form in ("svg", "png"):
        with suppress(OSError):
            (folder / FOLDER / f"{name}.{form}").unlink()


def pictures(folder: Path) -> list[str]:
    """Return the addresses of the wide figures of the page in `folder`, from there."""
    return sorted(f"{FOLDER}/{path.name}" for path in (folder / FOLDER).glob(f"{stem('*', WIDTH)}.svg"))
