"""Servers under test, each a process of its own on one core."""

from __future__ import annotations

import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from benchmarks.generator import ROOT

PRODUCT: Final = "stompede"
JWT_SECRET: Final = "a-secret-that-only-benchmarks-use-0123456789"

# What `benchmarks.apps` runs with besides the defaults. A token each, no log lines on a terminal.
PRODUCT_ENVIRONMENT: Final[Mapping[str, str]] = {
    "STOMPEDE_JWT_SECRET": JWT_SECRET,
    "STOMPEDE_LOG_LEVEL": "warning",
    "STOMPEDE_LOG_FORMAT": "json",
}


class ServerError(Exception):
    """A server did not start, or died."""


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def allow_many_files() -> None:
    """Raises the bound on open files as far as this user may; children inherit it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Server:
    """A server in the background; a context manager.

    Args:
        name: `PRODUCT`, or a module of `benchmarks.baselines`.
        core: the core to run on.
        environment: additional variables.
    """

    def __init__(self, name: str, core: int, environment: Mapping[str, str] | None = None) -> None:
        self.name = name
        self.port = free_port()
        self._data = tempfile.TemporaryDirectory(prefix="stompede-benchmark-")
        self._log_path = Path(self._data.name) / "log"
        self._process = subprocess.Popen(
            self._command(),
            cwd=ROOT,
            env=self._environment(Path(self._data.name), environment or {}),
            stdout=self._log_path.open("wb"),
            stderr=subprocess.STDOUT,
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),
            start_new_session=True,
        )
        self.pid = self._process.pid

    def _environment(self, data: Path, environment: Mapping[str, str]) -> dict[str, str]:
        return {**os.environ, **PRODUCT_ENVIRONMENT, "STOMPEDE_DATA_DIR": str(data), **environment}

    def _command(self) -> list[str]:
        if self.name != PRODUCT:
            return [sys.executable, "-m", f"benchmarks.baselines.{self.name}", "--port", str(self.port)]
        program = "from stompede.cli import main; main()"
        return [sys.executable, "-c", program, "serve", "benchmarks.apps:app", "--port", str(self.port)]

    def wait(self, limit_s: float = 20) -> None:
        """Returns when it listens.

        Raises:
            ServerError: it ended, or does not listen in time.
        """
        end = time.monotonic() + limit_s
        while time.monotonic() < end:
            if self._process.poll() is not None:
                break
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise ServerError(f"{self.name} does not listen on {self.port}:\n{self.log()}")

    def log(self) -> str:
        """The end of what it printed."""
        return self._log_path.read_text(errors="replace")[-3000:]

    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def stop(self) -> None:
        """Ends it at once: what a graceful stop costs is not measured here."""
        self._process.kill()
        self._process.wait()
        self._data.cleanup()

    def __enter__(self) -> Self:
        try:
            self.wait()
        except ServerError:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
