"""The node that is soaked, in a process of its own."""

from __future__ import annotations

import contextlib
import ssl
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import psutil
from remains import SETTINGS, Snapshot, ask, snapshot, trimmed

from certificates import self_signed
from subprocesses import Process, stompede_serve


class Soaked:
    """A node that is soaked.

    Attributes:
        process: its process, with its log.
        http: base of its HTTP URLs.
        node: its process, to look into.
        line: URL of STOMP over TCP.
        encrypted: URL of STOMP over TLS.
        trust: knows its certificate.
    """

    def __init__(self, process: Process, http: str, trust: ssl.SSLContext) -> None:
        self.process = process
        self.http = http
        self.node = psutil.Process(process.pid)
        self.line = process.wait_log(r'"tcp": "(stomp://[^"]+)"')[1]
        self.encrypted = process.wait_log(r'"tls": "(stomp\+ssl://[^"]+)"')[1]
        self.trust = trust

    @property
    def url(self) -> str:
        return self.http.replace("http", "ws", 1)

    async def snapshot(self) -> Snapshot:
        return await snapshot(self.http, self.node)

    async def trimmed(self, now: Snapshot) -> Snapshot:
        return await trimmed(self.http, self.node, now)

    async def leak(self, kind: str) -> None:
        """Makes it hold something for ever."""
        await ask(self.http, f"/debug/leak/{kind}", "POST")

    async def tokens(self) -> list[str]:
        """Tokens of members, more than the node remembers."""
        return [
            msgspec.json.decode(await ask(self.http, f"/debug/token/name-{number}", "POST"))
            for number in range(SETTINGS["token_cache"] + 20)
        ]


@contextlib.contextmanager
def soaked() -> Iterator[Soaked]:
    """A node in a process of its own."""
    arguments = [part for name, value in SETTINGS.items() for part in ("--set", f"{name}={value}")]
    with tempfile.TemporaryDirectory() as folder:
        certificate, key = self_signed(Path(folder))
        environment = {
            "PYTHONPATH": str(Path(__file__).parent),
            "SOAKED_CERTIFICATE": certificate,
            "SOAKED_KEY": key,
        }
        with stompede_serve("soaked_app:app", *arguments, **environment) as (process, http):
            yield Soaked(process, http, ssl.create_default_context(cafile=certificate))
