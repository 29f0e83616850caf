"""Figures as SVG: on their own for a paper, and as a part of the page."""

import base64
import io
import re

import matplotlib as mpl
from markupsafe import Markup, escape
from PIL import Image

from pets_seg.errors import escaped
from pets_seg.report.plotting.drawing import Drawing
from pets_seg.report.plotting.looks import VARIABLES

# Of photographs and of what is drawn as a raster image.
PICTURE_DPI = 200
PAGE_COLOURS = {colour: f"var(--{name})" for colour, name in ({"#ffffff": "face"} | VARIABLES).items()}


def plain_svg(drawing: Drawing) -> str:
    """Return a figure as SVG with its text as text, in DejaVu Sans or another font without serifs."""
    file = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none"}):
        drawing.figure.savefig(file, format="svg", dpi=PICTURE_DPI, metadata={"Date": None, "Creator": None})
    # A hundredth of a point is finer than any printer.
    svg = re.sub(r'\bd="[^"]*"', lambda path: re.sub(r"(\.\d\d)\d+", r"\1", path[0]), file.getvalue())
    return _with_photographs(svg) if drawing.pictures else svg


def inline_svg(drawing: Drawing, svg: str, prefix: str) -> Markup:
    """Return the `svg` of a figure as a part of the page: in its colours and font, with `prefix` before its ids."""
    # The page has a style of its own and needs no metadata.
    svg = re.sub(r"<metadata>.*?</metadata>|<defs>\s*<style.*?</style>\s*</defs>", "", svg, flags=re.DOTALL)
    # Only within tags: a name in the text may look like an id or a colour.
    svg = re.sub(r"<[^>]*>", lambda tag: _adapted(tag[0], prefix), svg[svg.index("<svg") :])
    width, height = drawing.figure.get_size_inches()
    opening = (
        f'<svg viewBox="0 0 {width * 72:g} {height * 72:g}" role="img" aria-label="{escape(escaped(drawing.alt))}">'
    )
    return Markup(opening + svg[svg.index(">") + 1 :])


def _adapted(tag: str, prefix: str) -> str:
    """Return a tag with the page's colours and font, and with ids that no other figure has."""
    tag = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{prefix}-", tag)
    tag = re.sub(r"; font-family: [^;\"]*|font-family: [^;\"]*; ?", "", tag)
    return re.sub(r"(?<=: )#[0-9a-f]{6}\b", lambda colour: PAGE_COLOURS.get(colour[0], colour[0]), tag)


def _with_photographs(svg: str) -> str:
    """Return `svg` with its photographs as JPEG, a tenth of the size, each included once."""
    ids: dict[str, str] = {}

    def compressed(tag: re.Match[str]) -> str:
        [data] = re.findall(r'"data:image/png;base64,([^"]*)"', tag[0])
        size = " ".join(re.findall(r'\b(?:width|height)="[^"]*"', tag[0]))
        key, definition = data + size, ""
        if key not in ids:
            ids[key] = f"photograph-{len(ids)}"
            file = io.BytesIO()
            with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
                picture.convert("RGB").save(file, "JPEG", quality=85, optimize=True)
            jpeg = base64.b64encode(file.getvalue()).decode()
            definition = f'<defs><image id="{ids[key]}" xlink:href="data:image/jpeg;base64,{jpeg}" {size}/></defs>'
        place = " ".join(re.findall(r'\b(?:transform|x|y)="[^"]*"', tag[0]))
        return f'{definition}<use xlink:href="#{ids[key]}" {place}/>'

    return re.sub(r"<image\b[^>]*>", compressed, svg)
