"""Changes to the files of a folder."""

from collections.abc import Callable
from pathlib import Path

Change = Callable[[Path], object]


def put(name: str, content: str | bytes) -> Change:
    """Return what writes a file into a folder, in place of what is there."""

    def change(folder: Path) -> None:
        remove(name)(folder)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())

    return change


def remove(name: str) -> Change:
    """Return what removes a file from a folder."""
    return lambda folder: (folder / name).unlink(missing_ok=True)


def folder_for(name: str) -> Change:
    """Return what puts a folder where a file is awaited."""

    def change(folder: Path) -> None:
        remove(name)(folder)
        (folder / name).mkdir(parents=True)

    return change
