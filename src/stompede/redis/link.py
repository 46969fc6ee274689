"""A connection to a Redis server that stays: commands leave when they are written, answers come in order.

The client library of Redis wakes a task for each message of a subscription, 31 µs of CPU time where reading a whole
buffer takes 2 (260 bytes each). So what every publication passes is written here, on hiredis' parser; addresses,
fail-over and scripts are redis-py's.
"""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import Callable, Sequence
from typing import Any, Final, cast, final

import hiredis
import structlog
from redis.asyncio.sentinel import MasterNotFoundError
from redis.exceptions import RedisError

from stompede.redis.address import Kind, RedisAddress

log = structlog.get_logger("stompede.redis")
_CONNECT_TIMEOUT_S: Final = 5.0
_BACKOFF_S: Final = (0.05, 2.0)  # first and longest pause between attempts
_WRITE_HIGH_BYTES: Final = 1 << 20
_MOVED_CHECK_S: Final = 5.0  # how often Sentinels are asked whether the master is another one

Command = tuple[bytes | str, ...]
Answer = Any
"""What hiredis makes of a reply: bytes, int, None, a list of these, or a `hiredis.ReplyError`."""


@final
class _Wire(asyncio.Protocol):
    """The connection of the moment."""

    def __init__(self) -> None:
        self._reader = hiredis.Reader()
        self._transport: asyncio.Transport
        self.on_answer: Callable[[Answer], None]
        self.writable = False
        self.lost: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Those of aiofastnet, which a node's loop makes, are no `asyncio.Transport`.
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=_WRITE_HIGH_BYTES)
        self.writable = True

    def data_received(self, data: bytes) -> None:
        gets = self._reader.gets
        try:
            self._reader.feed(data)
            while (answer := gets()) is not False and not self.lost.done():
                self.on_answer(answer)
        except hiredis.ProtocolError as error:
            self.abort(error)

    def pause_writing(self) -> None:
        self.writable = False

    def resume_writing(self) -> None:
        self.writable = True

    def connection_lost(self, exc: Exception | None) -> None:
        self.abort(exc)

    def write(self, commands: Sequence[Command]) -> None:
        pack = cast(Callable[[Command], bytes], hiredis.pack_command)  # its stub asks for a tuple of one
        self._transport.write(b"".join([pack(command) for command in commands]))

    async def ask(self, command: Command) -> Answer:
        """One command and its answer, before anything else is written."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.on_answer = answer.set_result
        self.write([command])
        await asyncio.wait([answer, self.lost], return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            raise ConnectionError(str(self.lost.result() or "the server closed the connection"))
        return answer.result()

    def abort(self, reason: Exception | None = None) -> None:
        self.writable = False
        if not self.lost.done():
            self.lost.set_result(reason)
        self._transport.abort()


@final
class Link:
    """A connection that is made anew whenever it is lost, with pauses that grow.

    Args:
        address: one server, or Sentinels, which are asked for the master before each attempt and now and then.
        name: for the log and ``CLIENT LIST``.
        opened: called when a connection stands and has logged in, before anything else is written to it.
        answered: called with each answer and each message of a subscription.
        broken: called when the connection is lost, with the reason. Answers that are still due will not come.

    Attributes:
        connects: connections made so far.
    """

    def __init__(
        self,
        address: RedisAddress,
        name: str,
        *,
        opened: Callable[[], None],
        answered: Callable[[Answer], None],
        broken: Callable[[str], None],
    ) -> None:
        assert address.kind is not Kind.CLUSTER
        self._address = address
        self._name = name
        self._opened = opened
        self._answered = answered
        self._broken = broken
        self._sentinel = address.sentinel() if address.kind is Kind.SENTINEL else None
        self._tls = ssl.create_default_context() if address.tls else None
        self._at: tuple[str, int] | None = None
        self._wire: _Wire | None = None
        self._task: asyncio.Task[None] | None = None
        self.connects = 0

    @property
    def up(self) -> bool:
        """Whether a connection stands."""
        return self._wire is not None

    @property
    def writable(self) -> bool:
        """Whether a connection stands and its server reads what it is sent."""
        return self._wire is not None and self._wire.writable

    async def start(self) -> None:
        """Connects once, and keeps the connection from then on.

        Raises:
            OSError: there is no server, or it does not let us in; the text says which and why.
        """
        wire = await self._connect()
        self._task = asyncio.get_running_loop().create_task(self._keep(wire), name=f"stompede {self._name}")

    def write(self, commands: Sequence[Command]) -> None:
        """Sends commands, all in one write. Only while `up`."""
        assert self._wire is not None
        self._wire.write(commands)

    def reconnect(self, reason: str) -> None:
        """Gives the connection up and makes another."""
        if self._wire is not None:
            self._wire.abort(ConnectionError(reason))

    async def aclose(self) -> None:
        """Disconnects. Idempotent."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None
        if self._wire is not None:
            self._wire.abort()
            self._wire = None
        if self._sentinel is not None:
            for client in self._sentinel.sentinels:
                await client.aclose()

    async def _keep(self, wire: _Wire) -> None:
        while True:
            self._wire = wire
            self.connects += 1
            self._opened()
            reason = await self._until_lost(wire)
            self._wire = None
            log.warning("the connection to redis was lost", link=self._name, reason=reason)
            self._broken(reason)
            wire = await self._connect_again()
            log.info("redis is back", link=self._name)

    async def _until_lost(self, wire: _Wire) -> str:
        """Waits for the end of a connection, and ends it where Sentinels name another master."""
        while not wire.lost.done():
            await asyncio.wait([wire.lost], timeout=None if self._sentinel is None else _MOVED_CHECK_S)
            if not wire.lost.done():
                try:
                    moved = await self._find() != self._at
                except OSError:
                    continue  # nobody knows better than the connection that stands
                if moved:
                    wire.abort(ConnectionError("another server is the master now"))
        return str(wire.lost.result() or "the server closed the connection")

    async def _connect_again(self) -> _Wire:
        pause, longest = _BACKOFF_S
        while True:
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - spreads nodes, no secret
            try:
                return await self._connect()
            except OSError as error:
                log.debug("redis is away", link=self._name, reason=str(error))
            pause = min(pause * 2, longest)

    async def _connect(self) -> _Wire:
        try:
            async with asyncio.timeout(_CONNECT_TIMEOUT_S):
                return await self._connect_to(await self._find())
        except TimeoutError:
            raise ConnectionError(
                f"{self._address} does not answer within {_CONNECT_TIMEOUT_S:g} s"
            ) from None

    async def _find(self) -> tuple[str, int]:
        if self._sentinel is None:
            return self._address.hosts[0]
        try:
            host, port = await self._sentinel.discover_master(self._address.master)
        except (MasterNotFoundError, RedisError) as error:
            raise ConnectionError(
                f"{self._address}: no Sentinel names {self._address.master!r}: {error}"
            ) from None
        return str(host), int(port)

    async def _connect_to(self, at: tuple[str, int]) -> _Wire:
        host, port = at
        _, wire = await asyncio.get_running_loop().create_connection(_Wire, host, port, ssl=self._tls)
        try:
            for command in self._greeting():
                answer = await wire.ask(command)
                if isinstance(answer, Exception):
                    raise ConnectionError(f"{host}:{port} refused {command[0]!s}: {answer}")
        except BaseException:
            wire.abort()
            raise
        self._at = at
        wire.on_answer = self._answered
        return wire

    def _greeting(self) -> list[Command]:
        address = self._address
        commands: list[Command] = []
        if address.password is not None:
            user = () if address.username is None else (address.username,)
            commands.append(("AUTH", *user, address.password))
        commands.append(("CLIENT", "SETNAME", self._name))
        return commands
