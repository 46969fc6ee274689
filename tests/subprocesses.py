"""Servers in processes of their own: what is run is what users run."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

PATIENCE_S = 30.0


class Process:
    """A server's process; its log goes into a file."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def wait_log(self, pattern: str) -> re.Match[str]:
        """Waits for a line in the log."""
        end = time.monotonic() + PATIENCE_S
        while (found := re.search(pattern, self.log)) is None:
            assert self.process.poll() is None, f"exit status {self.process.returncode}\n{self.log}"
            assert time.monotonic() < end, f"{pattern!r} did not come\n{self.log}"
            time.sleep(0.02)
        return found

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def wait(self) -> int:
        """Waits for the exit status."""
        return self.process.wait(PATIENCE_S)


@contextlib.contextmanager
def running(arguments: Sequence[str], **environment: str) -> Iterator[Process]:
    """Runs a Python program, and kills it at the end if it still runs."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("STOMPEDE_")}
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, *arguments],
                stdout=output, stderr=subprocess.STDOUT, cwd=folder, env={**clean, **environment},
            )  # fmt: skip
        try:
            yield Process(process, log)
        finally:
            process.kill()
            process.wait()


@contextlib.contextmanager
def stompede_serve(*arguments: str, **environment: str) -> Iterator[tuple[Process, str]]:
    """``stompede serve`` on a free port, and the base of its HTTP URLs."""
    command = ["-m", "stompede", "serve", "--port", "0", *arguments]
    with running(command, **{"STOMPEDE_LOG_FORMAT": "json", **environment}) as process:
        url: Any = process.wait_log(r'"url": "(https?://[^"]+)"')
        yield process, url[1]
