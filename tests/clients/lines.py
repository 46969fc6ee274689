"""Drives a client in another language: a program that reads one command in a line and answers with one line.

Words are parted by tabs, bodies are base64. The commands: ``open MILLISECONDS`` (between heart-beats, 0 for none),
``send DESTINATION BODY TYPE TRANSACTION``, ``flush DESTINATION`` (a SEND whose RECEIPT is awaited), ``subscribe
DESTINATION ID ACK``, ``unsubscribe DESTINATION ID``, ``receive MILLISECONDS``, ``nack HANDLE``, ``ack HANDLE
[TRANSACTION]``, ``begin ID``, ``commit ID``, ``abort ID``, ``alive``, ``close``. The answers: ``ok``, ``message
SUBSCRIPTION BODY HANDLE REDELIVERED``, ``none``, ``unsupported REASON``, ``error REASON``. A program has one
connection at a time; ``python lines.py NAME TRANSPORT URL PROGRAM...`` is a probe.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from base64 import b64decode, b64encode
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from uuid import uuid4

from checks import MEGABYTE, PATIENCE_S, Message, Transaction, Unsupported, run

IDLE: list[asyncio.subprocess.Process] = []
"""Programs without a connection; some take long to start."""
NAME, TRANSPORT, URL, *PROGRAM = sys.argv[1:]


@dataclass
class Lines:
    """A session that lives in another program."""

    process: asyncio.subprocess.Process
    _puts: dict[str, Callable[[Message], None]] = field(default_factory=dict)
    _subscriptions: dict[str, str] = field(default_factory=dict)

    @classmethod
    async def connect(cls, beat_ms: int) -> Lines:
        process = IDLE.pop() if IDLE else await asyncio.create_subprocess_exec(
            *PROGRAM, URL, stdin=subprocess.PIPE, stdout=subprocess.PIPE, limit=4 * MEGABYTE
        )  # fmt: skip
        session = cls(process)
        await session.ask("open", str(beat_ms))
        return session

    async def ask(self, *words: str) -> list[str]:
        """Writes a command, reads the answer."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(("\t".join(words) + "\n").encode())
        line = await asyncio.wait_for(self.process.stdout.readline(), PATIENCE_S)
        answer = line.decode().rstrip("\n").split("\t")
        if answer[0] == "unsupported":
            raise Unsupported(answer[1])
        assert answer[0] in {"ok", "message", "none"}, f"{words[0]}: {answer}"
        return answer

    async def send(self, destination: str, body: bytes, content_type: str, transaction: str = "") -> None:
        await self.ask("send", destination, b64encode(body).decode(), content_type, transaction)

    async def flush(self) -> None:
        await self.ask("flush", f"/topic/{uuid4()}")

    async def subscribe(self, destination: str, put: Callable[[Message], None], ack: str) -> str:
        subscription = str(uuid4())
        self._puts[subscription] = put
        self._subscriptions[subscription] = destination
        await self.ask("subscribe", destination, subscription, ack)
        return subscription

    async def unsubscribe(self, subscription: str) -> None:
        await self.ask("unsubscribe", self._subscriptions.pop(subscription), subscription)

    async def pull(self) -> None:
        answer = await self.ask("receive", "100")
        if answer[0] == "none":
            return
        _, subscription, body, handle, redelivered = answer

        def answering(command: str) -> Callable[..., Awaitable[None]]:
            async def answer(*transaction: str) -> None:
                await self.ask(command, handle, *transaction)

            return answer

        headers = {"redelivered": redelivered}
        self._puts[subscription](Message(b64decode(body), headers, answering("ack"), answering("nack")))

    async def begin(self) -> Transaction:
        return LinesTransaction(self, await self._begun())

    async def _begun(self) -> str:
        transaction = str(uuid4())
        await self.ask("begin", transaction)
        return transaction

    async def close(self) -> None:
        """Leaves the subscriptions first: not every client can wait until its DISCONNECT was handled."""
        for subscription in list(self._subscriptions):
            await self.unsubscribe(subscription)
        await self.flush()
        await self.ask("close")
        IDLE.append(self.process)

    async def alive(self) -> bool:
        return await self.ask("alive") == ["ok"]


@dataclass
class LinesTransaction:
    session: Lines
    id: str

    async def send(self, destination: str, body: bytes) -> None:
        await self.session.send(destination, body, "text/plain", self.id)

    async def commit(self) -> None:
        await self.session.ask("commit", self.id)

    async def abort(self) -> None:
        await self.session.ask("abort", self.id)


if __name__ == "__main__":
    version = subprocess.run([*PROGRAM, "version"], capture_output=True, text=True, check=True).stdout.strip()
    run(NAME, version, TRANSPORT, Lines.connect)
