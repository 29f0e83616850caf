"""A plugin for pytest: ends with the tests that were skipped, by file and reason; a file lists those that may be."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

# What a test says that needs an extra of pyproject.toml which is not there.
NO_EXTRA = "the extra {} is not installed"
skipped: Counter[str] = Counter()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add two options: the file, `test file: reason` a line, # for comments; and extras that cannot be had here."""
    parser.addoption("--may-be-skipped", type=Path, required=True)
    parser.addoption("--without-extra", action="append", default=[])


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Remember a test that was skipped."""
    # A test that is expected to fail and does is reported as skipped too.
    if report.skipped and not hasattr(report, "wasxfail"):
        _remember(report)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    """Remember a file that was skipped as a whole."""
    if report.skipped:
        _remember(report)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail for a test that was skipped and is not listed."""
    # With several processes, this one has seen the reports of all.
    if not hasattr(session.config, "workerinput") and any(_unlisted(session.config)):
        session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print the list."""
    unlisted = {*_unlisted(config)}
    terminalreporter.write_line("skipped tests, by file and reason:")
    for line, count in sorted(skipped.items()):
        wrong = f" (not in {config.getoption('--may-be-skipped')})" if line in unlisted else ""
        terminalreporter.write_line(f"{count:5} {line}{wrong}")


def _remember(report: Any) -> None:
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    skipped[f"{report.nodeid.partition('::')[0]}: {reason.removeprefix('Skipped: ')}"] += 1


def _unlisted(config: pytest.Config) -> Iterator[str]:
    lines = {line.strip() for line in config.getoption("--may-be-skipped").read_text().splitlines()}
    missing = {NO_EXTRA.format(extra) for extra in config.getoption("--without-extra")}
    return (line for line in skipped if line not in lines and line.partition(": ")[2] not in missing)
