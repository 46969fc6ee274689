"""The queues of one process."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, Generic, TypeVar, final

from stompede.errors import BusError
from stompede.store.limits import Queue
from stompede.store.queues import Entry, Length, QueueStoreStatistics, Refusal, Refused, Taken

T = TypeVar("T")

NOTHING: Final = Length(0, 0, 0)


class _Kept(Generic[T]):
    """A message in a queue."""

    __slots__ = ("deliveries", "expires_at", "id", "item", "number", "redelivered", "size_bytes")

    def __init__(self, number: int, name: str, entry: Entry[T], now: float) -> None:
        ttl_s = entry.limits.ttl_s
        self.number = number
        self.id = name
        self.item = entry.item
        self.size_bytes = entry.size_bytes
        self.deliveries = 0
        self.redelivered = False
        self.expires_at = None if ttl_s is None else now + ttl_s

    def __lt__(self, other: _Kept[T]) -> bool:
        return self.number < other.number


class _Waiting(Generic[T]):
    """One queue: what was given back, then what was never taken, and what is taken now."""

    __slots__ = ("fresh", "returned", "size_bytes", "taken", "taken_bytes")

    def __init__(self) -> None:
        self.fresh: deque[_Kept[T]] = deque()
        self.returned: list[_Kept[T]] = []  # a heap by number: so they come in the order of their appending
        self.taken: dict[str, _Kept[T]] = {}
        self.size_bytes = 0
        self.taken_bytes = 0

    def __len__(self) -> int:
        """How many wait."""
        return len(self.fresh) + len(self.returned)

    def first(self) -> _Kept[T]:
        """The next one; there is one."""
        return self.returned[0] if self.returned else self.fresh[0]

    def take(self) -> _Kept[T]:
        """Takes the next one; there is one."""
        kept = self.pop()
        self.taken[kept.id] = kept
        self.taken_bytes += kept.size_bytes
        return kept

    def let_go(self, name: str) -> _Kept[T] | None:
        """What was taken under that id is taken no more."""
        kept = self.taken.pop(name, None)
        if kept is not None:
            self.taken_bytes -= kept.size_bytes
        return kept

    def pop(self) -> _Kept[T]:
        """Takes the next one out; there is one."""
        return heapq.heappop(self.returned) if self.returned else self.fresh.popleft()


@final
class MemoryQueues(Generic[T]):
    """The queues of a node that is alone; the promises are those of `QueueStore`.

    Everything happens at once, within the call, so nothing it returns has to be awaited. What it holds ends with the
    process.

    Args:
        max_queues: queues that may hold messages at once.
        max_bytes: bytes of the messages of all queues together.
        id_prefix: what ids begin with; another one at every boot.
    """

    def __init__(
        self, *, max_queues: int = 10_000, max_bytes: int = 256 * 1024 * 1024, id_prefix: str = "q"
    ) -> None:
        self._max_queues = max_queues
        self._max_bytes = max_bytes
        self._size_bytes = 0
        self._id_prefix = id_prefix
        self._queues: dict[str, _Waiting[T]] = {}
        self._mortal: dict[str, None] = {}  # queues whose messages have an end
        self._watched: set[str] = set()
        self._waiting: Callable[[str], None] | None = None
        self._next_number = 0
        self._appended = self._refused = self._dropped = self._settled = self._given_back = 0

    async def start(self, waiting: Callable[[str], None]) -> None:
        """Takes the listener; never fails."""
        self._waiting = waiting

    def append(
        self, entries: Sequence[Entry[T]], settled: Sequence[tuple[str, str]] = (), *, now: float
    ) -> Refused | None:
        """See `QueueStore.append`.

        Raises:
            BusError: the store is not started, or closed.
        """
        if self._waiting is None:
            raise BusError("the queues are not started: publish after the application has started")
        refused = self._fits(entries, settled) if len(entries) != 1 or settled else self._one_fits(entries[0])
        if refused is not None:
            self._refused += len(entries)
            return refused
        for queue, name in settled:
            self._settle(queue, name)
        for entry in entries:
            self._put(entry, now)
        for queue in dict.fromkeys(entry.queue for entry in entries):
            if queue in self._watched:
                self._waiting(queue)
        return None

    def _one_fits(self, entry: Entry[T]) -> Refused | None:
        """Whether there is room for one message, or can be made."""
        queue = self._queues.get(entry.queue)
        limits = entry.limits
        if queue is None:
            if len(self._queues) >= self._max_queues - self._kept_free(entry):
                return Refused(entry.queue, Refusal.NO_ROOM)
            fits = limits.max_messages > 0 and entry.size_bytes <= limits.max_bytes
        else:
            fits = _can_hold(queue, 1, entry.size_bytes, limits)
        if not fits:
            return Refused(entry.queue, Refusal.FULL)
        if self._size_bytes + entry.size_bytes > self._max_bytes:
            return Refused(entry.queue, Refusal.NO_BYTES)
        return None

    def _kept_free(self, entry: Entry[T]) -> int:
        """How many queues must still have room when that of an entry has begun."""
        return 0 if entry.asked_for else self._max_queues - self._max_queues // 2

    def _fits(self, entries: Sequence[Entry[T]], settled: Sequence[tuple[str, str]]) -> Refused | None:
        """Whether there is room for all of them once the others are settled."""
        freed: dict[str, list[int]] = {}
        for name, message_id in settled:
            kept = self._taken(name, message_id)
            if kept is not None:
                freed.setdefault(name, []).append(kept.size_bytes)
        asked: dict[str, list[int]] = {}
        room = self._max_queues - len(self._queues)
        room += sum(len(gone) == self._held(name) for name, gone in freed.items())
        for entry in entries:
            sizes = asked.setdefault(entry.queue, [])
            sizes.append(entry.size_bytes)
            queue = self._queues.get(entry.queue)
            gone = freed.get(entry.queue, [])
            if len(sizes) == 1 and (queue is None or len(gone) == self._held(entry.queue)):
                room -= 1
                if room < self._kept_free(entry):
                    return Refused(entry.queue, Refusal.NO_ROOM)
            count, size_bytes = len(sizes) - len(gone), sum(sizes) - sum(gone)
            if not _can_hold(_Waiting() if queue is None else queue, count, size_bytes, entry.limits):
                return Refused(entry.queue, Refusal.FULL)
        growth = sum(map(sum, asked.values())) - sum(map(sum, freed.values()))
        if growth > 0 and self._size_bytes + growth > self._max_bytes:
            return Refused(entries[0].queue, Refusal.NO_BYTES)
        return None

    def _held(self, name: str) -> int:
        queue = self._queues.get(name)
        return 0 if queue is None else len(queue) + len(queue.taken)

    def _taken(self, name: str, message_id: str) -> _Kept[T] | None:
        queue = self._queues.get(name)
        return None if queue is None else queue.taken.get(message_id)

    def _put(self, entry: Entry[T], now: float) -> None:
        queue = self._queues.get(entry.queue)
        if queue is None:
            queue = self._queues[entry.queue] = _Waiting()
        limits = entry.limits
        while len(queue) and (
            len(queue) + len(queue.taken) >= limits.max_messages
            or queue.size_bytes + entry.size_bytes > limits.max_bytes
        ):
            gone = queue.pop().size_bytes
            queue.size_bytes -= gone
            self._size_bytes -= gone
            self._dropped += 1
        self._next_number = number = self._next_number + 1
        queue.fresh.append(_Kept(number, f"{self._id_prefix}-{number}", entry, now))
        queue.size_bytes += entry.size_bytes
        self._size_bytes += entry.size_bytes
        self._appended += 1
        if limits.ttl_s is not None:
            self._mortal[entry.queue] = None

    def watch(self, queue: str) -> Awaitable[None] | None:
        """See `QueueStore.watch`."""
        self._watched.add(queue)
        known = self._queues.get(queue)
        if known is not None and len(known) and self._waiting is not None:
            self._waiting(queue)
        return None

    def unwatch(self, queue: str) -> None:
        """See `QueueStore.unwatch`."""
        self._watched.discard(queue)

    def take(self, queue: str, count: int, *, now: float) -> Sequence[Taken[T]]:
        """See `QueueStore.take`."""
        known = self._queues.get(queue)
        if known is None:
            return ()
        found: list[Taken[T]] = []
        while len(found) < count and len(known):
            found.append(_as_taken(known.take(), now))
        return found

    def settle(self, queue: str, ids: Sequence[str]) -> Awaitable[None] | None:
        """See `QueueStore.settle`."""
        for name in ids:
            self._settle(queue, name)
        return None

    def _settle(self, name: str, message_id: str) -> None:
        queue = self._queues.get(name)
        kept = None if queue is None else queue.let_go(message_id)
        if queue is None or kept is None:
            return
        queue.size_bytes -= kept.size_bytes
        self._size_bytes -= kept.size_bytes
        self._settled += 1
        self._forget_empty(name, queue)

    def _forget_empty(self, name: str, queue: _Waiting[T]) -> None:
        if not queue.taken and not len(queue):
            del self._queues[name]
            self._mortal.pop(name, None)

    def give_back(
        self, queue: str, ids: Sequence[str], *, delivered: bool, counted: bool = True
    ) -> Awaitable[None] | None:
        """See `QueueStore.give_back`."""
        known = self._queues.get(queue)
        if known is None:
            return None
        for name in ids:
            kept = known.let_go(name)
            if kept is not None:
                kept.redelivered |= delivered
                kept.deliveries += delivered and counted
                heapq.heappush(known.returned, kept)
                self._given_back += 1
        if len(known) and queue in self._watched and self._waiting is not None:
            self._waiting(queue)
        return None

    def take_expired(self, count: int, *, now: float) -> Sequence[tuple[str, Taken[T]]]:
        """See `QueueStore.take_expired`. What was appended first ends first, as long as bounds do not change."""
        found: list[tuple[str, Taken[T]]] = []
        for name in self._mortal:
            queue = self._queues[name]
            while len(queue) and len(found) < count:
                end = queue.first().expires_at
                if end is None or end > now:
                    break
                found.append((name, _as_taken(queue.take(), now)))
        return found

    def delete(self, queue: str) -> Awaitable[None] | None:
        """See `QueueStore.delete`."""
        gone = self._queues.pop(queue, None)
        if gone is not None:
            self._size_bytes -= gone.size_bytes
        self._mortal.pop(queue, None)
        return None

    def length(self, queue: str) -> Length:
        """See `QueueStore.length`."""
        known = self._queues.get(queue)
        return NOTHING if known is None else Length(len(known), len(known.taken), known.size_bytes)

    def statistics(self) -> QueueStoreStatistics:
        """See `QueueStore.statistics`."""
        queues: Mapping[str, _Waiting[T]] = self._queues
        return QueueStoreStatistics(
            queues=len(queues),
            waiting=sum(map(len, queues.values())),
            taken=sum(len(queue.taken) for queue in queues.values()),
            size_bytes=self._size_bytes,
            appended=self._appended,
            refused=self._refused,
            dropped=self._dropped,
            settled=self._settled,
            given_back=self._given_back,
        )

    async def aclose(self) -> None:
        """Lets the listener go. Idempotent."""
        self._waiting = None
        self._watched.clear()


def _as_taken(kept: _Kept[T], now: float) -> Taken[T]:
    expired = kept.expires_at is not None and kept.expires_at <= now
    return Taken(kept.id, kept.item, kept.deliveries + 1, expired, kept.redelivered)


def _can_hold(queue: _Waiting[T], count: int, size_bytes: int, limits: Queue) -> bool:
    """Whether so many more messages fit; where the oldest may go, whether they fit beside those that are taken."""
    held = len(queue.taken)
    held_bytes = queue.taken_bytes
    if limits.full == "refuse":
        held += len(queue)
        held_bytes = queue.size_bytes
    return held + count <= limits.max_messages and held_bytes + size_bytes <= limits.max_bytes
