"""What all tests share: no skips in CI, a free port, and nodes in processes of their own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

NO_SKIPS = os.environ.get("STOMPEDE_NO_SKIPS") == "1"


def refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turns a skip into a failure that says what is missing."""
    if report.skipped and not hasattr(report, "wasxfail"):
        where, line, reason = (
            report.longrepr if isinstance(report.longrepr, tuple) else ("", 0, str(report.longrepr))
        )
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


class ServedNode:
    """A node in a process of its own, on a port of its own.

    Attributes:
        process: the process.
        url: ``http://127.0.0.1:PORT``, ``https`` with a certificate.
        log: the lines of its log so far, as JSON objects.
    """

    def __init__(self, command: list[str], cwd: Path, environment: dict[str, str]) -> None:
        self.log: list[dict[str, Any]] = []
        self.url = ""
        self._said: list[str] = []
        self._serving = threading.Event()
        self.process = subprocess.Popen(
            command, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._said.append(line)
            if line.startswith("{"):
                self.log.append(json.loads(line))
                if self.log[-1]["event"] == "serving":
                    self.url = self.log[-1]["url"]
                    self._serving.set()
        self._serving.set()

    def wait_serving(self, timeout_s: float = 30) -> None:
        """Waits until it serves; fails with what it said when it does not."""
        self._serving.wait(timeout_s)
        assert self.url, "".join(self._said)

    @property
    def stomp_url(self) -> str:
        """``ws://127.0.0.1:PORT/stomp``."""
        return f"ws{self.url.removeprefix('http')}/stomp"

    def said(self, timeout_s: float = 30) -> str:
        """All that it wrote to standard error, once it has ended."""
        self._reader.join(timeout_s)
        return "".join(self._said)

    def stop(self, timeout_s: float = 30) -> int:
        """SIGTERM, and its exit code."""
        self.process.terminate()
        code = self.process.wait(timeout_s)
        self._reader.join(timeout_s)
        return code

    def close(self) -> None:
        """Ends it however it stands."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._reader.join()
        assert self.process.stderr is not None
        self.process.stderr.close()


@pytest.fixture
def serve_node(tmp_path: Path) -> Iterator[Callable[..., ServedNode]]:
    """Starts nodes: ``serve_node("chat:app", "--set", "max_sessions=3", STOMPEDE_X="...")`` waits until it serves."""
    nodes = []

    def serve(*arguments: str, cwd: Path = tmp_path, **environment: str) -> ServedNode:
        command = [sys.executable, "-m", "stompede", "serve", "--port", "0", *arguments]
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("STOMPEDE_")}
        node = ServedNode(command, cwd, {**inherited, "STOMPEDE_LOG_FORMAT": "json", **environment})
        nodes.append(node)
        node.wait_serving()
        return node

    yield serve
    for node in nodes:
        node.close()
