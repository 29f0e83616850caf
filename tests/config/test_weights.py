"""Which weights `checkpoint=` names, and what they are to the name of a run."""

import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_config import config

from pets_seg.config.identity import identity, run_name
from pets_seg.config.weights import find_run, find_weights, sha256, with_digest
from pets_seg.errors import InputError


def write_run(folder: Path, content: bytes = b"weights") -> Path:
    """Make a folder with nothing but the file of the best weights, and return that file."""
    best = folder / "checkpoints" / "best.safetensors"
    best.parent.mkdir(parents=True)
    best.write_bytes(content)
    return best


def test_a_run_a_file_in_it_and_a_file_of_weights_are_understood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    best = write_run(tmp_path / "run")
    (tmp_path / "run" / "metrics.csv").touch()
    monkeypatch.chdir(tmp_path)
    for named in ("run", "run/metrics.csv", "run/checkpoints", str(best)):
        assert find_weights(named) == best
        assert find_run(named) == tmp_path / "run"
    lone = tmp_path / "mine.safetensors"
    lone.write_bytes(b"x")
    assert find_weights("mine.safetensors") == lone
    for named, line in (("nowhere", "nowhere is not there"), (".", "holds no checkpoints/best.safetensors")):
        with pytest.raises(InputError, match=f"checkpoint={named}: .*{line}"):
            find_weights(named)


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20, deadline=None)
@given(first=st.binary(max_size=50), second=st.binary(max_size=50))
def test_the_bytes_of_the_weights_decide_the_name_and_their_place_does_not(
    first: bytes, second: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("runs")
    here, there = write_run(folder / "here", first), write_run(folder / "there", second)
    assert sha256(here) == hashlib.sha256(first).hexdigest()
    names = [run_name(config(f"checkpoint={best.parents[1]}")) for best in (here, there)]
    assert (names[0] == names[1]) == (first == second)
    assert run_name(config()) not in names
    # Other weights in the same place, whose size and time of change may be the same.
    stamp = os.stat(here)
    here.write_bytes(second)
    os.utime(here, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert run_name(config(f"checkpoint={here}")) == names[1]


def test_the_path_becomes_absolute_and_the_digest_stands_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    best = write_run(tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    digest = hashlib.sha256(b"weights").hexdigest()
    made = with_digest({"seed": 1, "checkpoint": "run"})
    assert made == {"seed": 1, "checkpoint": str(best), "checkpoint_sha256": digest}
    assert identity(made) == {"seed": 1, "checkpoint": digest}
    # What older versions wrote of a setting that they did not read.
    assert identity({"seed": 1, "checkpoint": "run"}) == {"seed": 1}
    assert with_digest({"seed": 1, "checkpoint": None}) == {"seed": 1, "checkpoint": None}
