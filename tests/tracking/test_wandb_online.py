"""With an account a run arrives whole and once; whatever its server does, training loses seconds and nothing else."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from test_wandb import CHILD, drive, inspect, offline
from wandb_child import row
from wandb_server import KEY, WandbServer

from pets_seg.tracking.wandb_account import PATIENCE

# Shorter than a user's, and long enough for a machine that does several things at once.
SHORT = 4
# For all that is at work at once on a loaded machine, and far less than a server that hangs would take.
ROOM = 150
OFFLINE_FILES = "; the run goes on with offline files"


@pytest.mark.slow
def test_a_run_arrives_whole_and_goes_on_as_the_same_run(tmp_path: Path) -> None:
    job = {"folder": str(tmp_path / "a"), "pictures": True}
    with WandbServer() as server:
        # W&B writes into its log at what address it failed, before it tries again.
        server.stumbles = 1
        with_password = {"WANDB_BASE_URL": server.url.replace("://", "://me:s3kr1t@")}
        environment = server.environment | with_password
        done = drive({**job, "rows": 2, "pictures": False}, environment=environment)
        log = next(tmp_path.glob("a/wandb/run-*/logs/debug-internal.log")).read_text()
        assert '"status":500' in log
        assert "s3kr1t" not in log
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        [run] = server.runs.values()
        assert run.rows == [row(1), row(2)]
        assert (run.about["groupName"], run.about["jobType"], run.about["displayName"]) == ("sweep", "train", "a")
        assert (run.about["project"], run.about["tags"]) == ("p", ["unet", "crop", "adam", "seed 3"])
        assert run.config["optimizer"]["value"] == {"name": "adam", "lr": 0.001}
        assert (run.summary["test/dice"], run.exit_code) == (0.75, 0)
        # It goes on, beside another run of the same process.
        done = drive({**job, "rows": 4}, {"folder": str(tmp_path / "b"), "rows": 1}, environment=server.environment)
        assert (done.returncode, done.stderr) == (0, "")
        assert run.rows == [row(epoch) for epoch in range(1, 5)]
        assert run.sent == 4
        first, other = server.runs.values()
        assert first is run
        assert other.rows == [row(1)]
    shown = run.lines[3]["val/pictures"]
    assert (run.lines[3]["epoch"], shown["count"], shown["captions"]) == (4, 2, [f"pet_{i}\\x1b[2J" for i in range(2)])
    assert [sorted(masks) for masks in shown["all_masks"]] == [["prediction", "truth"]] * 2
    assert set(shown["filenames"]) <= run.files.keys()
    assert KEY.encode() not in b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def ends(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, dict[str, Any]]]:
    """What became of runs whose servers failed, each in its own way, all at the same time."""
    folder = tmp_path_factory.mktemp("ends")
    with ExitStack() as stack:
        servers = {name: stack.enter_context(WandbServer()) for name in ("refuses", "hangs", "forbids")}
        servers |= {name: stack.enter_context(WandbServer()) for name in ("dies", "falls silent", "turns away")}
        servers["refuses"].die()
        servers["hangs"].delay = 1000
        servers["forbids"].status = 403
        running, began = {}, time.monotonic()
        for name, server in servers.items():
            # An address may hold a name and a password.
            url = server.url.replace("://", "://me:s3kr1t@")
            later = {"halt": 2} if name in ("dies", "falls silent", "turns away") else {}
            job = {"folder": str(folder / name), "rows": 3, "pictures": True, **later}
            # The next job of the process does not ask again so soon.
            jobs = [job, {**job, "folder": f"{folder / name} again"}] if name == "forbids" else [job]
            running[name] = subprocess.Popen(
                [sys.executable, CHILD, json.dumps({"jobs": jobs, "patience": SHORT})],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env={**os.environ, **server.environment, "WANDB_BASE_URL": url},
            )
        for name, spoil in (
            ("dies", lambda server: server.die()),
            ("falls silent", lambda server: setattr(server, "delay", 1000)),
            ("turns away", lambda server: setattr(server, "status", 403)),
        ):
            while not (folder / name / "halted").exists():
                assert time.monotonic() < began + ROOM
                time.sleep(0.02)
            spoil(servers[name])
            (folder / name / "go").touch()
        found = {}
        for name, process in running.items():
            out, err = process.communicate(timeout=ROOM)
            took = time.monotonic() - began
            found[name] = {"code": process.returncode, "out": out, "err": err, "took": took, "folder": folder / name}
        yield found


@pytest.mark.slow
@pytest.mark.parametrize("name", ["refuses", "hangs", "forbids", "dies", "falls silent", "turns away"])
def test_whatever_a_server_does_the_run_ends_well_with_one_warning(ends: dict[str, Any], name: str) -> None:
    end = ends[name]
    assert (end["code"], end["out"]) == (0, "")
    warnings = end["err"].splitlines()
    assert len(warnings) == 1
    assert warnings[0].startswith("W&B: ")
    assert warnings[0].endswith(OFFLINE_FILES)
    assert end["took"] < ROOM
    assert PATIENCE <= 10
    read = inspect(offline(end["folder"]))
    rows = [{key: value for key, value in line.items() if "pictures" not in key} for line in read["rows"]]
    assert rows == [row(epoch) for epoch in (1, 2, 3)]
    assert "val/pictures.count" in read["rows"][-1]
    assert (read["exit_code"], read["summary"]["test/dice"]) == (0, 0.75)
    written = b"".join(path.read_bytes() for path in end["folder"].rglob("*") if path.is_file())
    for secret in (KEY, "s3kr1t"):
        assert secret not in end["err"]
        assert secret.encode() not in written


def test_a_key_that_cannot_be_one_is_a_warning(tmp_path: Path) -> None:
    done = drive(
        {"folder": str(tmp_path / "a"), "rows": 1}, environment={"WANDB_API_KEY": "short", "WANDB_MODE": "online"}
    )
    assert done.returncode == 0
    assert done.stderr.startswith("W&B: WANDB_API_KEY invalid")
    assert done.stderr.endswith(f"{OFFLINE_FILES}\n")
    assert inspect(offline(tmp_path / "a"))["rows"] == [row(1)]
