"""What a run's status says of the machine that it was made on."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import pets_seg.run_folder.folder as folder


def test_a_package_that_is_not_installed_has_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    # W&B with tracker.mode=disabled, and the package itself where only its checkout is.
    monkeypatch.setattr(folder, "PACKAGES", ("torch", "no-such-package"))
    versions = folder.describe_machine("cpu", 1)["versions"]
    assert versions.keys() == {"python", "torch"}
    assert torch.__version__.startswith(versions["torch"])


def test_a_checkout_is_changed_by_what_makes_runs_alone(tmp_path: Path) -> None:
    # In a checkout of a small package, of which this file is the one that is asked.
    package = tmp_path / "pets_seg" / "run_folder"
    package.mkdir(parents=True)
    (tmp_path / "conf").mkdir()
    (tmp_path / "README.md").write_text("A page.\n")
    (package / "folder.py").write_text(Path(folder.__file__).read_text(encoding="utf-8"))

    def git(*words: str) -> None:
        who = ("-c", "user.name=somebody", "-c", "user.email=somebody@example.org")
        subprocess.run(["git", *who, "-C", str(tmp_path), *words], check=True, capture_output=True)

    def is_dirty() -> bool:
        code = (
            "import importlib.util, json, sys\n"
            "spec = importlib.util.spec_from_file_location('asked', sys.argv[1])\n"
            "module = importlib.util.module_from_spec(spec)\n"
            "sys.modules['asked'] = module\n"
            "spec.loader.exec_module(module)\n"
            "print(json.dumps(module.git_commit()))"
        )
        # Without -B its bytecode would be what changed.
        command = [sys.executable, "-B", "-c", code, str(package / "folder.py")]
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
        return json.loads(done.stdout)["dirty"]

    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "--message", "all")
    assert not is_dirty()
    (tmp_path / "masks").mkdir()
    (tmp_path / "masks" / "pet.png").touch()
    (tmp_path / "README.md").write_text("Another.\n")
    assert not is_dirty()
    (tmp_path / "conf" / "mine.yaml").touch()
    assert is_dirty()
