"""What all tests share: no skips in CI, and a free port."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Generator

import pytest

NO_SKIPS = os.environ.get("STOMPEDE_NO_SKIPS") == "1"


def refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turns a skip into a failure that says what is missing."""
    if report.skipped and not hasattr(report, "wasxfail"):
        where, line, reason = report.longrepr if isinstance(report.longrepr, tuple) else ("", 0, str(report.longrepr))
        report.outcome = "failed"
        report.longrepr = f"{where}:{line}: {reason}\nSTOMPEDE_NO_SKIPS=1 allows no skipped test."


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if NO_SKIPS:
        refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if NO_SKIPS:
        refuse_skip(report)
    return report


@pytest.fixture
def free_port() -> int:
    """A TCP port of the loopback interface that nobody listens on at the moment."""
    return unused_port()


@pytest.fixture
def free_ports() -> Callable[[], int]:
    """Gives one free port after another."""
    return unused_port


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
