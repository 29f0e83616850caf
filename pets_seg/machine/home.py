"""The user's home and cache folder; where the machine has none, as in many containers, one that takes their place."""

import logging
import os
import stat
import tempfile
from functools import cache
from pathlib import Path

from platformdirs import user_cache_path

from pets_seg.errors import InputError
from pets_seg.machine.world import this_world

log = logging.getLogger("pets_seg")
# Why this process has a home folder that takes the place of one.
lacking = ""


def settle() -> None:
    """Let the libraries of this process find a home and places for their caches, whatever the machine lacks.

    Raises InputError if nothing can take the place of what is missing.
    """
    # Elsewhere the system knows them.
    if os.name != "posix":
        return
    for name in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        # By their standard a relative path says nothing.
        if not os.path.isabs(os.environ.get(name, "/")):
            del os.environ[name]
    home = os.path.expanduser("~")
    if not os.path.isabs(home):
        _without_home("there is no home folder")
    elif not (os.path.isdir(home) and os.access(home, os.R_OK | os.X_OK)) and not can_be_made(home):
        _without_home(f"HOME={home} cannot be read")
    else:
        # W&B's own program asks nobody else.
        os.environ["HOME"] = home
    caches = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    settings = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    # What they would do instead: W&B talks on the terminal, Matplotlib looks for fonts in every command.
    for variable, place in (("WANDB_CACHE_DIR", caches), ("MPLCONFIGDIR", settings)):
        if not can_be_made(os.environ.get(variable) or place):
            os.environ[variable] = str(_stand_in() / variable.lower())


@cache
def user_cache(key: str) -> Path:
    """Return our folder among the user's caches; if it is a stand-in, a line says so, and that `key` names another."""
    folder = user_cache_path("pets_seg")
    # With XDG_CACHE_HOME it may lie elsewhere.
    reason = lacking if folder.is_relative_to(Path.home()) else ""
    if not reason and os.name == "posix" and not folder.is_dir() and not can_be_made(folder):
        reason, folder = f"{folder} cannot be written", _stand_in() / ".cache" / "pets_seg"
    if reason and this_world().first:
        log.warning(f"{reason}; {folder} takes its place (set {key}=FOLDER, or HOME, for another)")
    return folder


def can_be_made(place: str | Path) -> bool:
    """Return whether a folder is there and can be written, or can be made."""
    path = Path(place).absolute()
    there = next((folder for folder in (path, *path.parents) if os.path.lexists(folder)), path)
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)


def _without_home(reason: str) -> None:
    global lacking
    lacking = reason
    os.environ["HOME"] = str(_stand_in())


def _stand_in() -> Path:
    """Make a folder in that of temporary files that is this user's alone: what others could write is not to be read."""
    try:
        folder = Path(tempfile.gettempdir()) / f"pets_seg-{os.getuid()}"
    except OSError as error:
        raise InputError(f"there is no folder for temporary files ({error.strerror}); set TMPDIR, or HOME") from None
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = os.lstat(folder)
    except OSError as error:
        raise InputError(f"{folder}: cannot be made ({error.strerror}); set HOME to a folder that can") from None
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise InputError(f"{folder}: is needed instead of a home folder, but others can write it; set HOME")
    return folder
