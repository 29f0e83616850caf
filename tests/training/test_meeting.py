"""What torchrun leaves in the environment of other programs: a line that names it, never a silent wait."""

import os
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from processes import SERVER

from pets_seg.training import meeting

UNSET = "unset TORCHELASTIC_RUN_ID"
ASKED = ["train.epochs=1", "data.size=32", "model.width=2", "tracker.mode=disabled"]


@pytest.fixture
def listening() -> Iterator[int]:
    """The port of something that takes connections and says nothing."""
    with socket.create_server(("localhost", 0)) as server:
        yield server.getsockname()[1]


def free_port() -> int:
    with socket.create_server(("localhost", 0)) as server:
        return server.getsockname()[1]


def launched(rank: int, port: int, **changed: str) -> dict[str, str]:
    """Return what torchrun sets for one of two processes."""
    places = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    return {"TORCHELASTIC_RUN_ID": "x", "MASTER_ADDR": "localhost", "MASTER_PORT": str(port), **places, **changed}


@pytest.fixture
def as_launched(
    in_process: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., tuple[int, str]]:
    """Run with variables of torchrun's; nothing may be left behind."""

    def run(variables: dict[str, str]) -> tuple[int, str]:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        done = in_process(*ASKED)
        assert list((tmp_path / "work").iterdir()) == []
        return done

    return run


@pytest.mark.parametrize(
    ("variables", "shown_values"),
    [
        ({"TORCHELASTIC_RUN_ID": "none"}, "RANK= WORLD_SIZE= "),
        (launched(0, 1, WORLD_SIZE=""), "RANK=0 WORLD_SIZE= "),
        (launched(0, 1, RANK="first"), "RANK=first "),
        (launched(0, 1, RANK="-1"), "RANK=-1 "),
        (launched(0, 1, WORLD_SIZE="2.0"), "RANK=0 WORLD_SIZE=2.0 "),
        (launched(2, 1), "RANK=2 WORLD_SIZE=2 "),
        (launched(0, 1, LOCAL_RANK="5"), "RANK=0 WORLD_SIZE=2 LOCAL_RANK=5 LOCAL_WORLD_SIZE=2 "),
        (launched(0, 1, LOCAL_WORLD_SIZE="3"), "RANK=0 WORLD_SIZE=2 LOCAL_RANK=0 LOCAL_WORLD_SIZE=3 "),
        (
            launched(0, 1, MASTER_PORT=""),
            "RANK=0 WORLD_SIZE=2 LOCAL_RANK=0 LOCAL_WORLD_SIZE=2 MASTER_PORT= MASTER_ADDR=",
        ),
        (launched(0, 70000), "RANK=0 WORLD_SIZE=2 LOCAL_RANK=0 LOCAL_WORLD_SIZE=2 MASTER_PORT=70000 "),
        (
            launched(0, 1, MASTER_ADDR=""),
            "RANK=0 WORLD_SIZE=2 LOCAL_RANK=0 LOCAL_WORLD_SIZE=2 MASTER_PORT=1 MASTER_ADDR=: ",
        ),
    ],
)
def test_variables_that_torchrun_never_sets_are_one_line(
    variables: dict[str, str], shown_values: str, as_launched: Callable[..., tuple[int, str]]
) -> None:
    code, shown = as_launched(variables)
    assert (code, shown.count("\n")) == (2, 1)
    assert shown.startswith(shown_values)
    assert shown.endswith(f": torchrun does not set such values; start the command by torchrun, or {UNSET}\n")


@pytest.mark.parametrize(
    ("rank", "address", "missing"),
    [
        (0, "localhost", "1 other process"),
        (1, "localhost", "the first process, at MASTER_ADDR=localhost MASTER_PORT={port} (Connection refused)"),
        # What no machine is called; the first process needs no name of its own.
        (0, "no.such.host.invalid", "1 other process"),
        (1, "no host", "the first process, at MASTER_ADDR=no host MASTER_PORT={port} ("),
    ],
)
def test_who_waits_says_so_and_gives_up(
    rank: int,
    address: str,
    missing: str,
    as_launched: Callable[..., tuple[int, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert 1 < meeting.QUIET < 5
    monkeypatch.setattr(meeting, "QUIET", 0.1)
    monkeypatch.setattr(meeting, "PATIENCE", 0.5)
    port = free_port()
    code, shown = as_launched(launched(rank, port, MASTER_ADDR=address))
    said, end = shown.splitlines()
    assert code == 2
    assert said.startswith(f"waiting for {missing.format(port=port)}")
    assert said.endswith(f"(started without torchrun? {UNSET})")
    assert end.startswith(f"waited 0.5 seconds for {missing.format(port=port)}")
    assert end.endswith(UNSET)


def test_a_port_that_is_taken_is_one_line(listening: int, as_launched: Callable[..., tuple[int, str]]) -> None:
    code, shown = as_launched(launched(0, listening))
    assert (code, shown.count("\n")) == (2, 1)
    assert shown.startswith(f"MASTER_ADDR=localhost MASTER_PORT={listening}: the rendezvous failed (")
    assert "address already in use" in shown


def meet_in(shown: Path, variables: dict[str, str]) -> None:
    os.environ.update(variables)
    sys.stderr = shown.open("w", encoding="utf-8")
    meeting.ANSWER = 0.5
    meeting.meet()


def test_an_answer_that_never_comes_is_one_line(listening: int, tmp_path: Path) -> None:
    process = SERVER.Process(target=meet_in, args=(tmp_path / "shown", launched(1, listening)))
    process.start()
    process.join(60)
    assert process.exitcode == 2
    line = f"MASTER_ADDR=localhost MASTER_PORT={listening}: what answers there is no process of this run; "
    assert (tmp_path / "shown").read_text().startswith(line)
