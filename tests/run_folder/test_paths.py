"""Paths of a run are recorded absolute, and relative ones of older versions are seen from where the run was made."""

import os
from pathlib import Path
from typing import Annotated, Any

import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

from pets_seg.config.rules import takes_path
from pets_seg.run_folder.config_file import load_plain, root_problem, with_absolute_root
from pets_seg.run_folder.folder import RunFolder
from pets_seg.run_folder.paths import as_given, recorded

CONFIG: dict[str, Any] = {
    "seed": 0,
    "checkpoint": None,
    "runs": None,
    "replay": None,
    "data": {"name": "folder", "_target_": "pets_seg.data.sources.folder", "root": "pets", "cache_dir": None},
    **{group: {"name": "x"} for group in ("model", "aug", "optimizer", "scheduler", "loss", "train")},
}


def config(**data: Any) -> dict[str, Any]:
    return {**CONFIG, "data": {**CONFIG["data"], **data}}


@pytest.mark.parametrize(
    ("root", "whole"),
    {
        "pets": "{here}/pets",
        "./pets/": "{here}/pets",
        "../up/pets": "{here}/../up/pets",
        "link/pets": "{here}/link/pets",
        "~/pets": "{home}/pets",
        "a = b, ${c} é 猫": "{here}/a = b, ${{c}} é 猫",
        "b\udcff": "{here}/b\udcff",
        "/data/pets": "/data/pets",
    }.items(),
)
def test_a_root_is_recorded_absolute_and_given_again(
    root: str, whole: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to("elsewhere")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    kept = recorded(config(root=root, cache_dir="cache"))
    whole = whole.format(here=tmp_path, home=tmp_path / "home")
    assert (kept["data"]["root"], kept["data"]["cache_dir"]) == (whole, f"{tmp_path}/cache")
    assert kept["given"] == {"data.cache_dir": "cache"} | ({"data.root": root} if root != whole else {})
    # What is written can be read again.
    RunFolder(tmp_path).write_config(kept)
    again = load_plain(tmp_path / "config.yaml")
    assert again == kept
    assert as_given(again, "data.root", whole) == root
    # Elsewhere the path as it was given means another folder.
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert as_given(again, "data.root", whole) == (root if root.startswith(("~", "/")) else whole)


def test_what_is_no_path_stays() -> None:
    assert recorded(config(root=None)) == config(root=None)
    assert recorded(config(root="/x")) == config(root="/x")
    before = config()
    recorded(before)
    assert before == config()


@given(root=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=20))
def test_any_root_leads_to_the_folder_that_it_led_to(root: str) -> None:
    # Of a user who is not there, reading the data refuses it.
    assume(not root.startswith("~"))
    kept = recorded(config(root=root))
    seen = os.path.join(os.getcwd(), os.path.expanduser(root))
    assert os.path.isabs(kept["data"]["root"])
    assert os.path.normpath(kept["data"]["root"]) == os.path.normpath(seen)
    assert as_given(kept, "data.root", kept["data"]["root"]) == root
    assert yaml.safe_load(yaml.safe_dump(kept)) == kept


def test_a_part_of_ones_own_says_by_its_annotation_what_is_a_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_loader.py").write_text(
        "from pathlib import Path\n\n\ndef load(root: str, lists: Path | None = None, note: str = ''):\n    pass\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    own = config(_target_="own_loader.load", lists="lists", note="own_loader.py")
    kept = recorded(own)["data"]
    assert (kept["root"], kept["lists"]) == (f"{tmp_path}/pets", f"{tmp_path}/lists")
    assert kept["note"] == "own_loader.py"
    assert takes_path(Path)
    assert takes_path(Annotated[str | Path, "x"])
    assert not takes_path(str)
    assert not takes_path(Any)


def write_hydra(run: Path, cwd: str) -> None:
    (run / ".hydra").mkdir()
    (run / ".hydra" / "hydra.yaml").write_text(yaml.safe_dump({"hydra": {"runtime": {"cwd": cwd}}}))


def root_of(run: Path, root: Any = "pets") -> Any:
    return with_absolute_root(config(root=root), run)["data"]["root"]


def test_an_older_run_is_seen_from_where_it_was_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tmp_path / "first" / "runs" / "seven" / "run"
    run.mkdir(parents=True)
    assert root_of(run) == f"{tmp_path}/first/pets"
    assert root_of(run, "../pets") == f"{tmp_path}/first/../pets"
    (tmp_path / "second").mkdir()
    monkeypatch.chdir(tmp_path / "second")
    assert root_of(Path("../first/runs/seven/run")) == f"{tmp_path}/first/pets"
    monkeypatch.chdir(run)
    assert root_of(Path()) == f"{tmp_path}/first/pets"
    assert root_of(run, "~/pets") == os.path.expanduser("~/pets")
    for other in (None, "/data/pets", "", 3, "~nobody-of-this-name/pets"):
        assert root_of(run, other) == other
    # Hydra's record is sure, and the place is not: a run may have been moved.
    write_hydra(run, "/made/here")
    assert root_of(run) == "/made/here/pets"
    assert with_absolute_root(config(), run)["given"] == {"data.root": "pets"}


def test_where_nobody_knows_where_a_run_was_made_it_is_said(tmp_path: Path) -> None:
    run = tmp_path / "archive" / "seven" / "run"
    run.mkdir(parents=True)
    assert root_of(run) == "pets"
    assert root_problem(with_absolute_root(config(), run)["data"]).startswith("data.root=pets is relative, and the")
    # A link in another project does not make it one of that project's runs.
    there = tmp_path / "second" / "runs" / "seven"
    there.mkdir(parents=True)
    (there / "run").symlink_to(run)
    assert root_of(there / "run") == "pets"
    first = tmp_path / "first" / "runs" / "seven" / "other"
    first.mkdir(parents=True)
    (there / "other").symlink_to(first)
    assert root_of(there / "other") == "pets"
    # A broken record counts as none.
    for cwd in ("relative", "[a]"):
        write_hydra(first, cwd)
        assert root_of(first) == f"{tmp_path}/first/pets"
        (first / ".hydra" / "hydra.yaml").write_text("- 1")
        assert root_of(first) == f"{tmp_path}/first/pets"
        (first / ".hydra" / "hydra.yaml").unlink()
        (first / ".hydra").rmdir()


def test_a_root_that_is_gone_is_a_problem(tmp_path: Path) -> None:
    assert root_problem({"root": str(tmp_path)}) == ""
    assert root_problem({"root": None}) == root_problem({}) == ""
    assert root_problem({"root": f"{tmp_path}/gone"}) == f"the run's data.root={tmp_path}/gone is not there"
    assert root_problem({"root": f"{tmp_path}/gone", "download": True}) == ""
    assert "is relative" in root_problem({"root": ""})
