"""Figures as SVG: on their own for a paper, and as a part of the page."""

import base64
import io
import re

import matplotlib as mpl
from markupsafe import Markup, escape
from PIL import Image

from pets_seg.errors import escaped
from pets_seg.report.plotting.drawing import WIDTH, Drawing
from pets_seg.report.plotting.looks import VARIABLES

PICTURE_DPI = 200
PAGE_COLOURS = {colour: f"var(--{name})" for colour, name in ({"#ffffff": "face"} | VARIABLES).items()}


def plain_svg(drawing: Drawing, text: str = "path") -> str:
    """Return a figure as SVG, its text as outlines (`path`), which look the same everywhere, or as text (`none`)."""
    file = io.StringIO()
    with mpl.rc_context({"svg.fonttype": text}):
        drawing.figure.savefig(file, format="svg", dpi=PICTURE_DPI, metadata={"Date": None, "Creator": None})
    # A hundredth of a point is finer than any printer.
    svg = re.sub(r'\bd="[^"]*"', lambda path: re.sub(r"(\.\d\d)\d+", r"\1", path[0]), file.getvalue())
    return _with_photographs(svg) if drawing.pictures else svg


def inline_svg(drawing: Drawing) -> Markup:
    """Return a figure as a part of the page: with the page's colours and font, at the width that it has in print."""
    svg = plain_svg(drawing, "none")
    # The page has a style of its own and needs no metadata.
    svg = re.sub(r"<metadata>.*?</metadata>|<defs>\s*<style.*?</style>\s*</defs>", "", svg, flags=re.DOTALL)
    # Only within tags: a name in the text may look like an id or a colour.
    svg = re.sub(r"<[^>]*>", lambda tag: _adapted(tag[0], drawing.name), svg[svg.index("<svg") :])
    width, height = drawing.figure.get_size_inches()
    opening = (
        f'<svg viewBox="0 0 {width * 72:g} {height * 72:g}" role="img" aria-label="{escape(escaped(drawing.alt))}"'
        f' style="width: {100 * min(1.0, width / WIDTH):.4g}%">'
    )
    return Markup(opening + svg[svg.index(">") + 1 :])


def _adapted(tag: str, name: str) -> str:
    """Return a tag with the page's colours and font, and with ids that no other figure has."""
    tag = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", tag)
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
