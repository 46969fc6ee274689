"""What every client is asked to do, and how it is told that it could: one JSON object on standard output.

A client is an adapter that follows `Session`. What it cannot do, it raises as `Unsupported` with the reason.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable
from uuid import uuid4

PATIENCE_S = float(os.environ.get("PATIENCE_MS", "10000")) / 1000
BEAT_MS = 300
ORDERED = int(os.environ.get("ORDERED", "10000"))
MEGABYTE = 1024 * 1024
NOT_UTF8 = bytes(range(256)) * 2


class Unsupported(Exception):  # noqa: N818 - an outcome, not an error
    """The client cannot do this; says why."""


@dataclass
class Message:
    """A MESSAGE, however the client shows it."""

    body: bytes
    headers: dict[str, str]
    ack: Callable[..., Awaitable[None]]
    """Takes the id of a transaction, too."""
    nack: Callable[[], Awaitable[None]]

    @property
    def text(self) -> str:
        return self.body.decode()


class Transaction(Protocol):
    @property
    def id(self) -> str: ...
    async def send(self, destination: str, body: bytes) -> None: ...
    async def commit(self) -> None: ...
    async def abort(self) -> None: ...


class Session(Protocol):
    """One connection of a client."""

    async def send(self, destination: str, body: bytes, content_type: str) -> None: ...
    async def flush(self) -> None:
        """A SEND with a receipt; returns when that has come."""

    async def subscribe(self, destination: str, put: Callable[[Message], None], ack: str) -> Any: ...
    async def unsubscribe(self, subscription: Any) -> None: ...
    async def begin(self) -> Transaction: ...
    async def close(self) -> None: ...
    async def alive(self) -> bool:
        """This connection is still open; where the client tells of the server's heart-beats, some have come."""


@runtime_checkable
class Pulled(Protocol):
    """A client whose messages come only when it is asked."""

    async def pull(self) -> None:
        """Waits a little for a message, and puts it where its subscription wants it."""


Connect = Callable[[int], Awaitable[Session]]


@dataclass
class Inbox:
    """What a subscription got, in order."""

    session: Session
    messages: asyncio.Queue[Message] = field(default_factory=asyncio.Queue)

    async def next(self) -> Message:
        try:
            async with asyncio.timeout(PATIENCE_S):
                while isinstance(self.session, Pulled) and self.messages.empty():
                    await self.session.pull()
                return await self.messages.get()
        except TimeoutError:
            raise AssertionError("a message did not come") from None

    async def take(self, count: int) -> list[Message]:
        return [await self.next() for _ in range(count)]


def same(got: object, expected: object, what: str) -> None:
    assert got == expected, f"{what}: {got!r} instead of {expected!r}"


def texts(messages: list[Message]) -> list[str]:
    return [message.text for message in messages]


async def subscribe(session: Session, destination: str, ack: str = "auto") -> tuple[Inbox, Any]:
    inbox = Inbox(session)
    subscription = await session.subscribe(destination, inbox.messages.put_nowait, ack)
    await session.flush()
    return inbox, subscription


async def send(session: Session, destination: str, text: str) -> None:
    await session.send(destination, text.encode(), "text/plain")


async def echo(session: Session, body: bytes, content_type: str) -> None:
    destination = f"/topic/{uuid4()}"
    inbox, subscription = await subscribe(session, destination)
    await session.send(destination, body, content_type)
    assert (await inbox.next()).body == body, "another body came back"
    await session.unsubscribe(subscription)


async def left_over(
    session: Session, connect: Connect, mode: str, act: Callable[[list[Message], Session], Awaitable[None]]
) -> list[str]:
    """Three messages come in one ack mode; after `act` the next consumer gets what is left."""
    destination = f"/queue/{uuid4()}"
    first = await connect(0)
    inbox, subscription = await subscribe(first, destination, mode)
    for text in "123":
        await send(session, destination, text)
    messages = await inbox.take(3)
    same(texts(messages), ["1", "2", "3"], "order")
    await act(messages, first)
    await first.flush()
    await first.close()
    await send(session, destination, "end")
    second, subscription = await subscribe(session, destination)
    left = []
    while (text := (await second.next()).text) != "end":
        left.append(text)
    await session.unsubscribe(subscription)
    return left


async def subscribe_send(session: Session, connect: Connect) -> None:
    await echo(session, "Grüße, 안녕".encode(), "text/plain")


async def receipts(session: Session, connect: Connect) -> None:
    await session.flush()


async def ack_auto(session: Session, connect: Connect) -> None:
    async def nothing(messages: list[Message], first: Session) -> None: ...

    same(await left_over(session, connect, "auto", nothing), [], "what was left")


async def ack_client(session: Session, connect: Connect) -> None:
    left = await left_over(session, connect, "client", lambda messages, _: messages[1].ack())
    same(left, ["3"], "what was left")


async def ack_client_individual(session: Session, connect: Connect) -> None:
    left = await left_over(session, connect, "client-individual", lambda messages, _: messages[1].ack())
    same(left, ["1", "3"], "what was left")


async def nack(session: Session, connect: Connect) -> None:
    destination = f"/queue/{uuid4()}"
    inbox, subscription = await subscribe(session, destination, "client-individual")
    await send(session, destination, "again")
    await (await inbox.next()).nack()
    message = await inbox.next()
    same((message.text, message.headers.get("redelivered")), ("again", "true"), "the second delivery")
    await message.ack()
    await session.flush()
    await session.unsubscribe(subscription)


async def commit(session: Session, connect: Connect) -> None:
    destination = f"/topic/{uuid4()}"
    inbox, subscription = await subscribe(session, destination)
    transaction = await session.begin()
    await transaction.send(destination, b"inside 1")
    await transaction.send(destination, b"inside 2")
    await send(session, destination, "outside")
    same((await inbox.next()).text, "outside", "before COMMIT")
    await transaction.commit()
    same(texts(await inbox.take(2)), ["inside 1", "inside 2"], "after COMMIT")
    await session.unsubscribe(subscription)


async def abort(session: Session, connect: Connect) -> None:
    destination = f"/topic/{uuid4()}"
    inbox, subscription = await subscribe(session, destination)
    transaction = await session.begin()
    await transaction.send(destination, b"inside")
    await transaction.abort()
    await send(session, destination, "outside")
    same((await inbox.next()).text, "outside", "after ABORT")
    await session.unsubscribe(subscription)


async def ack_in_transaction(session: Session, connect: Connect) -> None:
    async def act(messages: list[Message], first: Session) -> None:
        kept = await first.begin()
        await messages[0].ack(kept.id)
        await kept.commit()
        forgotten = await first.begin()
        await messages[1].ack(forgotten.id)
        await forgotten.abort()

    same(await left_over(session, connect, "client-individual", act), ["2", "3"], "what was left")


async def heart_beats(session: Session, connect: Connect) -> None:
    beating = await connect(BEAT_MS)
    await asyncio.sleep(7 * BEAT_MS / 1000)
    assert await beating.alive(), "the connection was given up"
    await beating.flush()
    await beating.close()


async def text_1mb(session: Session, connect: Connect) -> None:
    await echo(session, ("é" * (MEGABYTE // 2)).encode(), "text/plain")


async def binary_1mb(session: Session, connect: Connect) -> None:
    body = bytes((at * 31 + (at >> 8)) & 255 for at in range(MEGABYTE))
    await echo(session, body, "application/octet-stream")


async def not_utf8(session: Session, connect: Connect) -> None:
    await echo(session, NOT_UTF8, "application/octet-stream")


async def order_10000(session: Session, connect: Connect) -> None:
    destination = f"/topic/{uuid4()}"
    inbox, subscription = await subscribe(session, destination)
    for turn in range(ORDERED // 100):
        expected = [f"number {turn * 100 + at}" for at in range(100)]
        for text in expected:
            await send(session, destination, text)
        same(texts(await inbox.take(100)), expected, "order")
    await session.unsubscribe(subscription)
    if ORDERED < 10_000:
        raise Unsupported(f"makes a request for each message; the order of {ORDERED:,} was kept")


CHECKS = (
    subscribe_send, receipts, ack_auto, ack_client, ack_client_individual, nack, commit, abort,
    ack_in_transaction, heart_beats, text_1mb, binary_1mb, not_utf8, order_10000,
)  # fmt: skip


async def outcome(check: Callable[[], Awaitable[None]]) -> str:
    try:
        await check()
    except Unsupported as reason:
        return f"unsupported: {reason}"
    except BaseException as error:
        return f"failed: {error!r}"
    return "ok"


async def all_checks(connect: Connect) -> dict[str, str]:
    async def only_connect() -> None:
        await (await connect(0)).close()

    checks = {"connect": await outcome(only_connect)}
    for check in CHECKS:

        async def on_its_own(check: Callable[[Session, Connect], Awaitable[None]] = check) -> None:
            session = await connect(0)
            await check(session, connect)
            await session.close()

        checks[check.__name__] = await outcome(on_its_own)
    return checks


def run(client: str, version: str, transport: str, connect: Connect) -> None:
    """Runs every check on a connection of its own, prints the object, and ends the process."""
    checks = asyncio.run(all_checks(connect))
    result = {"client": client, "version": version, "transport": transport, "checks": checks}
    sys.stdout.write(json.dumps(result) + "\n")
    sys.stdout.flush()
    os._exit(0)  # threads of a client may still wait for something
