"""Histories with one fault each, for the suite to find, and one without a fault that answers late."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

from stompede.store import History, HistoryStatistics, Kept, MemoryHistory, Page, Position

_EVER = History(count=10_000, size_bytes=1 << 30)


class LateHistory:
    """No fault: every answer has to be waited for, as that of a server has."""

    shared = False
    carries = False

    def __init__(self, **bounds: int) -> None:
        self.memory: MemoryHistory[Any] = MemoryHistory(**bounds)

    def later(self, answer: Any) -> Any:
        """An awaitable that gives the answer some turns of the loop later, whether or not somebody waits."""

        async def give() -> Any:
            for _ in range(3):
                await asyncio.sleep(0)
            return answer

        return asyncio.ensure_future(give())

    def append(
        self, destination: str, item: Any, size_bytes: int, limits: History, now: float
    ) -> Position | Awaitable[Position]:
        position: Awaitable[Position] = self.later(
            self.memory.append(destination, item, size_bytes, limits, now)
        )
        return position

    def read(
        self, destination: str, after: Position, limit: int, now: float
    ) -> Page[Any] | Awaitable[Page[Any]]:
        page: Awaitable[Page[Any]] = self.later(self.memory.read(destination, after, limit, now))
        return page

    def last(self, destination: str, limit: int, now: float) -> Page[Any] | Awaitable[Page[Any]]:
        page: Awaitable[Page[Any]] = self.later(self.memory.last(destination, limit, now))
        return page

    def tidy(self, now: float) -> None:
        self.memory.tidy(now)

    def statistics(self) -> HistoryStatistics:
        return self.memory.statistics()

    async def aclose(self) -> None:
        await self.memory.aclose()


class AwaitedHistory(LateHistory):
    """An item has no position before somebody awaits."""

    def append(
        self, destination: str, item: Any, size_bytes: int, limits: History, now: float
    ) -> Position | Awaitable[Position]:
        async def later() -> Position:
            return self.memory.append(destination, item, size_bytes, limits, now)

        return later()


class CountFromZeroHistory(LateHistory):
    """The first item has the offset that stands before it."""

    def append(
        self, destination: str, item: Any, size_bytes: int, limits: History, now: float
    ) -> Position | Awaitable[Position]:
        position = self.memory.append(destination, item, size_bytes, limits, now)
        return Position(position.epoch, position.offset - 1)


class UnboundedHistory(LateHistory):
    """Keeps everything."""

    def append(
        self, destination: str, item: Any, size_bytes: int, limits: History, now: float
    ) -> Position | Awaitable[Position]:
        return self.memory.append(destination, item, size_bytes, _EVER, now)


class PartHistory(LateHistory):
    """Gives a part where it no longer has all."""

    def read(
        self, destination: str, after: Position, limit: int, now: float
    ) -> Page[Any] | Awaitable[Page[Any]]:
        page = self.memory.read(destination, after, limit, now)
        return page if page.complete else self.memory.last(destination, limit, now)


class AgainHistory(LateHistory):
    """Gives the item at the position itself again."""

    def read(
        self, destination: str, after: Position, limit: int, now: float
    ) -> Page[Any] | Awaitable[Page[Any]]:
        before = Position(after.epoch, max(0, after.offset - 1))
        return self.memory.read(destination, before, limit, now)


class NewestHistory(LateHistory):
    """A limit cuts off the oldest, and leaves a gap."""

    def read(
        self, destination: str, after: Position, limit: int, now: float
    ) -> Page[Any] | Awaitable[Page[Any]]:
        page = self.memory.read(destination, after, 10_000, now)
        newest: tuple[Kept[Any], ...] = page.items[-limit:] if limit else ()
        return Page(newest, page.top, page.complete)


class OneEpochHistory(LateHistory):
    """A destination that was evicted counts anew in the epoch that it had."""

    def __init__(self, **bounds: int) -> None:
        super().__init__(**bounds)
        self.memory = MemoryHistory(**bounds, new_epoch=lambda: "e")


class WastefulHistory(LateHistory):
    """Makes room for whoever asks."""

    def last(self, destination: str, limit: int, now: float) -> Page[Any] | Awaitable[Page[Any]]:
        self.memory.append(destination, b"", 0, _EVER, now)
        return self.memory.last(destination, limit, now)


class RestlessHistory(LateHistory):
    """Ends the epoch when all that it has is too old."""

    def last(self, destination: str, limit: int, now: float) -> Page[Any] | Awaitable[Page[Any]]:
        page = self.memory.last(destination, limit, now)
        if not page.items:
            for number in range(2000):
                self.memory.append(f"{destination}{number}", b"", 0, _EVER, now)
        return page


class JoinedHistory(LateHistory):
    """No fault: the way of one node to what nodes share."""

    shared = True

    def __init__(self, memory: MemoryHistory[Any] | None = None, **bounds: int) -> None:
        super().__init__(**bounds)
        self.bounds = bounds
        self.nodes: list[JoinedHistory] = [self]
        if memory is not None:
            self.memory = memory

    def join(self) -> JoinedHistory:
        other = type(self)(self.memory, **self.bounds)
        other.nodes = self.nodes
        self.nodes.append(other)
        return other

    def begin_anew(self) -> None:
        memory: MemoryHistory[Any] = MemoryHistory(**self.bounds)
        for node in self.nodes:
            node.memory = memory

    async def aclose(self) -> None:
        """What is behind it stays."""


class AloneHistory(JoinedHistory):
    """Each node counts for itself."""

    def join(self) -> JoinedHistory:
        return type(self)(**self.bounds)


class SecretHistory(JoinedHistory):
    """Says that nobody else appends."""

    shared = False


class SelfishHistory(JoinedHistory):
    """A node that goes away takes along what all have."""

    async def aclose(self) -> None:
        await self.memory.aclose()


class ForgetfulHistory(JoinedHistory):
    """What begins anew does so in the epoch that it had."""

    def begin_anew(self) -> None:
        epoch: str = self.memory.last("", 0, 0.0).top.epoch
        memory: MemoryHistory[Any] = MemoryHistory(**self.bounds, new_epoch=lambda: epoch)
        for node in self.nodes:
            node.memory = memory
