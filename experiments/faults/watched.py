"""`python watched.py FILE SECONDS OVERRIDES...`: the command line of pets_seg, which says in FILE what it is doing.

It writes last.pt after so many seconds, and after every step for 0.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

WIDTH = 60


class Watch:
    """Wraps functions so that FILE holds, at any moment, what the innermost of them does."""

    def __init__(self, path: Path) -> None:
        self.file = os.open(path, os.O_WRONLY | os.O_CREAT)
        self.doing: list[str] = []

    def wrap(self, owner: Any, name: str, describe: Callable[..., str]) -> None:
        """Replace `owner.name` by itself, during which FILE holds what `describe` makes of its arguments."""
        original = getattr(owner, name)

        def watched(*arguments: Any, **named: Any) -> Any:
            self.doing.append(describe(*arguments))
            self._say()
            try:
                return original(*arguments, **named)
            finally:
                self.doing.pop()
                self._say()

        setattr(owner, name, watched)

    def _say(self) -> None:
        text = self.doing[-1] if self.doing else "between"
        os.pwrite(self.file, text[:WIDTH].ljust(WIDTH).encode(), 0)


def main() -> None:
    """Run the command line with everything that takes time wrapped."""
    watch, interval = Watch(Path(sys.argv.pop(1))), float(sys.argv.pop(1))
    from pets_seg import run
    from pets_seg.command import one_run
    from pets_seg.data import decoded
    from pets_seg.machine import files
    from pets_seg.models import checkpoint as weights
    from pets_seg.training import checkpoint, loop, record, saving, state

    watch.wrap(decoded, "build", lambda *_: "building the pixel cache")
    watch.wrap(one_run, "train", lambda *_: "training")
    watch.wrap(state.State, "use_best", lambda *_: "testing")
    watch.wrap(loop, "evaluate", lambda *_: "validating")
    watch.wrap(record, "evaluate", lambda *_: "testing")
    watch.wrap(state, "load_state", lambda *_: "reading last.pt")
    for owner in (files, checkpoint, weights):
        watch.wrap(owner, "write_whole", lambda path, *_: f"writing {path.name}")
    saving.INTERVAL = interval
    if not interval:
        saving.TIMES_ITS_DURATION = 0
    run.main()


if __name__ == "__main__":
    main()
