"""Machines without a home folder, or with one that cannot be used, as containers have them; odd start folders."""

import os
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import tiny
from processes import finish

from pets_seg.errors import InputError
from pets_seg.machine import home

VARIABLES = ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "WANDB_CACHE_DIR", "MPLCONFIGDIR")
# A user whom the password file does not know.
NOBODY = ["setpriv", "--reuid=12345", "--regid=12345", "--clear-groups"]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A machine that says nothing of the user's folders but HOME; returns its folder for temporary files."""
    for name in VARIABLES:
        # What a test sets is then taken back.
        monkeypatch.setenv(name, "x")
        monkeypatch.delenv(name)
    (tmp_path / "home").mkdir()
    (tmp_path / "tmp").mkdir()
    (tmp_path / "file").touch()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.setattr(home, "lacking", "")
    home.user_cache.cache_clear()
    yield tmp_path / "tmp"
    home.user_cache.cache_clear()


def test_a_home_that_can_be_used_is_left_alone(machine: Path, monkeypatch: pytest.MonkeyPatch, caplog) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/says/nothing")
    home.settle()
    assert home.user_cache("data.root") == machine.parent / "home" / ".cache" / "pets_seg"
    assert [name for name in VARIABLES if name in os.environ] == ["HOME"]
    assert (list(machine.iterdir()), caplog.messages) == ([], [])


def test_a_home_that_only_the_password_file_knows_is_told_to_all(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "relative/says/nothing")
    monkeypatch.setattr(pwd, "getpwuid", lambda user: SimpleNamespace(pw_dir=str(machine.parent / "home")))
    home.settle()
    assert os.environ["HOME"] == str(machine.parent / "home")


def test_without_a_home_a_folder_that_is_the_users_alone_takes_its_place(
    machine: Path, monkeypatch: pytest.MonkeyPatch, caplog
) -> None:
    monkeypatch.setenv("HOME", str(machine.parent / "file"))
    home.settle()
    found = home.user_cache("data.cache_dir")
    [stand_in] = machine.iterdir()
    assert found == stand_in / ".cache" / "pets_seg"
    assert Path.home() == stand_in
    assert stat.S_IMODE(stand_in.stat().st_mode) == 0o700
    [line] = caplog.messages
    assert line == (
        f"HOME={machine.parent / 'file'} cannot be read; {found} takes its place (set data.cache_dir=FOLDER, or HOME, "
        "for another)"
    )
    home.settle()


def test_a_cache_folder_that_cannot_be_written_has_a_place_elsewhere(
    machine: Path, monkeypatch: pytest.MonkeyPatch, caplog
) -> None:
    caches = machine.parent / "file"
    monkeypatch.setenv("XDG_CACHE_HOME", str(caches))
    home.settle()
    assert os.environ["HOME"] == str(machine.parent / "home")
    [stand_in] = machine.iterdir()
    assert Path(os.environ["WANDB_CACHE_DIR"]).parent == stand_in
    assert "MPLCONFIGDIR" not in os.environ
    found = home.user_cache("data.root")
    assert found.is_relative_to(stand_in)
    assert caplog.messages == [
        f"{caches / 'pets_seg'} cannot be written; {found} takes its place (set data.root=FOLDER, or HOME, for another)"
    ]


def test_what_is_in_a_cache_that_may_only_be_read_is_used(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = machine.parent / "home" / ".cache" / "pets_seg"
    kept.mkdir(parents=True)
    monkeypatch.setattr(home, "can_be_made", lambda place: False)
    assert home.user_cache("data.root") == kept


@pytest.mark.parametrize("spoil", ["a link", "a file", "others may write", "another user's"])
def test_a_folder_that_another_user_may_have_filled_is_not_trusted(
    spoil: str, machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in = machine / f"pets_seg-{os.getuid()}"
    if spoil == "a link":
        stand_in.symlink_to(machine.parent / "home")
    elif spoil == "a file":
        stand_in.touch()
    else:
        stand_in.mkdir(mode=0o700)
    if spoil == "others may write":
        stand_in.chmod(0o777)
    elif spoil == "another user's":
        other = os.getuid() + 1
        monkeypatch.setattr(os, "getuid", lambda: other)
        stand_in.rename(machine / f"pets_seg-{other}")
    monkeypatch.setenv("HOME", str(machine.parent / "file"))
    with pytest.raises(InputError, match=r"pets_seg-\d+.*HOME$"):
        home.settle()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that any user may write."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o777)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.slow
@pytest.mark.parametrize("user", ["nobody", "oneself"])
def test_a_command_without_a_home_trains_and_keeps_its_wandb_files(user: str, open_folder: Path, oxford: Path) -> None:
    # The data of this test are in folders of its own user.
    arguments = [*tiny(Path(shutil.copytree(oxford, open_folder / "data"))), "train.epochs=1", "tracker.mode=auto"]
    command = [sys.executable, "-m", "pets_seg.run", *arguments]
    environment = {key: value for key, value in os.environ.items() if key not in VARIABLES}
    environment["TMPDIR"] = str(open_folder)
    if user == "oneself":
        environment["HOME"] = str(open_folder / "data" / "oxford-iiit-pet" / "annotations" / "test.txt")
    elif os.geteuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("takes root and setpriv")
    else:
        command = [*NOBODY, *command]
        if subprocess.run([*NOBODY, sys.executable, "-c", "import torch"], capture_output=True).returncode:
            pytest.skip("this Python is its user's alone")
    done = subprocess.run(command, cwd=open_folder, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    reason = "there is no home folder; " if user == "nobody" else f"HOME={environment['HOME']} cannot be read; "
    assert lines[0].startswith(reason)
    assert "set data.cache_dir=FOLDER, or HOME" in lines[0]
    assert sum("home" in line.lower() for line in lines) == 1
    assert done.stderr == ""
    assert len(list(open_folder.glob("runs/default/*/wandb/offline-run-*/*.wandb"))) == 1
    assert list(open_folder.glob("pets_seg-*/.cache/pets_seg/pixels/*/index.json"))


@pytest.mark.slow
def test_a_command_may_start_in_a_folder_of_any_name(oxford: Path, tmp_path: Path) -> None:
    arguments = [*tiny(oxford), "train.epochs=1", "tracker.mode=offline"]
    odd = tmp_path / "a b'c\"d=e#f%g{h}[i],j*?k\\l\nm~é$n"
    assert finish(odd, arguments) == 0, (odd / "shown").read_text()
    assert "the run goes on without it" not in (odd / "shown").read_text()
    assert len(list(odd.glob("runs/default/*/wandb/offline-run-*/*.wandb"))) == 1

    not_text = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    assert finish(not_text, arguments) == 0
    shown = (not_text / "shown").read_text()
    assert shown.count("W&B") == 1
    assert "W&B: the path of the run folder is not UTF-8, which it needs; the run goes on without it" in shown

    reference = tmp_path / "${x}"
    assert finish(reference, arguments) == 2
    assert "holds ${, which a configuration takes for a reference" in (reference / "shown").read_text()
    assert [path.name for path in reference.iterdir()] == ["shown"]


def test_a_start_folder_that_is_gone_is_one_line(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    script = 'rmdir "$PWD"; exec "$@"'
    command = ["sh", "-c", script, "sh", sys.executable, "-m", "pets_seg.run"]
    done = subprocess.run(command, cwd=gone, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith("the start folder")
