"""The user's home and cache folder, or a temporary one where the machine has none, as in many containers."""

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
# Why the home folder of this process is a temporary one; empty if it is the user's own.
lacking = ""


def settle() -> None:
    """Set variables by which libraries find a home and cache folders that can be used; InputError if none can be."""
    global lacking
    if os.name != "posix":
        return
    for name in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        # By the XDG standard a relative path is to be ignored.
        if not os.path.isabs(os.environ.get(name, "/")):
            del os.environ[name]
    home, problem = os.path.expanduser("~"), ""
    if not os.path.isabs(home):
        problem = "there is no home folder"
    elif not (os.path.isdir(home) and os.access(home, os.R_OK | os.X_OK)) and not can_be_made(home):
        problem = f"HOME={home} cannot be read"
    lacking = problem or lacking
    # W&B's own program looks for a home in this variable only.
    os.environ["HOME"] = str(_temporary_home()) if problem else home
    # Without a cache folder W&B prints warnings, and Matplotlib looks for fonts in every command.
    for variable, base, default in (
        ("WANDB_CACHE_DIR", "XDG_CACHE_HOME", "~/.cache"),
        ("MPLCONFIGDIR", "XDG_CONFIG_HOME", "~/.config"),
    ):
        if not can_be_made(os.environ.get(variable) or os.environ.get(base) or os.path.expanduser(default)):
            os.environ[variable] = str(_temporary_home() / variable.lower())


@cache
def user_cache(key: str) -> Path:
    """Return our folder among the user's caches; a warning says if it is a temporary one, and to set `key` instead."""
    folder = user_cache_path("pets_seg")
    # XDG_CACHE_HOME may lead to a folder outside the temporary home.
    problem = lacking if folder.is_relative_to(Path.home()) else ""
    if not problem and os.name == "posix" and not folder.is_dir() and not can_be_made(folder):
        problem, folder = f"{folder} cannot be written", _temporary_home() / ".cache" / "pets_seg"
    if problem and this_world().first:
        log.warning(f"{problem}; {folder} takes its place (set {key}=FOLDER, or HOME, for another)")
    return folder


def can_be_made(place: str | Path) -> bool:
    """Return whether a folder exists and can be written, or can be made."""
    path = Path(place).absolute()
    there = next((folder for folder in (path, *path.parents) if os.path.lexists(folder)), path)
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)


def _temporary_home() -> Path:
    """Make a folder for this user among the temporary files; what others could write is not to be read."""
    try:
        folder = Path(tempfile.gettempdir()) / f"pets_seg-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        status = os.lstat(folder)
    except OSError as error:
        raise InputError(f"no folder for temporary files can be made ({error}); set TMPDIR, or HOME") from None
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o022:
        raise InputError(f"{folder}: is needed instead of a home folder, but others can write it; set HOME")
    return folder
