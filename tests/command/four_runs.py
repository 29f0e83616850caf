"""A sweep of four runs that is finished, for tests of what is done with it then."""

from pathlib import Path

import pytest
from conftest import tiny, write_oxford
from processes import forked


def sweep(root: Path, *more: str) -> list[str]:
    words = [word for word in tiny(root) if not word.startswith(("aug", "train.epochs"))]
    return ["-m", *words, "train.epochs=1", "aug=none,hflip", "seed=0,1", *more]


def train(factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Train the sweep; return the root of its data set and the folder in which it was started."""
    root, work = factory.mktemp("data"), factory.mktemp("work")
    write_oxford(root)
    done = forked(*sweep(root), cwd=work)
    assert done.returncode == 0, done.stderr
    return root, work
