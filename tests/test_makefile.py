"""The Makefile's own rules."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

REPOSITORY = Path(__file__).parents[1]


@pytest.mark.parametrize("version", [(3, 9, 19), (3, 11, 3), (3, 11, 4), (3, 12, 0), (3, 13, 99), (3, 14, 0)])
def test_setup_refuses_each_python_that_the_project_does_not_support(tmp_path: Path, version: tuple[int, ...]) -> None:
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(REPOSITORY / name, tmp_path)
    # A Python that says it is of another version, and creates no environment.
    python = tmp_path / "other_python"
    python.write_text(
        f'#!/bin/sh\n[ "$1" = -c ] || {{ echo "asked for $*"; exit 1; }}\n'
        f'exec "{sys.executable}" -c "import sys; sys.version_info = {version}; exec(sys.argv[2])" "$@"\n'
    )
    python.chmod(0o755)
    done = subprocess.run(
        ["make", "setup", f"PYTHON={python}"], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    if ".".join(map(str, version)) in SpecifierSet(project["requires-python"]):
        assert "asked for -m venv .venv" in done.stdout
    else:
        found = ".".join(map(str, version))
        assert f"pets_seg needs Python 3.11.4 to 3.13, and {python} is {found}" in done.stderr
        assert "asked for" not in done.stdout
    assert not (tmp_path / ".venv").exists()
