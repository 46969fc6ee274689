"""Real Redis servers for tests. ``STOMPEDE_TEST_REDIS_URL`` names one that runs already; else one is started, if it is
installed; else the test skips and says how to get it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

PATIENCE_S = 20.0


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class RedisServer:
    """A redis-server of the test's own, which can be killed, frozen and started again.

    Args:
        folder: for its log and what it keeps.
        port: where it listens; free.
        options: further ones of the command line.
    """

    def __init__(self, folder: Path, port: int, *options: str) -> None:
        self.port = port
        self.url = f"redis://127.0.0.1:{port}"
        self._folder = folder
        self._options = options
        self.process: subprocess.Popen[bytes]

    def start(self) -> None:
        """Starts it, and waits until it answers."""
        command = [
            "redis-server",
            "--port",
            str(self.port),
            "--bind",
            "127.0.0.1",
            "--dir",
            str(self._folder),
        ]
        with (self._folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--save", "", *self._options], stdout=log, stderr=log, start_new_session=True
            )
        end = time.monotonic() + PATIENCE_S
        while not self.answers():
            assert self.process.poll() is None, (self._folder / "log").read_text()[-2000:]
            assert time.monotonic() < end, "redis-server does not answer"
            time.sleep(0.01)

    def answers(self) -> bool:
        """Whether it serves commands now."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as connection:
                connection.settimeout(1)
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith((b"+PONG", b"-NOAUTH"))
        except OSError:
            return False

    def kill(self) -> None:
        """Kills it with SIGKILL."""
        self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def running_redis(*options: str) -> Iterator[RedisServer]:
    """A Redis server of the test's own; skips where none is installed."""
    if shutil.which("redis-server") is None:
        pytest.skip("needs redis-server: `make services`, or apt-get install redis-server")
    with tempfile.TemporaryDirectory(prefix="stompede-redis-") as folder:
        server = RedisServer(Path(folder), free_port(), *options)
        server.start()
        try:
            yield server
        finally:
            server.kill()


@contextlib.contextmanager
def some_redis() -> Iterator[str]:
    """The URL of a Redis server that may hold other things: tests keep to names of their own."""
    given = os.environ.get("STOMPEDE_TEST_REDIS_URL")
    if given:
        yield given
        return
    with running_redis() as server:
        yield server.url
