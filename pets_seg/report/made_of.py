"""What the page of a sweep was made of, so that it is not made again of the same."""

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from pets_seg.report.effects_file import NAME as EFFECTS
from pets_seg.report.sequential.verdict_files import row_of
from pets_seg.report.study.runs import run_folders
from pets_seg.report.study.study import Study
from pets_seg.run_folder import names

TEXT = "report.md"
# Of a run, all that a page shows or computes anew.
READ: tuple[str, ...] = (names.CONFIG, names.STATUS, names.SUMMARY, names.METRICS, names.PER_IMAGE)
READ += (names.CALIBRATION, names.DATA, names.BEST)
# Beside the page.
TABLES = ("runs.csv", "comparison.csv")
# The last line of report.md, which is written after all others; that of an older version has none.
MADE_OF = "\n<!-- made of {}, with files {} -->\n"


def stamps(folder: Path) -> list[tuple[str, ...]]:
    """Return the name, size and time of every file of the runs in a folder that a page is made of."""
    found: list[tuple[str, ...]] = []
    for run in run_folders(folder):
        for name in READ:
            try:
                stat = os.stat(run / name)
                found.append((run.name, name, str(stat.st_size), str(stat.st_mtime_ns)))
            except OSError:
                found.append((run.name, name))
    return found


def digest(study: Study, files: Sequence[tuple[str, ...]], settings: Any) -> str:
    """Return a digest of what a page is made of: `files`, as `stamps` gave them before the study was read, and code.

    `settings` are those of the report. What a run is said to be is in it, which its process decides too.
    """
    states = [(run.name, run.state, run.error) for run in study.runs]
    searches = [repr(search) for search in study.searches]
    left_out = [(Path(item.what).name, item.why) for item in study.left_out]
    decided = [(study.design.hash, [row_of(item) for item in study.decisions])] if study.design else []
    content = json.dumps([files, states, left_out, searches, settings, _code(), *decided], default=str)
    return hashlib.blake2b(content.encode(errors="surrogatepass"), digest_size=16).hexdigest()


def is_made_of(folder: Path, digest: str) -> bool:
    """Return whether the page of a folder was made of this, and it and all files beside it are as they were then."""
    try:
        text = (folder / TEXT).read_text(encoding="utf-8")
        return text.endswith(MADE_OF.format(digest, files_digest(folder)))
    except (OSError, UnicodeDecodeError):
        return False


def files_digest(folder: Path) -> str:
    """Return a digest of the page, the tables and the figures of a folder; OSError if the page or a table is gone."""
    digest = hashlib.blake2b(digest_size=16)
    # Those that not every study has.
    more = [path for path in (folder / EFFECTS, *sorted((folder / "figures").glob("*"))) if path.is_file()]
    for path in (*(folder / name for name in (names.PAGE, *TABLES)), *more):
        digest.update(path.name.encode(errors="surrogateescape") + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


@cache
def _code() -> str:
    """Return a digest of the package's own code and templates."""
    digest = hashlib.blake2b(digest_size=16)
    for file in _files(resources.files("pets_seg")):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _files(folder: Traversable) -> Iterable[Traversable]:
    for path in sorted(folder.iterdir(), key=lambda item: item.name):
        if path.is_dir() and path.name not in ("__pycache__", "sample", "conf"):
            yield from _files(path)
        elif path.name.endswith((".py", ".jinja", ".css", ".js", ".mplstyle", ".csv")):
            yield path
