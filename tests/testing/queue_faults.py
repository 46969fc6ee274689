"""Queue stores with one fault each, for the suite to find, and one without that makes everything wait."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from msgspec.structs import replace

from stompede.store import MemoryQueues, Queue
from stompede.store.queues import Entry, Length, QueueStoreStatistics, Refused, Taken

Settled = Sequence[tuple[str, str]]


class Store:
    """No fault: the store of one process, to derive from."""

    def __init__(self, max_queues: int, max_bytes: int) -> None:
        self.store: MemoryQueues[Any] = MemoryQueues(max_queues=max_queues, max_bytes=max_bytes)

    async def start(self, waiting: Callable[[str], None]) -> None:
        await self.store.start(waiting)

    def append(
        self, entries: Sequence[Entry[Any]], settled: Settled = (), *, now: float
    ) -> Refused | Awaitable[Refused | None] | None:
        return self.store.append(entries, settled, now=now)

    def watch(self, queue: str) -> Awaitable[None] | None:
        return self.store.watch(queue)

    def unwatch(self, queue: str) -> None:
        self.store.unwatch(queue)

    def take(
        self, queue: str, count: int, *, now: float
    ) -> Sequence[Taken[Any]] | Awaitable[Sequence[Taken[Any]]]:
        return self.store.take(queue, count, now=now)

    def settle(self, queue: str, ids: Sequence[str]) -> Awaitable[None] | None:
        return self.store.settle(queue, ids)

    def give_back(
        self, queue: str, ids: Sequence[str], *, delivered: bool, counted: bool = True
    ) -> Awaitable[None] | None:
        return self.store.give_back(queue, ids, delivered=delivered, counted=counted)

    def take_expired(
        self, count: int, *, now: float
    ) -> Sequence[tuple[str, Taken[Any]]] | Awaitable[Sequence[tuple[str, Taken[Any]]]]:
        return self.store.take_expired(count, now=now)

    def delete(self, queue: str) -> Awaitable[None] | None:
        return self.store.delete(queue)

    def length(self, queue: str) -> Length | Awaitable[Length]:
        return self.store.length(queue)

    def statistics(self) -> QueueStoreStatistics:
        return self.store.statistics()

    async def aclose(self) -> None:
        await self.store.aclose()


def later(value: Any) -> Awaitable[Any]:
    """What is known a turn of the loop later."""
    future = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(lambda: None if future.done() else future.set_result(value))
    return future


class LateStore(Store):
    """No fault: all that can be waited for has to be."""

    def append(self, entries: Sequence[Entry[Any]], settled: Settled = (), *, now: float) -> Any:
        return later(super().append(entries, settled, now=now))

    def watch(self, queue: str) -> Any:
        return later(super().watch(queue))

    def take(self, queue: str, count: int, *, now: float) -> Any:
        return later(super().take(queue, count, now=now))

    def settle(self, queue: str, ids: Sequence[str]) -> Any:
        return later(super().settle(queue, ids))

    def give_back(self, queue: str, ids: Sequence[str], *, delivered: bool, counted: bool = True) -> Any:
        return later(super().give_back(queue, ids, delivered=delivered, counted=counted))

    def take_expired(self, count: int, *, now: float) -> Any:
        return later(super().take_expired(count, now=now))

    def length(self, queue: str) -> Any:
        return later(super().length(queue))


class LazyStore(Store):
    """Takes a message only when somebody awaits."""

    def append(self, entries: Sequence[Entry[Any]], settled: Settled = (), *, now: float) -> Any:
        async def append() -> Any:
            return super(LazyStore, self).append(entries, settled, now=now)

        return append()


class SharedStore(Store):
    """Hands a message out to everybody."""

    def take(self, queue: str, count: int, *, now: float) -> Any:
        taken = self.store.take(queue, count, now=now)
        self.store.give_back(queue, [each.id for each in taken], delivered=False)
        return taken


class BackOfTheLineStore(Store):
    """What goes back comes last."""

    def give_back(self, queue: str, ids: Sequence[str], *, delivered: bool, counted: bool = True) -> Any:
        known = self.store._queues[queue]
        for name in ids:
            kept = known.let_go(name)
            if kept is not None:
                known.fresh.append(kept)


class UncountedStore(Store):
    """Counts no deliveries."""

    def give_back(self, queue: str, ids: Sequence[str], *, delivered: bool, counted: bool = True) -> Any:
        return super().give_back(queue, ids, delivered=False)


class CountingStore(Store):
    """Counts every delivery."""

    def give_back(self, queue: str, ids: Sequence[str], *, delivered: bool, counted: bool = True) -> Any:
        return super().give_back(queue, ids, delivered=delivered)


class ForgetfulStore(Store):
    """A delivery that does not count has not been."""

    def give_back(self, queue: str, ids: Sequence[str], *, delivered: bool, counted: bool = True) -> Any:
        return super().give_back(queue, ids, delivered=delivered and counted)


class HalfStore(Store):
    """Appends one after another until something does not fit."""

    def append(self, entries: Sequence[Entry[Any]], settled: Settled = (), *, now: float) -> Any:
        for queue, name in settled:
            self.store.settle(queue, [name])
        outcome = None
        for entry in entries:
            outcome = outcome or self.store.append([entry], now=now)
        return outcome


class HoardingStore(Store):
    """Settles after it has appended."""

    def append(self, entries: Sequence[Entry[Any]], settled: Settled = (), *, now: float) -> Any:
        refused = self.store.append(entries, now=now)
        if refused is None:
            for queue, name in settled:
                self.store.settle(queue, [name])
        return refused


class TimidStore(Store):
    """Lets nothing go where something is settled in the same step."""

    def append(self, entries: Sequence[Entry[Any]], settled: Settled = (), *, now: float) -> Any:
        if settled:
            entries = [replace(one, limits=replace(one.limits, full="refuse")) for one in entries]
        return super().append(entries, settled, now=now)


class BottomlessStore(Store):
    """Knows no bounds."""

    def append(self, entries: Sequence[Entry[Any]], settled: Settled = (), *, now: float) -> Any:
        bottomless = [Entry(one.queue, one.item, 0, Queue(ttl_s=one.limits.ttl_s)) for one in entries]
        return super().append(bottomless, settled, now=now)


class OpenStore(Store):
    """Whoever comes begins queues."""

    def append(self, entries: Sequence[Entry[Any]], settled: Settled = (), *, now: float) -> Any:
        return super().append([replace(one, asked_for=True) for one in entries], settled, now=now)


class RuthlessStore(Store):
    """To make room it drops what is taken."""

    def append(self, entries: Sequence[Entry[Any]], settled: Settled = (), *, now: float) -> Any:
        for entry in entries:
            known = self.store._queues.get(entry.queue)
            if known and known.taken and len(known) + len(known.taken) >= entry.limits.max_messages:
                self.store.settle(entry.queue, [next(iter(known.taken))])
        return super().append(entries, settled, now=now)


class CrampedStore(Store):
    """An empty queue takes room for ever."""

    def __init__(self, max_queues: int, max_bytes: int) -> None:
        super().__init__(max_queues, max_bytes)
        self.store._forget_empty = lambda *_: None  # type: ignore[method-assign]


class StrictStore(Store):
    """What goes back to a queue that is full is lost."""

    def give_back(self, queue: str, ids: Sequence[str], *, delivered: bool, counted: bool = True) -> Any:
        known = self.store._queues[queue]
        if len(known) + len(known.taken) > 1:
            self.store.settle(queue, ids[:1])
        return super().give_back(queue, ids, delivered=delivered, counted=counted)


class MuteStore(Store):
    """Does not tell a watcher of what waits already."""

    def watch(self, queue: str) -> Any:
        self.store._watched.add(queue)


class DeafStore(Store):
    """Does not tell of what goes back."""

    def give_back(self, queue: str, ids: Sequence[str], *, delivered: bool, counted: bool = True) -> Any:
        self.store._watched.clear()
        return super().give_back(queue, ids, delivered=delivered, counted=counted)


class ChattyStore(Store):
    """Goes on telling who watches no more."""

    def unwatch(self, queue: str) -> None: ...


class EternalStore(Store):
    """No message ends."""

    def append(self, entries: Sequence[Entry[Any]], settled: Settled = (), *, now: float) -> Any:
        return super().append(entries, settled, now=now + 1e9)


class HastyStore(Store):
    """Every message ends at once."""

    def take_expired(self, count: int, *, now: float) -> Any:
        return super().take_expired(count, now=now + 1e9)


class RenamingStore(Store):
    """Ids are unique within a queue alone."""

    def take(self, queue: str, count: int, *, now: float) -> Any:
        taken = self.store.take(queue, count, now=now)
        return [Taken(str(number), each.item, each.deliveries) for number, each in enumerate(taken)]


class KeepingStore(Store):
    """What was deleted can still be given back."""

    def delete(self, queue: str) -> Any: ...
