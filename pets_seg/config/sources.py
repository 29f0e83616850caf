"""The code of one's own that a run was made of: digests by which it knows whether that is still the same."""

import hashlib
import inspect
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from pets_seg.config.parts import locate, targets
from pets_seg.errors import InputError
from pets_seg.machine.files import read_limited

# In bytes, of a file of code.
LARGEST = 10_000_000
# Their versions, and our commit, are in status.json.
LIBRARIES = ("pets_seg", "torch", "torchvision", "kornia")


class Code(NamedTuple):
    """The digest of the code of a class that `module` of the package `top` defines, and its files, as in `folder`."""

    digest: str
    module: str
    top: str
    folder: str
    files: Collection[str]


def source_digests(config: Any) -> dict[str, str]:
    """Return, for each class that `config` names and that is no library's, a digest of the code that it was read from.

    It covers the file of the class and what that imports from its own folder.
    """
    return {target: code.digest for target in _own(config) if (code := _imported(target))}


def source_files(config: Any) -> dict[str, dict[str, Any]]:
    """Return what status.json says of the files of `source_digests`, by which `read_digests` finds them."""
    found = {}
    for target in _own(config):
        # A module that only passes a class on can pass on another one while these files stay as they are.
        if (code := _imported(target)) and code.module == target.rpartition(".")[0]:
            with suppress(ImportError, ValueError):
                folder = os.path.relpath(code.folder, _place_of(code.top))
                found[target] = {"top": code.top, "folder": folder, "files": [*code.files]}
    return found


def read_digests(config: Any, recorded: Any) -> dict[str, str] | None:
    """Return what `source_digests` does without importing a class, of the `source_files` that a run recorded.

    None if it did not record them, or if one is not there.
    """
    digests = {}
    for target in _own(config):
        try:
            told = recorded[target]
            folder = _place_of(told["top"]) / told["folder"]
            digests[target] = _digest({name: read_limited(folder / name, LARGEST) for name in told["files"]})
        # It may be a stranger's, and anything.
        except (OSError, ImportError, LookupError, TypeError, ValueError, AttributeError):
            return None
    return digests


def check_sources(where: Path, then: Any, now: Mapping[str, str]) -> None:
    """Raise InputError if the code that a run was made of, as far as `then` says, is not what it is `now`."""
    for target, digest in now.items():
        if isinstance(then, Mapping) and then.get(target, digest) != digest:
            raise InputError(
                f"{where}: the code of {target}, or of a module that it imports from its folder, has changed since "
                "this run was made; existing=restart trains it again"
            )


def _own(config: Any) -> Iterator[str]:
    yield from (target for target in targets(config) if target.partition(".")[0] not in LIBRARIES)


@cache
def _imported(target: str) -> Code | None:
    # Kept as it was when it was imported: a file that changes later changes nothing in this process.
    named = locate({"_target_": target}, target)
    start = inspect.getmodule(named) or inspect.getmodule(type(named))
    if start is None or not (file := getattr(start, "__file__", None)):
        return None
    folder = Path(file).resolve().parents[start.__name__.count(".")]
    files: dict[Path, bytes] = {}
    waiting = [start]
    while waiting:
        module = waiting.pop()
        path = Path(getattr(module, "__file__", None) or "").resolve()
        # Of an installed library the file of the class will do.
        beside = path.is_relative_to(folder) and not (files and "site-packages" in path.parts)
        if beside and path not in files and path.suffix == ".py":
            files[path] = path.read_bytes()
            waiting += filter(None, map(inspect.getmodule, vars(module).values()))
    named_files = {str(path.relative_to(folder)): files[path] for path in sorted(files)}
    return Code(_digest(named_files), start.__name__, start.__name__.partition(".")[0], str(folder), named_files.keys())


def _place_of(top: str) -> Path:
    """Return the folder that holds a module or package of this name, found as an import finds it."""
    # Of a name with a dot its package would be imported, and a stranger's file may say it.
    spec = find_spec(top) if top.isidentifier() else None
    if spec is None:
        raise ImportError(top)
    inside = [*(spec.submodule_search_locations or ())]
    return Path(inside[0] if inside else spec.origin or "").resolve().parent


def _digest(files: Mapping[str, bytes]) -> str:
    content = b"\0".join(name.encode() + b"\0" + files[name] for name in files)
    return hashlib.sha256(content).hexdigest()[:16]
