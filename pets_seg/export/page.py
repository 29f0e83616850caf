"""A folder of static files in which a browser runs exported networks on photographs of its user."""

import base64
import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from pets_seg.data.sources import sample
from pets_seg.errors import InputError, RunError, escaped, reason
from pets_seg.evaluation.photo_prediction import CLEAR, LINE, OPAQUE, STRENGTH, TINT
from pets_seg.export import onnxruntime_web
from pets_seg.machine.files import read_limited

# Says that a folder is one of these, and of which networks.
MARKER = "demo.json"
MADE_BY = "pets_seg task=demo"
LONGEST_MARKER = 1 << 20
# In bytes: more takes too long to load, and some hosts of static files take no more.
LARGEST = 20_000_000
# Of a photograph: what browsers have memory for beside the network.
MEGAPIXELS = 50
# How many bytes of an ONNX file a byte of weights makes at least, by whether it is in 8 bits.
LEAST = {False: 0.9, True: 0.2}
SAMPLES = 20
VIEWS = (("mask", "Mask"), ("cutout", "Cut-out"), ("confidence", "Confidence"), ("photo", "Photo"))


@dataclass(frozen=True)
class Model:
    """An exported network as the page names it, with its ONNX file and the SHA-256 of the weights that it has."""

    name: str
    network: str
    size: int
    int8: bool
    weights_sha256: str
    content: bytes
    dice: float
    images: int
    split: str


def read_marker(folder: Path) -> Mapping[str, Any] | None:
    """Return what a folder of ours says of its networks; None for any other folder."""
    try:
        marker = json.loads(read_limited(folder / MARKER, LONGEST_MARKER))
        return marker if marker["made_by"] == MADE_BY and isinstance(marker["networks"], list) else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def identity(weights_sha256: Sequence[str], int8: bool) -> list[dict[str, Any]]:
    """Return what a marker tells networks by: the weights that they have, and in which form."""
    return [{"weights_sha256": digest, "int8": int8} for digest in weights_sha256]


def page_files(models: Sequence[Model], runtime: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the files of a page for one or two models by their names; RunError if they take too much room."""
    template = Path(__file__).parent / "template"
    networks = dict(zip(("model.onnx", "beside.onnx"), (model.content for model in models), strict=False))
    files = {**networks, **runtime, "worker.js": (template / "worker.js").read_bytes()}
    # Files are called by these names in addresses, which a page has no need to write out in another way.
    samples = {f"samples/{path.name}": path for path in _samples()}
    files |= {name: path.read_bytes() for name, path in samples.items()}
    files["samples/ATTRIBUTION.md"] = resources.files("pets_seg.data").joinpath("sample/ATTRIBUTION.md").read_bytes()
    files["LICENSES.txt"] = (template / "LICENSES.txt").read_bytes()
    files["index.html"] = _page(models, [*networks], [*samples], sum(map(len, runtime.values()))).encode()
    kept = [{**identity([model.weights_sha256], model.int8)[0], "name": model.name} for model in models]
    files[MARKER] = json.dumps({"made_by": MADE_BY, "networks": kept}, indent=2).encode()
    if line := _too_large(sum(map(len, files.values())), sum(map(len, networks.values())), ""):
        raise RunError(line)
    return files


def check_room(weights: Sequence[Path], int8: bool, runtime: Mapping[str, bytes]) -> None:
    """Raise InputError if the page of networks with these weights would surely take too much room."""
    networks = sum(path.stat().st_size for path in weights) * LEAST[int8]
    if line := _too_large(sum(map(len, runtime.values())) + networks, networks, "at least "):
        raise InputError(line)


def _too_large(total: float, networks: float, about: str) -> str:
    """Return a line if a page has too many bytes, of which `networks` are those of its networks; "" if it has not."""
    if total <= LARGEST:
        return ""
    return (
        f"task=demo: the page would take {about}{total / 1e6:.1f} MB, {networks / 1e6:.1f} of them for networks, and "
        f"{LARGEST / 1e6:.0f} are the most; nothing was written; export.int8=true makes a network four times smaller"
    )


def write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Put files into a folder, whole or not at all, in the place of a former one; RunError if they cannot be written.

    The caller has made sure that the former one may go.
    """
    part, former = (folder.with_name(f".{folder.name}.{os.getpid()}.{kind}") for kind in ("part", "former"))
    try:
        for name, content in files.items():
            path = part / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        if folder.exists():
            os.rename(folder, former)
        try:
            os.rename(part, folder)
        except OSError:
            if former.exists():
                os.rename(former, folder)
            raise
    except OSError as error:
        raise RunError(f"{folder}: cannot be written ({reason(error)}); nothing was changed") from error
    finally:
        for left in (part, former):
            shutil.rmtree(left, ignore_errors=True)


def _samples() -> Sequence[Path]:
    """Return photographs of the bundled test images, spread over the breeds."""
    test = [pair.image for pair in sample().splits["test"]]
    return test[:: len(test) // SAMPLES][:SAMPLES]


def _page(models: Sequence[Model], files: Sequence[str], samples: Sequence[str], runtime: int) -> str:
    """Return the page for models in `files`, whose runtime has so many bytes."""
    loader = PackageLoader("pets_seg.export", "template")
    templates = Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True, finalize=_harmless)
    style, script = (Markup(loader.get_source(templates, name)[0]) for name in ("page.css", "page.js"))
    shown = [
        {**vars(model), "file": file, "megabytes": len(model.content) / 1e6}
        for model, file in zip(models, files, strict=True)
    ]
    levels = np.arange(256) / 255
    about = {
        "models": [{key: model[key] for key in ("name", "file", "megabytes")} for model in shown],
        "megabytes": runtime / 1e6,
        "megapixels": MEGAPIXELS,
        # Of a cut-out, by 255 times the probability.
        "alpha": np.rint((levels - CLEAR) * (255 / (OPAQUE - CLEAR))).clip(0, 255).astype(int).tolist(),
        "tint": TINT,
        "line": LINE,
        # In percent, to begin with.
        "strengths": {"mask": round(100 * STRENGTH), "confidence": 80},
    }
    titles = [{"file": name, "title": Path(name).stem.replace("_", " ")} for name in samples]
    return templates.get_template("page.html.jinja").render(
        models=shown,
        samples=titles,
        megapixels=MEGAPIXELS,
        clear=CLEAR,
        opaque=OPAQUE,
        data=htmlsafe_json_dumps(_harmless_names(about), separators=(",", ":"), allow_nan=False),
        digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        script=script,
        style=style,
        version=onnxruntime_web.VERSION,
        views=VIEWS,
    )


def _harmless(value: Any) -> Any:
    """Return a value of the template without characters that UTF-8 cannot hold or that turn the text around."""
    return escaped(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _harmless_names(about: Mapping[str, Any]) -> dict[str, Any]:
    return {**about, "models": [{**model, "name": escaped(model["name"])} for model in about["models"]]}
