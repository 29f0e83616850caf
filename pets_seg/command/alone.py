"""A sweeper of ours at work on the folder of a sweep, which no other process shares."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from pets_seg.command.messages import boundary
from pets_seg.errors import InputError
from pets_seg.run_folder.lock import HeldError, locked


@contextmanager
def alone_in(folder: Path, what: str) -> Iterator[None]:
    """Hold the folder of `what`, made if there is none; what fails within ends the command with exit code 1.

    Raises InputError if another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(folder))
        except HeldError:
            raise InputError(f"{folder}: another process is at this {what}; wait for it, or end it") from None
        stack.enter_context(boundary(code=1))
        yield
