"""The load generator from Python: compiled when its source is newer, run on its own core, its report read."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
SOURCES: Final = ROOT / "benchmarks" / "load"
PROGRAM: Final = ROOT / "build" / "load"

Report = Mapping[str, Any]


class LoadError(Exception):
    """The load generator ended without a report."""


@dataclass(frozen=True)
class Load:
    """One way to load a server; names and defaults are the program's options.

    Attributes:
        subscribers: connections that subscribe.
        publishers: connections that only publish.
        connect: the script with the CONNECT frame; None for a server that speaks no STOMP.
        subscribe: the script with the SUBSCRIBE frame, which must ask for a receipt.
        publish: the script with the SEND frame.
        answers: every subscriber publishes, and expects an answer to each of its own publications.
        queue: each publication goes to one subscriber, which acknowledges it.
        window: publications in flight, of each client with ``answers``.
        rate: publications a second, whatever comes back; 0 by ``window``.
        publications: end after so many, instead of after some seconds.
        body_bytes: what the mark in the body is filled up to.
        hold_s: time to hold the connections, with ``heart_beat_s`` between two heart-beats of each.
        beats_s: seconds between two heart-beats that the server promised; they are counted during ``hold_s``.
        tokens: file with tokens for the scripts, one a line.
        path: where the server has its WebSocket.
        protocol: the subprotocol to ask for.
    """

    subscribers: int
    publish: str
    publishers: int = 0
    connect: str | None = None
    subscribe: str | None = None
    answers: bool = False
    queue: bool = False
    window: int = 1
    rate: float = 0
    publications: int = 0
    body_bytes: int = 200
    parallel: int = 64
    hold_s: float = 0
    heart_beat_s: float = 0
    beats_s: float = 0
    tokens: Path | None = None
    path: str = "/stomp"
    protocol: str | None = None

    def arguments(self) -> list[str]:
        """The program's options."""
        named: dict[str, object] = {
            "subscribers": self.subscribers, "publishers": self.publishers, "connect": self.connect,
            "subscribe": self.subscribe, "publish": self.publish, "window": self.window, "rate": self.rate,
            "publications": self.publications, "body": self.body_bytes, "parallel": self.parallel,
            "hold": self.hold_s, "heart-beat": self.heart_beat_s, "beats": self.beats_s,
            "tokens": self.tokens, "path": self.path, "protocol": self.protocol,
        }  # fmt: skip
        given = [item for name, value in named.items() if value for item in (f"--{name}", str(value))]
        return [*given, *["--answers"] * self.answers, *["--queue"] * self.queue]


def compile_load() -> None:
    """Makes the program, unless it is newer than its source."""
    sources = sorted(SOURCES.glob("*.[ch]"))
    if PROGRAM.exists() and PROGRAM.stat().st_mtime > max(source.stat().st_mtime for source in sources):
        return
    PROGRAM.parent.mkdir(exist_ok=True)
    code = [str(source) for source in sources if source.suffix == ".c"]
    subprocess.run([os.environ.get("CC", "cc"), "-O2", "-o", str(PROGRAM), *code], check=True)


class Running:
    """A load generator at work.

    Args:
        load: what to do.
        port: where the server listens.
        server: process whose CPU time and memory are read.
        core: the core to run on.
        seconds: time to measure, after ``warmup_s`` of the same.
    """

    _runs = 0

    def __init__(
        self, load: Load, port: int, server: int, *, core: int, seconds: float, warmup_s: float
    ) -> None:
        Running._runs += 1
        command = [str(PROGRAM), "--port", str(port), "--server", str(server), "--seconds", str(seconds)]
        # Another source address each time: the ports of the last run are not free yet.
        command += ["--warmup", str(warmup_s), "--source", str(1 + Running._runs % 250), *load.arguments()]
        self._process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        )
        self._notes: list[str] = []

    def wait_open(self) -> None:
        """Returns when all connections are open, or the program has ended."""
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if line == "open\n":
                return
            self._notes.append(line)

    def end_phase(self) -> None:
        """Ends the warm-up, or after it the measuring."""
        self._process.send_signal(signal.SIGUSR1)

    def report(self) -> Report:
        """Waits for the end; a report that is not whole has been said on standard error."""
        out, err = self._process.communicate(timeout=240)
        notes = "".join(self._notes) + err.replace("open\n", "")
        if notes:
            print(notes, end="", file=sys.stderr)
        if not out:
            raise LoadError(f"the load generator ended with {self._process.returncode} and said nothing")
        report: Report = json.loads(out)
        return report
