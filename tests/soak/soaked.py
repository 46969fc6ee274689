"""The node that is soaked, in a process of its own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import msgspec
import psutil
from remains import SETTINGS, Snapshot, ask, snapshot

from subprocesses import Process, stompede_serve


class Soaked:
    """A node that is soaked."""

    def __init__(self, process: Process, http: str) -> None:
        self.process = process
        self.http = http
        self.node = psutil.Process(process.pid)
        self.line = process.wait_log(r'"tcp": "(stomp://[^"]+)"')[1]

    @property
    def url(self) -> str:
        return self.http.replace("http", "ws", 1)

    async def snapshot(self) -> Snapshot:
        return await snapshot(self.http, self.node)

    async def leak(self, kind: str) -> None:
        """Makes it hold something for ever."""
        await ask(self.http, f"/debug/leak/{kind}", "POST")

    async def tokens(self) -> list[str]:
        """Tokens of some members."""
        return [
            msgspec.json.decode(await ask(self.http, f"/debug/token/name-{number}", "POST"))
            for number in range(20)
        ]


@contextlib.contextmanager
def soaked() -> Iterator[Soaked]:
    """A node in a process of its own."""
    arguments = [part for name, value in SETTINGS.items() for part in ("--set", f"{name}={value}")]
    with stompede_serve("soaked_app:app", *arguments, PYTHONPATH=str(Path(__file__).parent)) as (
        process,
        http,
    ):
        yield Soaked(process, http)
