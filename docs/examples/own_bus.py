"""A bus for several nodes of one process: what is announced is heard one turn of the loop later."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from stompede import BusError
from stompede.bus import BusStatistics

T = TypeVar("T")


class Exchange(Generic[T]):
    """What the nodes have in common; it stands where a server would."""

    def __init__(self) -> None:
        self.nodes: list[ExchangeBus[T]] = []

    def announce(self, channel: str, item: T, taken: asyncio.Future[None]) -> None:
        for node in list(self.nodes):
            node.hear(channel, item)
        if not taken.done():  # whoever waited may have been cancelled
            taken.set_result(None)


class ExchangeBus(Generic[T]):
    """The way of one node; the promises are those of `stompede.bus.Bus`."""

    def __init__(self, exchange: Exchange[T]) -> None:
        self._exchange = exchange
        self._deliver: Callable[[T], None] | None = None
        self._wanted: set[str] = set()
        self._prefixes: set[str] = set()
        self._published = self._delivered = self._failed = 0

    async def start(
        self, deliver: Callable[[T], None], interrupted: Callable[[], None] = lambda: None
    ) -> None:
        self._deliver = deliver
        self._exchange.nodes.append(self)

    def publish(self, channel: str, item: T) -> Awaitable[None] | None:
        if self._deliver is None:
            self._failed += 1
            raise BusError("the bus is not connected to its exchange")
        self._published += 1
        loop = asyncio.get_running_loop()
        taken = loop.create_future()
        loop.call_soon(self._exchange.announce, channel, item, taken)
        return taken

    def hear(self, channel: str, item: T) -> None:
        if self._deliver is not None and (
            channel in self._wanted or any(channel.startswith(prefix) for prefix in self._prefixes)
        ):
            self._delivered += 1
            self._deliver(item)

    def want(self, channel: str) -> Awaitable[None] | None:
        if self._deliver is None:
            raise BusError("the bus is not connected to its exchange")
        self._wanted.add(channel)
        return None  # heard from now on: nothing to wait for

    def unwant(self, channel: str) -> None:
        self._wanted.discard(channel)

    def want_prefix(self, prefix: str) -> Awaitable[None] | None:
        if self._deliver is None:
            raise BusError("the bus is not connected to its exchange")
        self._prefixes.add(prefix)
        return None

    def unwant_prefix(self, prefix: str) -> None:
        self._prefixes.discard(prefix)

    def statistics(self) -> BusStatistics:
        wanted = len(self._wanted) + len(self._prefixes)
        return BusStatistics(self._published, self._delivered, wanted, self._failed)

    async def aclose(self) -> None:
        if self._deliver is not None:
            self._deliver = None
            self._exchange.nodes.remove(self)
