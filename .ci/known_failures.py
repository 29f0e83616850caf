"""A plugin for pytest: tests that a file lists must be there and fail, and all others must pass."""

from pathlib import Path

import pytest

seen: set[str] = set()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that names the file: a test a line, # for comments."""
    parser.addoption("--known-failures", type=Path, required=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Expect the listed tests to fail; one that passes then counts as a failure."""
    known = _listed(config)
    for item in items:
        if item.nodeid in known:
            item.add_marker(pytest.mark.xfail(strict=True, reason="known failure"))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Remember which tests there were."""
    seen.add(report.nodeid)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail for a listed test that was not run: it is gone, or has another name."""
    # With several processes, this one has seen the reports of all.
    if not hasattr(session.config, "workerinput") and (gone := _listed(session.config) - seen):
        print(f"\nlisted as known failures, and not run: {', '.join(sorted(gone))}")
        session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED


def _listed(config: pytest.Config) -> set[str]:
    lines = config.getoption("--known-failures").read_text().splitlines()
    return {line for line in lines if line and not line.startswith("#")}
