"""The folder that the pictures of photographs are written into: checked before any work, and held while it lasts."""

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import Timeout

from pets_seg.command.photo_search import TABLE
from pets_seg.command.photos import Photo
from pets_seg.errors import InputError, named, printable, reason
from pets_seg.machine.files import part_of, remove_parts
from pets_seg.machine.lock import take
from pets_seg.run_folder.lock import is_held
from pets_seg.run_folder.names import LOCK


@contextmanager
def held(output: Path) -> Iterator[None]:
    """Make the folder and hold it as long as a command writes there; InputError if it cannot, or another one does."""
    subject = f"output={printable(output)}"
    try:
        output.mkdir(parents=True, exist_ok=True)
        lock = take(
            output / LOCK, f"{subject}: this file system has no locks; see to it that no other command writes there"
        )
    except Timeout:
        raise _busy(output) from None
    except OSError as error:
        raise InputError(
            f"{subject}: cannot be written ({reason(error)}); make it writable, or give another folder"
        ) from error
    try:
        yield
    finally:
        lock.release()


def refuse_held(output: Path) -> None:
    """Raise InputError if another command is writing into the folder; create nothing."""
    if is_held(output):
        raise _busy(output)


def check_output(photos: Sequence[Photo], output: Path, overwrite: bool) -> None:
    """Raise InputError if the files that are made of photographs cannot be written, or are there already.

    With `overwrite` they may be replaced, but none may be a photograph itself.
    """
    subject = f"output={printable(output)}"
    made = [path for photo in photos for path in photo.made(output)]
    _check_folders(subject, output, {path.parent for path in made})
    sources = {os.path.realpath(photo.path) for photo in photos}
    if own := [path for path in made if os.path.realpath(path) in sources]:
        raise InputError(f"{subject}: {named([own[0].name])} would replace a photograph; give another folder")
    _check_names(subject, photos, output)
    there = [path for path in [*made, output / TABLE] if os.path.lexists(path)]
    if folders := [path for path in there if path.is_dir() and not path.is_symlink()]:
        raise InputError(
            f"{subject}: {printable(folders[0].relative_to(output))} is a folder, and a file of that name is to be "
            "made; move the folder, or give another one as output"
        )
    if there and not overwrite:
        raise InputError(
            f"{subject}: holds {len(there)} of the files already, e.g. {printable(there[0].relative_to(output))}; give "
            "overwrite=true to replace them, or another folder"
        )


def check_file(output: Path) -> None:
    """Raise InputError if a file cannot be written; its folder must be there."""
    subject = f"output={printable(output)}"
    if not os.access(output.parent, os.W_OK | os.X_OK):
        raise InputError(f"{subject}: its folder may not be written; make it writable, or give another one")
    try:
        os.lstat(part_of(output))
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise InputError(f"{subject}: its name is too long; give a shorter one") from error


def remove_left(photos: Sequence[Photo], output: Path) -> None:
    """Remove what killed processes left half-written; the folder must be held."""
    for folder in {output, *(path.parent for photo in photos for path in photo.made(output))}:
        remove_parts(folder)


def _busy(output: Path) -> InputError:
    return InputError(
        f"output={printable(output)}: another command is writing there; wait for it, or give another folder"
    )


def _check_folders(subject: str, output: Path, folders: set[Path]) -> None:
    """Raise InputError where a folder cannot be made or written."""
    for folder in sorted({output, *folders}):
        place = _there(folder)
        if not place.is_dir():
            kind = "a link that leads nowhere" if place.is_symlink() else "a file"
            if place == output:
                raise InputError(f"{subject}: is {kind}; give a folder")
            raise InputError(
                f"{subject}: {printable(place)} is {kind}, and a folder of that name is to be made; move it, or give "
                "another folder"
            )
        if not os.access(place, os.W_OK | os.X_OK):
            raise InputError(
                f"{subject}: {printable(place)} may not be written; make it writable, or give another folder"
            )


def _check_names(subject: str, photos: Sequence[Photo], output: Path) -> None:
    """Raise InputError if the file system does not take a name that is to be made."""
    for photo in photos:
        longest = part_of(max(photo.made(output), key=lambda path: len(path.name)))
        # The limits of a name and of a path are asked for apart, as folders may not be there yet.
        for path in (longest, _there(longest.parent) / longest.name):
            try:
                os.lstat(path)
            except OSError as error:
                if error.errno == errno.ENAMETOOLONG:
                    raise InputError(
                        f"{subject}: the names made of {printable(photo.name)} are too long; give the photograph a "
                        "shorter name, or leave it out"
                    ) from error


def _there(path: Path) -> Path:
    """Return a path, or else the nearest folder above it that is there."""
    return next(place for place in (path, *path.parents) if os.path.lexists(place))
