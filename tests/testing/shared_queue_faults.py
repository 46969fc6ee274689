"""Nodes that share the queues of one process: a kind without a fault, and some with one each for the suite to find."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from stompede.errors import BusError
from stompede.store import MemoryQueues
from stompede.store.queues import Entry, Length, QueueStoreStatistics, Refused, Taken

Settled = Sequence[tuple[str, str]]
FOUND_DEAD_S = 0.05


class House:
    """The queues, and the nodes that live."""

    def __init__(self, max_queues: int, max_bytes: int) -> None:
        self.store: MemoryQueues[Any] = MemoryQueues(max_queues=max_queues, max_bytes=max_bytes)
        self.nodes: list[Node] = []

    def told(self, queue: str) -> None:
        for node in self.nodes:
            node.told(queue)


class Node:
    """No fault: one of many nodes."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.store = house.store
        self.has: dict[str, str] = {}  # ids of messages, and their queues
        self.watched: set[str] = set()
        self.last: QueueStoreStatistics | None = None

    async def start(self, waiting: Callable[[str], None]) -> None:
        self.waiting = waiting
        self.house.nodes.append(self)
        await self.store.start(self.house.told)

    def told(self, queue: str) -> None:
        if queue in self.watched:
            self.waiting(queue)

    def own(self, queue: str, ids: Sequence[str]) -> list[str]:
        """Which of the ids this node has taken from that queue."""
        return [name for name in ids if self.has.get(name) == queue]

    def append(self, entries: Sequence[Entry[Any]], settled: Settled = (), *, now: float) -> Refused | None:
        if self not in self.house.nodes:
            raise BusError("not started")
        own = [(queue, name) for queue, name in settled if self.own(queue, [name])]
        return self.store.append(entries, own, now=now)

    def watch(self, queue: str) -> Awaitable[None] | None:
        self.watched.add(queue)
        return self.store.watch(queue)

    def unwatch(self, queue: str) -> None:
        self.watched.discard(queue)

    def take(
        self, queue: str, count: int, *, now: float
    ) -> Sequence[Taken[Any]] | Awaitable[Sequence[Taken[Any]]]:
        taken = self.store.take(queue, count, now=now)
        self.has.update((one.id, queue) for one in taken)
        return taken

    def settle(self, queue: str, ids: Sequence[str]) -> Awaitable[None] | None:
        return self.store.settle(queue, self.own(queue, ids))

    def give_back(
        self, queue: str, ids: Sequence[str], *, delivered: bool, counted: bool = True
    ) -> Awaitable[None] | None:
        own = self.own(queue, ids)
        for name in own:
            self.has.pop(name, None)
        return self.store.give_back(queue, own, delivered=delivered, counted=counted)

    def take_expired(self, count: int, *, now: float) -> Sequence[tuple[str, Taken[Any]]]:
        found = self.store.take_expired(count, now=now)
        self.has.update((one.id, queue) for queue, one in found)
        return found

    def delete(self, queue: str) -> Awaitable[None] | None:
        return self.store.delete(queue)

    def length(self, queue: str) -> Length:
        return self.store.length(queue)

    def statistics(self) -> QueueStoreStatistics:
        return self.last or self.store.statistics()

    async def aclose(self) -> None:
        if self in self.house.nodes:
            self.last = self.store.statistics()
            self.house.nodes.remove(self)
            self.release(counted=False)

    def crash(self) -> None:
        self.house.nodes.remove(self)
        asyncio.get_running_loop().call_later(FOUND_DEAD_S, self.found_dead)

    def found_dead(self) -> None:
        self.release(counted=True)

    def release(self, *, counted: bool) -> None:
        """What it has waits again."""
        for name, queue in list(self.has.items()):
            Node.give_back(self, queue, [name], delivered=True, counted=counted)


class GreedyNode(Node):
    """Settles and gives back what others have."""

    def own(self, queue: str, ids: Sequence[str]) -> list[str]:
        return [name for node in self.house.nodes for name in Node.own(node, queue, ids)]


class SelfishNode(Node):
    """Hears of its own messages alone."""

    def append(self, entries: Sequence[Entry[Any]], settled: Settled = (), *, now: float) -> Refused | None:
        others = [node for node in self.house.nodes if node is not self]
        self.house.nodes = [self]
        try:
            return super().append(entries, settled, now=now)
        finally:
            self.house.nodes += others


class ImmortalNode(Node):
    """Keeps what it had for ever."""

    def found_dead(self) -> None:
        pass


class UncountedNode(Node):
    """Counts no delivery to who crashed."""

    def found_dead(self) -> None:
        self.release(counted=False)


class FatefulNode(Node):
    """Takes all others along when it dies."""

    def found_dead(self) -> None:
        for node in (self, *self.house.nodes):
            node.release(counted=True)


class SilentNode(Node):
    """Leaves without a word."""

    async def aclose(self) -> None:
        if self in self.house.nodes:
            self.house.nodes.remove(self)


class LosingNode(Node):
    """Loses what it took for somebody who went away."""

    def take(
        self, queue: str, count: int, *, now: float
    ) -> Sequence[Taken[Any]] | Awaitable[Sequence[Taken[Any]]]:
        async def later() -> Sequence[Taken[Any]]:
            taken = self.store.take(queue, count, now=now)
            self.has.update((one.id, queue) for one in taken)
            for _ in range(10):
                await asyncio.sleep(0)
            return taken

        return later()
