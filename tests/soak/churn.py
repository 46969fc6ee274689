"""Clients that come, work, and go in every bad way; each makes its choices from a number that a failure names."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import random
import socket
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from websockets.exceptions import InvalidHandshake
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

from sockjsclient import SockJsStomp, fetch
from stompline import StompLine
from stompsocket import Closed, StompSocket, encode

Act = Callable[["Churn", random.Random], Awaitable[None]]
# How a connection may end for a client that is cut, closed or refused. To wait in vain is a failure.
ENDS = (Closed, EOFError, InvalidHandshake, ConnectionError)
TOPICS = (
    "/topic/past/a",
    "/topic/past/b",
    "/topic/past/c",
    "/topic/rooms/1",
    "/topic/rooms/2",
    "/topic/plain",
)
WILDCARDS = ("/topic/past/*", "/topic/#", "/topic/rooms/>", "/topic/members/*")
QUEUES = ("/queue/jobs/a", "/queue/jobs/b", "/queue/short/a")
HANDLERS = ("/app/echo", "/app/slow", "/app/blocking", "/app/fail", "/app/rooms/1/say", "/app/jobs/a")
ACKS = ("auto", "client", "client-individual")
_questions = itertools.count()
BODY = json.dumps({"text": "x" * 300})


class Doors(NamedTuple):
    """Where clients come in: straight, and through proxies that cut connections."""

    http: str
    websockets: tuple[str, ...]
    lines: tuple[str, ...]


class Churn:
    """Many clients, one after another at so many places at once.

    Args:
        doors: where they come in.
        tokens: of members.
        seed: what chance begins with.

    Attributes:
        done: how often each act was played to its end, and how often it was cut short.
    """

    def __init__(self, doors: Doors, tokens: list[str], seed: int) -> None:
        self.doors = doors
        self.tokens = tokens
        self.done: Counter[str] = Counter()
        self._seed = seed
        self._number = 0

    async def run(self, seconds: float, at_once: int) -> None:
        """Plays for so long; returns when everybody is gone."""
        end = asyncio.get_running_loop().time() + seconds
        async with asyncio.TaskGroup() as group:
            for _ in range(at_once):
                group.create_task(self._play(end))

    async def _play(self, end: float) -> None:
        while asyncio.get_running_loop().time() < end:
            self._number += 1
            chance = random.Random(self._seed * 1_000_003 + self._number)
            act = chance.choice(ACTS)
            try:
                await act(self, chance)
                self.done[act.__name__] += 1
            except ENDS:
                self.done[f"{act.__name__} cut short"] += 1

    async def open(self, chance: random.Random, **options: Any) -> StompSocket:
        """A connection of some kind, perhaps one that will be cut."""
        if chance.random() < 0.4:
            return await StompLine.dial(chance.choice(self.doors.lines), **options)
        path = chance.choice(("/stomp", "/stomp/websocket"))
        if chance.random() < 0.3:
            options["extensions"] = [ClientPerMessageDeflateFactory()]
        return await StompSocket.open(chance.choice(self.doors.websockets) + path, **options)

    @contextlib.asynccontextmanager
    async def session(self, chance: random.Random, **options: Any) -> Any:
        """A session of a guest, of somebody who logs in, or of a member; it ends in one of many ways."""
        client = await self.open(chance, **options)
        headers = chance.choice(
            (
                {},
                {"login": f"name-{chance.randrange(20)}", "passcode": "x"},
                {"Authorization": f"Bearer {chance.choice(self.tokens)}"},
            )
        )
        try:
            await client.connect({"heart-beat": chance.choice(("0,0", "10000,10000")), **headers})
            yield client
            await leave(client, chance)
        finally:
            client.drop()


async def message(client: StompSocket) -> None:
    """Waits for a message; an operator may end the session before."""
    frame = await client.frame_where(lambda frame: frame.command in ("MESSAGE", "ERROR"), "a message")
    if frame.command == "ERROR":
        assert frame.headers["disconnect-reason"] == "closed-by-server", frame
        raise Closed(None, frame.headers["disconnect-reason"])


async def leave(client: StompSocket, chance: random.Random) -> None:
    """Says good-bye, or does not; the connection is dropped behind it."""
    way = chance.randrange(5)
    if way == 0:
        await client.request("DISCONNECT")
    elif way == 1:
        await client.send("DISCONNECT")
    elif way == 2:  # within a frame
        data = encode("SEND", {"destination": "/queue/jobs/a", "content-length": 5000}, b"x" * 5000)
        await client.send_bytes(data[: chance.randrange(1, len(data))])
    elif way == 3 and isinstance(client, StompLine):  # with RST
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")


async def talk(churn: Churn, chance: random.Random) -> None:
    """Topics, wildcards, handlers, soft errors."""
    async with churn.session(chance) as client:
        await client.errors()
        await client.replies()
        for number, destination in enumerate((chance.choice(TOPICS), chance.choice(WILDCARDS), "/app/once")):
            await client.send(
                "SUBSCRIBE", {"id": number, "destination": destination, "ack": chance.choice(ACKS)}
            )
        for _ in range(chance.randrange(1, 20)):
            await client.send("SEND", {"destination": chance.choice(TOPICS + HANDLERS)}, BODY)
        await client.request("SEND", {"destination": "/app/slow"}, BODY)
        if chance.random() < 0.5:
            await client.request("UNSUBSCRIBE", {"id": 0})


async def attend(churn: Churn, chance: random.Random) -> None:
    """Presence: somebody is in a room, and looks who else is."""
    room = chance.randrange(1, 5)
    async with churn.session(chance) as client:
        await client.subscribe(f"/topic/presence/rooms/{room}", "who")
        await client.subscribe(f"/topic/rooms/{room}", "room")
        await message(client)


async def produce(churn: Churn, chance: random.Random) -> None:
    """Work for others; and a question whose answer comes into a temporary queue."""
    async with churn.session(chance) as client:
        for _ in range(chance.randrange(1, 30)):
            await client.send("SEND", {"destination": chance.choice(QUEUES)}, BODY)
        if chance.random() < 0.5:
            await client.subscribe("/temp-queue/answers", "answers")
            await client.send("SEND", {"destination": "/app/asked", "reply-to": "/temp-queue/answers"}, BODY)
            await message(client)
        await client.request("SEND", {"destination": "/topic/plain"}, BODY)


async def consume(churn: Churn, chance: random.Random) -> None:
    """Takes work, settles some of it, and leaves in the middle of the rest."""
    mode = chance.choice(ACKS)
    async with churn.session(chance) as client:
        await client.errors()
        await client.subscribe(
            chance.choice(QUEUES), "work", ack=mode, **{"prefetch-count": chance.randrange(1, 20)}
        )
        await client.send("SEND", {"destination": "/queue/jobs/a"}, BODY)
        for _ in range(chance.randrange(20)):
            frame = await soon(client)
            if frame is None:
                break
            if mode != "auto" and chance.random() < 0.8:
                await client.send(chance.choice(("ACK", "ACK", "NACK")), {"id": frame.headers["ack"]})
        if chance.random() < 0.3:
            await client.send("UNSUBSCRIBE", {"id": "work"})
            await client.request("SEND", {"destination": "/topic/plain"}, BODY)


async def transact(churn: Churn, chance: random.Random) -> None:
    """Transactions: committed, aborted, spoilt, left open."""
    async with churn.session(chance) as client:
        await client.errors()
        await client.subscribe("/queue/jobs/b", "work", ack="client-individual")
        await client.send("SEND", {"destination": "/queue/jobs/b"}, BODY)
        for number in range(chance.randrange(1, 5)):
            name = {"transaction": f"t{number}"}
            await client.send("BEGIN", name)
            for _ in range(chance.randrange(5)):
                await client.send("SEND", {"destination": chance.choice(QUEUES + TOPICS), **name}, BODY)
            frame = await soon(client)
            if frame is not None:
                await client.send(chance.choice(("ACK", "NACK")), {"id": frame.headers["ack"], **name})
            if chance.random() < 0.1:
                await client.send("SEND", {"destination": "/app/echo", **name}, BODY)
            if chance.random() < 0.8:
                await client.send(chance.choice(("COMMIT", "ABORT")), name)
        await client.request("SEND", {"destination": "/topic/plain"}, BODY)


async def soon(client: StompSocket) -> Any:
    """A message of a queue, if one comes before the answer to a question that is asked now."""
    asked = f"soon-{next(_questions)}"
    await client.send("SEND", {"destination": "/topic/nobody-listens", "receipt": asked})
    frame = await client.frame_where(
        lambda frame: (
            (frame.command == "MESSAGE" and "ack" in frame.headers)
            or frame.headers.get("receipt-id") == asked
        ),
        "a message or a receipt",
    )
    return frame if frame.command == "MESSAGE" else None


async def recover(churn: Churn, chance: random.Random) -> None:
    """Comes, goes, and asks for what it missed."""
    destination = chance.choice(TOPICS[:3])
    async with churn.session(chance) as client:
        receipt = await client.request("SUBSCRIBE", {"id": 1, "destination": destination})
        position = receipt.headers.get("position", "nonsense")
    await fetch(f"{churn.doors.http}/health/live")
    async with churn.session(chance) as client:
        asks = chance.choice(({"recover-from": position}, {"recover-from": "k3f9-1"}, {"history-last": 30}))
        await client.request("SUBSCRIBE", {"id": 1, "destination": destination, **asks})
        await client.request("SEND", {"destination": destination}, BODY)
        await message(client)


async def dawdle(churn: Churn, chance: random.Random) -> None:
    """Reads nothing while much comes for it; what is said of its destination happens."""
    destination = f"/topic/flood/{chance.choice(('cut', 'newest', 'some'))}"
    async with churn.session(chance, receive_buffer=4096) as client:
        await client.subscribe(destination)
        async with churn.session(chance) as flood:
            for _ in range(chance.randrange(5, 60)):
                await flood.send("SEND", {"destination": destination}, b"x" * 60_000)
            await flood.request("SEND", {"destination": "/topic/plain"}, BODY)


async def vanish(churn: Churn, chance: random.Random) -> None:
    """A SockJS session by polling or streaming whose client is never heard of again, or closes in order."""
    kind = chance.choice(("xhr", "xhr_streaming", "eventsource"))
    client = SockJsStomp(f"{churn.doors.http}/stomp", kind)
    try:
        await client.open()
        if chance.random() < 0.1:
            return
        await client.connect()
        await client.subscribe("/topic/plain")
        await client.send("SUBSCRIBE", {"id": 1, "destination": "/queue/jobs/a", "ack": "client"})
        await client.send("BEGIN", {"transaction": "t"})
        await client.request("SEND", {"destination": "/queue/jobs/b"}, BODY)
        if chance.random() < 0.3:
            await client.send("DISCONNECT")
            await client.receive()
    except AssertionError:
        if client.closed is None:
            raise
        raise Closed(*client.closed) from None  # it asked too late, and began another session by that
    finally:
        client.drop()


async def wrap(churn: Churn, chance: random.Random) -> None:
    """A SockJS session over WebSocket, whose client says much at once and goes, or closes in order."""
    url = f"{chance.choice(churn.doors.websockets)}/stomp/000/framed-{next(_questions)}/websocket"
    frames = [
        ("CONNECT", {"accept-version": "1.2", "host": "x"}, ""),
        ("SUBSCRIBE", {"id": 1, "destination": "/topic/plain"}, ""),
        ("SUBSCRIBE", {"id": 2, "destination": "/queue/jobs/b", "ack": "client"}, ""),
        ("BEGIN", {"transaction": "t"}, ""),
        ("SEND", {"destination": "/topic/plain"}, BODY),
    ]
    stays = chance.random() < 0.5
    async with await StompSocket.open(url) as client:
        if stays:
            frames.append(("DISCONNECT", {}, ""))
        await client.send_ws(json.dumps([encode(*each).decode() for each in frames]).encode())
        if stays:
            await client.closed()


async def knock(churn: Churn, chance: random.Random) -> None:
    """Part of a handshake, or a handshake and no CONNECT, or a CONNECT that is refused."""
    way = chance.randrange(4)
    if way == 0:
        url = chance.choice((churn.doors.http, churn.doors.lines[0]))
        host, port = url.partition("://")[2].split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        request = b"GET /stomp HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
        writer.write(request[: chance.randrange(len(request))])
        await writer.drain()
        writer.transport.abort()
        return
    async with await churn.open(chance) as client:
        if way == 1:
            await client.send(
                "CONNECT", {"accept-version": "1.2", "host": "x", "Authorization": "Bearer x.y.z"}
            )
            await client.error()
        elif way == 2:
            await client.connect()
            await client.send("NONSENSE")
            await client.error()


async def throw_out(churn: Churn, chance: random.Random) -> None:
    """An operator ends all sessions of a member."""
    headers = {"Authorization": f"Bearer {churn.tokens[0]}"}
    answer = await fetch(
        f"{churn.doors.http}/api/v1/users/name-{chance.randrange(20)}/sessions", "DELETE", headers=headers
    )
    assert answer.status == 200, answer


ACTS: tuple[Act, ...] = (
    talk, talk, talk, attend, attend, produce, produce, consume, consume, consume, transact, transact, recover, recover,
    dawdle, vanish, vanish, wrap, knock, throw_out,
)  # fmt: skip
