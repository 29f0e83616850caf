"""Runs the command-line tests with the next version of Hydra, against the list of failures that are known.

It works in an environment of its own that borrows all other packages from the one it is started by. A test that fails
and is not listed, or is listed and passes, ends it with exit code 1. Where there is no such version to install, a line
says so.
"""

import os
import re
import subprocess
import sys
import sysconfig
import tempfile
import venv
from importlib.metadata import distributions
from pathlib import Path

ROOT = Path(__file__).parent.parent
KNOWN = Path(__file__).with_name("hydra_next_known_failures.txt")
NEXT = ["hydra-core>=1.4.0rc1,<1.5", "omegaconf>=2.4.0,<2.5"]
TESTS = ["tests/test_command_line.py", "tests/command", "tests/test_output.py"]
# It installs the package into an environment of its own, which is not the next Hydra's concern.
NOT_HERE = "not test_a_wheel_holds_all_that_a_run_needs"


def main() -> int:
    """Make the environment, run the tests in it, and return the exit code."""
    with tempfile.TemporaryDirectory() as folder:
        python = make_environment(Path(folder))
        if python is None:
            print(f"{' '.join(NEXT)} cannot be installed here; the tests were not run with the next version of Hydra")
            return 0
        versions = installed(python)
        arguments = ["--numprocesses", "2", "--dist", "worksteal", "--tb", "short", "-rfE", "-k", NOT_HERE]
        command = [python, "-m", "pytest", "-p", "no:cacheprovider", *arguments, *TESTS]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    failed = set(re.findall(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.MULTILINE))
    known = {line for line in KNOWN.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")}
    if failed == known and done.returncode in (0, 1):
        print(f"{done.stdout.splitlines()[-1]} with {versions}, as expected")
        return 0
    print(done.stdout)
    for test in sorted(failed - known):
        print(f"{test} fails with {versions}: mend it, or list it in {KNOWN.relative_to(ROOT)}")
    for test in sorted(known - failed):
        print(f"{test} passes with {versions}: take it out of {KNOWN.relative_to(ROOT)}")
    return 1


def make_environment(folder: Path) -> Path | None:
    """Return the interpreter of an environment with the next Hydra; None if that cannot be installed."""
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(python), "install", "--quiet"]
    found = subprocess.run([*pip, "--pre", "--no-deps", *NEXT], stderr=subprocess.DEVNULL, check=False)
    if found.returncode:
        return None
    # A path alone: the hooks of that folder, one of which imports this project by another way, stay out of it.
    (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib"))
    # Its metadata asks for the Hydra of today, which only an installation with dependencies would hold it to.
    project = [*pip, "--no-deps", "--no-build-isolation", "--editable", str(ROOT)]
    subprocess.run(project, check=True)
    return python


def installed(python: Path) -> str:
    """Return names and versions of what the environment does not borrow."""
    packages = sysconfig.get_path("purelib", vars={"base": str(python.parent.parent)})
    own = {item.name: item.version for item in distributions(path=[packages])}
    return ", ".join(f"{name} {own[name]}" for name in ("hydra-core", "omegaconf"))


if __name__ == "__main__":
    sys.exit(main())
