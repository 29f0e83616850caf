"""How the templates of pages are filled in: what comes from users is text, and can be written as UTF-8."""

import math
from typing import Any

from jinja2 import Environment, PackageLoader
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from pets_seg.errors import escaped


def environment() -> Environment:
    """Return the environment of the templates in template/."""
    loader = PackageLoader("pets_seg.report", "template")
    return Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True, finalize=_harmless)


def for_script(data: Any) -> Markup:
    """Return data as JSON that may stand within a script element; ValueError for numbers that are not finite."""
    return htmlsafe_json_dumps(data, separators=(",", ":"), allow_nan=False)


def _harmless(value: Any) -> Any:
    """Return a value of the template without characters that UTF-8 cannot hold or that turn the text around."""
    if isinstance(value, float) and not math.isfinite(value):
        return ""
    return escaped(value) if isinstance(value, str) and not isinstance(value, Markup) else value
