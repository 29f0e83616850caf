"""A plugin for pytest: tests that a file lists must fail, and all others must pass."""

from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that names the file: a test a line, # for comments."""
    parser.addoption("--known-failures", type=Path, required=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Expect the listed tests to fail; a test that is listed and is not there ends the session."""
    lines = config.getoption("--known-failures").read_text().splitlines()
    known = {line for line in lines if line and not line.startswith("#")}
    if missing := known - {item.nodeid for item in items}:
        raise pytest.UsageError(f"listed as known failures, and not there: {', '.join(sorted(missing))}")
    for item in items:
        if item.nodeid in known:
            item.add_marker(pytest.mark.xfail(strict=True, reason="known failure"))
