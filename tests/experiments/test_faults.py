"""The experiment that kills runs would notice a difference, a broken file, and what a run is doing."""

import importlib
import json
import pickle
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from outcome import check_readable, check_same
from safetensors import SafetensorError


def test_a_difference_anywhere_is_found() -> None:
    first = {"weights": {"a": torch.zeros(3)}, "rows": [{"loss": "0.5"}], "bytes": b"x"}
    check_same(first, {"weights": {"a": torch.zeros(3)}, "rows": [{"loss": "0.5"}], "bytes": b"x"})
    for other, place in (
        ({**first, "weights": {"a": torch.tensor([0, 0, 1e-45])}}, "/weights/a"),
        ({**first, "rows": [{"loss": "0.50"}]}, "/rows/0/loss"),
        ({**first, "rows": []}, "/rows"),
        ({**first, "bytes": b"y"}, "/bytes"),
    ):
        with pytest.raises(AssertionError, match=f"^{place}$"):
            check_same(first, other)
    with pytest.raises(AssertionError):
        check_same(first, {"weights": {}})


@pytest.mark.parametrize(
    ("name", "broken", "error"),
    [
        ("status.json", b"{", json.JSONDecodeError),
        ("metrics.csv", b"a,b\n1", AssertionError),
        ("best.safetensors", b"\x10", SafetensorError),
        ("last.pt", b"PK", pickle.UnpicklingError),
    ],
)
def test_a_broken_file_is_found(name: str, broken: bytes, error: type[Exception], tmp_path: Path) -> None:
    (tmp_path / f".{name}.7.part").write_bytes(broken)
    (tmp_path / "metrics.csv").write_text("a,b\n1,2\n")
    check_readable(tmp_path)
    (tmp_path / name).write_bytes(broken)
    with pytest.raises(error):
        check_readable(tmp_path)


def test_what_a_run_is_doing_stands_in_a_file(tmp_path: Path) -> None:
    watched = importlib.import_module("watched")
    assert "pets_seg" not in watched.__dict__
    watch = watched.Watch(tmp_path / "phase")
    seen = []

    def inner() -> None:
        seen.append((tmp_path / "phase").read_text().strip())

    def outer() -> None:
        work.inner()
        seen.append((tmp_path / "phase").read_text().strip())
        raise KeyError

    work = SimpleNamespace(inner=inner, outer=outer)
    watch.wrap(work, "inner", lambda: "validating")
    watch.wrap(work, "outer", lambda: "training")
    with pytest.raises(KeyError):
        work.outer()
    assert seen == ["validating", "training"]
    assert (tmp_path / "phase").read_text().strip() == "between"
    sys.modules.pop("watched")


@pytest.mark.slow
def test_the_watched_command_line_trains(tmp_path: Path) -> None:
    script = Path(importlib.import_module("watched").__file__ or "")
    settings = [
        "data.size=32",
        "model.width=2",
        "train.epochs=1",
        "tracker.mode=disabled",
        f"data.cache_dir={tmp_path}",
    ]
    done = subprocess.run(
        [sys.executable, str(script), "phase", "0", *settings],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "phase").read_text().strip() == "between"
