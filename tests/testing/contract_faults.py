"""Buses and routing tables with one fault each, for the suites to find, and one of each kind without a fault."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Awaitable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from stompede.errors import BusError, LimitError
from stompede.registry import MemoryRoutingTable, RoutingStatistics

sys.path.append(str(Path(__file__).parents[2] / "docs" / "examples"))

from own_bus import Exchange, ExchangeBus


class LateBus(ExchangeBus[Any]):
    """No fault: every wish has to be waited for, and comes true a few turns of the loop later."""

    def __init__(self, exchange: Exchange[Any]) -> None:
        super().__init__(exchange)
        self._live: set[str] = set()

    async def _listen(self, channel: str, ready: asyncio.Future[None]) -> None:
        for _ in range(5):
            await asyncio.sleep(0)
        self._live |= {channel} & self._wanted
        if not ready.done():
            ready.set_result(None)

    def want(self, channel: str) -> Awaitable[None] | None:
        super().want(channel)
        ready = asyncio.get_running_loop().create_future()
        self.listening = asyncio.create_task(self._listen(channel, ready))
        return ready

    async def _listen_to_prefix(self, prefix: str, ready: asyncio.Future[None]) -> None:
        await asyncio.sleep(0)
        super().want_prefix(prefix)
        if not ready.done():
            ready.set_result(None)

    def want_prefix(self, prefix: str) -> Awaitable[None] | None:
        if self._deliver is None:
            return super().want_prefix(prefix)
        ready = asyncio.get_running_loop().create_future()
        self.listening_to_prefix = asyncio.create_task(self._listen_to_prefix(prefix, ready))
        return ready

    def hear(self, channel: str, item: Any) -> None:
        if channel in self._live or channel not in self._wanted:
            super().hear(channel, item)


class TwiceBus(ExchangeBus[Any]):
    """Delivers twice."""

    def hear(self, channel: str, item: Any) -> None:
        super().hear(channel, item)
        super().hear(channel, item)


class AwaitedBus(ExchangeBus[Any]):
    """Takes an item only when somebody awaits."""

    def publish(self, channel: str, item: Any) -> Awaitable[None] | None:
        async def later() -> None:
            taken = super(AwaitedBus, self).publish(channel, item)
            assert taken is not None
            await taken

        return later()


class ThreadBus(ExchangeBus[Any]):
    """Delivers on a thread of its own."""

    def hear(self, channel: str, item: Any) -> None:
        thread = threading.Thread(target=super().hear, args=(channel, item))
        thread.start()
        thread.join()


class HalfLiveBus(LateBus):
    """Whoever wants what is being wanted is told that it is there already."""

    def want(self, channel: str) -> Awaitable[None] | None:
        return None if channel in self._wanted else super().want(channel)


class CountingBus(ExchangeBus[Any]):
    """Counts wishes: one `unwant` does not end two."""

    unwanted = 0

    def unwant(self, channel: str) -> None:
        self.unwanted += 1
        if self.unwanted > 1:
            super().unwant(channel)


class ForgetfulBus(ExchangeBus[Any]):
    """The end of one wish is the end of all."""

    def unwant(self, channel: str) -> None:
        self._wanted.clear()


class GlobBus(ExchangeBus[Any]):
    """Takes a prefix for a pattern."""

    def hear(self, channel: str, item: Any) -> None:
        if channel in self._wanted or any(fnmatchcase(channel, f"{prefix}*") for prefix in self._prefixes):
            super().hear(channel, item)


class OnceForEachWishBus(ExchangeBus[Any]):
    """Delivers an item for every wish that it serves, as Redis does."""

    def hear(self, channel: str, item: Any) -> None:
        wishes = [channel in self._wanted, *(channel.startswith(prefix) for prefix in self._prefixes)]
        for _ in range(sum(wishes)):
            super().hear(channel, item)


class EntangledBus(ExchangeBus[Any]):
    """The end of a wish for a prefix ends the one for the channel of that name, too."""

    def unwant_prefix(self, prefix: str) -> None:
        super().unwant_prefix(prefix)
        self.unwant(prefix)


class PickyBus(ExchangeBus[Any]):
    """Knows channels with a slash alone."""

    def hear(self, channel: str, item: Any) -> None:
        if channel.startswith("/"):
            super().hear(channel, item)


class SilentBus(ExchangeBus[Any]):
    """Refuses nothing: what it cannot take is lost."""

    def publish(self, channel: str, item: Any) -> Awaitable[None] | None:
        try:
            return super().publish(channel, item)
        except BusError:
            return None


class LingeringBus(ExchangeBus[Any]):
    """Goes on listening after its end."""

    async def aclose(self) -> None: ...


class HangingBus(ExchangeBus[Any]):
    """Its end leaves those who wait where they are."""

    def publish(self, channel: str, item: Any) -> Awaitable[None] | None:
        taken = super().publish(channel, item)
        hangs = asyncio.get_running_loop().create_future()
        assert isinstance(taken, asyncio.Future)
        taken.add_done_callback(
            lambda _: None if self._deliver is None or hangs.done() else hangs.set_result(None)
        )
        return hangs


class SelfishBus(ExchangeBus[Any]):
    """Brings a node its own items alone."""

    def publish(self, channel: str, item: Any) -> Awaitable[None] | None:
        taken = super().publish(channel, None)
        self.hear(channel, item)
        return taken


class EarlyBus(ExchangeBus[Any]):
    """Brings a node its own items before everybody else's."""

    own: tuple[Any, ...] = ()

    def publish(self, channel: str, item: Any) -> Awaitable[None] | None:
        self.hear(channel, item)
        self.own = (*self.own, item)
        return super().publish(channel, item)

    def hear(self, channel: str, item: Any) -> None:
        if item not in self.own:
            super().hear(channel, item)


class NodeTable:
    """No fault: one node's way to a table that several have in common."""

    def __init__(self, table: MemoryRoutingTable) -> None:
        self.table = table
        self._entered = self._refused = self._lost = 0

    async def enter(self, key: str, node_url: str, *, ttl_s: float, now: float) -> None:
        try:
            await self.table.enter(key, node_url, ttl_s=ttl_s, now=now)
        except LimitError:
            self._refused += 1
            raise
        self._entered += 1

    async def enter_if(
        self, key: str, expected: str | None, node_url: str, *, ttl_s: float, now: float
    ) -> bool:
        try:
            done = await self.table.enter_if(key, expected, node_url, ttl_s=ttl_s, now=now)
        except LimitError:
            self._refused += 1
            raise
        self._entered += done
        self._lost += not done
        return done

    async def get(self, key: str, *, now: float) -> str | None:
        return await self.table.get(key, now=now)

    async def leave(self, key: str, *, now: float) -> bool:
        return await self.table.leave(key, now=now)

    async def leave_if(self, key: str, expected: str, *, now: float) -> bool:
        done = await self.table.leave_if(key, expected, now=now)
        self._lost += not done
        return done

    def statistics(self) -> RoutingStatistics:
        return RoutingStatistics(self.table.statistics().entries, self._entered, self._refused, self._lost)


class RacyTable(NodeTable):
    """Looks, and sets a turn of the loop later."""

    async def enter_if(
        self, key: str, expected: str | None, node_url: str, *, ttl_s: float, now: float
    ) -> bool:
        if await self.get(key, now=now) != expected:
            return False
        await asyncio.sleep(0)
        await self.enter(key, node_url, ttl_s=ttl_s, now=now)
        return True


class EternalTable(NodeTable):
    """Its entries never end."""

    async def enter(self, key: str, node_url: str, *, ttl_s: float, now: float) -> None:
        await super().enter(key, node_url, ttl_s=1e9, now=now)


class TouchingTable(NodeTable):
    """To ask for an entry keeps it alive."""

    async def get(self, key: str, *, now: float) -> str | None:
        url = await super().get(key, now=now)
        if url is not None:
            await self.table.enter(key, url, ttl_s=2, now=now)
        return url


class EvictingTable(NodeTable):
    """Makes room by dropping somebody else's entry."""

    async def enter(self, key: str, node_url: str, *, ttl_s: float, now: float) -> None:
        try:
            await super().enter(key, node_url, ttl_s=ttl_s, now=now)
        except LimitError:
            await self.leave("rider:1", now=now)
            await super().enter(key, node_url, ttl_s=ttl_s, now=now)


class GreedyTable(NodeTable):
    """A node that ends takes out what is another's, too."""

    async def leave_if(self, key: str, expected: str, *, now: float) -> bool:
        return await self.leave(key, now=now)


class TrimmingTable(NodeTable):
    """Takes keys that differ in blanks for one."""

    async def enter(self, key: str, node_url: str, *, ttl_s: float, now: float) -> None:
        await super().enter(key.strip(), node_url, ttl_s=ttl_s, now=now)

    async def get(self, key: str, *, now: float) -> str | None:
        return await super().get(key.strip(), now=now)


class HalfTable(NodeTable):
    """Takes the old value out, and puts the new one in a turn of the loop later."""

    async def enter_if(
        self, key: str, expected: str | None, node_url: str, *, ttl_s: float, now: float
    ) -> bool:
        if expected is None or not await super().leave_if(key, expected, now=now):
            return await super().enter_if(key, expected, node_url, ttl_s=ttl_s, now=now)
        await asyncio.sleep(0)
        return await super().enter_if(key, None, node_url, ttl_s=ttl_s, now=now)
