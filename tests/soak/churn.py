"""Clients that come one after another at many places at once; what they do makes its choices from a number that a
failure names.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import random
import socket
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, NamedTuple

from websockets.exceptions import InvalidHandshake
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.frames import Frame, Opcode

from stompline import StompLine
from stompsocket import Closed, StompSocket, encode

Act = Callable[["Churn", random.Random], Awaitable[None]]
# How a connection may end for a client that is cut, closed or refused. To wait in vain is a failure.
ENDS = (Closed, EOFError, InvalidHandshake, ConnectionError, ssl.SSLError)
BODY = json.dumps({"text": "x" * 300})
FEWEST = 1000  # until the node has had as much at once as it will have: the warm-up of a machine that is busy
_questions = itertools.count()


class Doors(NamedTuple):
    """Where clients come in: straight, and through proxies that cut connections."""

    http: str
    websockets: tuple[str, ...]
    lines: tuple[str, ...]
    encrypted: tuple[str, ...]
    trust: ssl.SSLContext


class Churn:
    """Many clients, one after another at so many places at once.

    Args:
        doors: where they come in.
        tokens: of members; the first ones are operators, too.
        acts: what they do; each is dealt as often as it stands here, in rounds.
        seed: what chance begins with.

    Attributes:
        done: how often each act was played to its end, and how often it was cut short.
    """

    def __init__(self, doors: Doors, tokens: Sequence[str], acts: Sequence[Act], seed: int) -> None:
        self.doors = doors
        self.tokens = tokens
        self.done: Counter[str] = Counter()
        self._acts = acts
        self._deck: list[Act] = []
        self._seed = seed
        self._number = 0
        self._turns: Counter[str] = Counter()

    async def run(self, seconds: float, at_once: int) -> None:
        """Plays for so long, and at least `FEWEST` acts since the beginning; returns when everybody is gone."""
        end = asyncio.get_running_loop().time() + seconds
        async with asyncio.TaskGroup() as group:
            for _ in range(at_once):
                group.create_task(self._play_on(end))

    async def crowds(self, at_once: int) -> None:
        """Plays each act at so many places at once: more of what it needs than this the node will not hold later."""
        for act in dict.fromkeys(self._acts):
            async with asyncio.TaskGroup() as group:
                for _ in range(at_once):
                    group.create_task(self._play(act, self._chance()))

    async def _play_on(self, end: float) -> None:
        while self._number < FEWEST or asyncio.get_running_loop().time() < end:
            chance = self._chance()
            if not self._deck:
                self._deck = chance.sample(self._acts, len(self._acts))
            await self._play(self._deck.pop(), chance)

    async def _play(self, act: Act, chance: random.Random) -> None:
        try:
            await act(self, chance)
            self.done[act.__name__] += 1
        except ENDS:
            self.done[f"{act.__name__} cut short"] += 1

    def _chance(self) -> random.Random:
        self._number += 1
        return random.Random(self._seed * 1_000_003 + self._number)

    def turn(self, what: str, ways: int) -> int:
        """Which of several ways is next: each has its turn, however short the soak is."""
        self._turns[what] += 1
        return self._turns[what] % ways

    def offers(self, chance: random.Random) -> list[ClientPerMessageDeflateFactory]:
        """Compression, of some kind."""
        return [ClientPerMessageDeflateFactory(server_max_window_bits=chance.choice((None, 9, 12, 15)))]

    async def open(self, chance: random.Random, **options: Any) -> StompSocket:
        """A connection of some kind, perhaps one that will be cut."""
        kind = chance.random()
        if kind < 0.3:
            return await StompLine.dial(chance.choice(self.doors.lines), **options)
        if kind < 0.45:
            door = chance.choice(self.doors.encrypted)
            return await StompLine.dial(door, trust=self.doors.trust, **options)
        path = chance.choice(("/stomp", "/stomp/websocket"))
        if kind < 0.65:
            options["extensions"] = self.offers(chance)
        return await StompSocket.open(chance.choice(self.doors.websockets) + path, **options)

    @contextlib.asynccontextmanager
    async def session(
        self,
        chance: random.Random,
        *,
        member: bool = False,
        beats: str = "",
        leaves: bool = True,
        **options: Any,
    ) -> AsyncIterator[StompSocket]:
        """A session of a guest, of somebody who logs in, or of a member.

        Args:
            chance: decides.
            member: it must be no guest.
            beats: heart-beats; by chance without.
            leaves: it ends in one of many ways, after what it is there for.
            options: of the connection.
        """
        client = await self.open(chance, **options)
        login = {"login": f"name-{chance.randrange(20)}", "passcode": "x"}
        bearer = {"Authorization": f"Bearer {chance.choice(self.tokens)}"}
        headers = chance.choice((login, bearer) if member else ({}, login, bearer))
        beats = beats or chance.choice(("0,0", "10000,10000"))
        try:
            await client.connect({"heart-beat": beats, **headers})
            yield client
            if leaves:
                await leave(client, chance)
        finally:
            client.drop()


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
    elif way == 3 and isinstance(client, StompLine) and client.sock.fileno() >= 0:  # with RST
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")


async def message(client: StompSocket) -> None:
    """Waits for a message; an operator may end the session before."""
    frame = await client.frame_where(lambda frame: frame.command in ("MESSAGE", "ERROR"), "a message")
    if frame.command == "ERROR":
        assert frame.headers["disconnect-reason"] == "closed-by-server", frame
        raise Closed(None, frame.headers["disconnect-reason"])


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


async def settled(client: StompSocket) -> None:
    """Waits until all that was sent is handled."""
    await client.request("SEND", {"destination": "/topic/plain"}, BODY)


async def send_parts(client: StompSocket, data: bytes, chance: random.Random) -> None:
    """One message in several WebSocket frames, with a ping among them; compressed where that was agreed on."""
    if isinstance(client, StompLine):
        await client.send_bytes(data)
        return
    cuts = sorted(chance.sample(range(1, len(data)), 2))
    parts = [data[: cuts[0]], data[cuts[0] : cuts[1]], data[cuts[1] :]]
    for number, part in enumerate(parts):
        frame = Frame(Opcode.CONT if number else Opcode.TEXT, part, fin=number == 2)
        await client.send_bytes(frame.serialize(mask=True, extensions=client.protocol.extensions))
        if number == 1:
            await client.send_ws(b"?", opcode=Opcode.PING)
