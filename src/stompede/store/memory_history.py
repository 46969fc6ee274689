"""The history of one process: a deque for each destination."""

from __future__ import annotations

import secrets
from collections import OrderedDict, deque
from collections.abc import Callable
from itertools import islice
from typing import Final, Generic, TypeVar, final

from stompede.store.history import HistoryStatistics, Kept, Page, Position
from stompede.store.limits import History

T = TypeVar("T")

_TIDIED_AT_ONCE: Final = 1000


class _Stream(Generic[T]):
    """What one destination carried. The items are those of the offsets ``top - len(items) + 1`` to ``top``, unless
    the newest was too large: then there are none.
    """

    __slots__ = ("epoch", "items", "limits", "size_bytes", "top")

    def __init__(self, epoch: str, limits: History) -> None:
        self.epoch = epoch
        self.top = 0
        self.limits = limits
        self.items: deque[tuple[float, int, Kept[T]]] = deque()
        self.size_bytes = 0

    def drop_oldest(self) -> int:
        _, size, _ = self.items.popleft()
        self.size_bytes -= size
        return size

    def page(self, skip: int, limit: int) -> Page[T]:
        items = self.items
        end = min(len(items), skip + limit)
        found = tuple(kept for _, _, kept in islice(items, skip, end))
        return Page(found, Position(self.epoch, self.top))


@final
class MemoryHistory(Generic[T]):
    """A history in this process; the promises are those of `HistoryStore`. It never waits.

    Args:
        max_destinations: destinations that have a history at once.
        max_bytes: bytes of all items together.
        new_epoch: makes epochs; each is different from all before.
    """

    shared = False
    carries = False

    def __init__(
        self,
        *,
        max_destinations: int = 100_000,
        max_bytes: int = 256 * 1024 * 1024,
        new_epoch: Callable[[], str] = lambda: secrets.token_hex(5),
    ) -> None:
        self._max_destinations = max_destinations
        self._max_bytes = max_bytes
        self._new_epoch = new_epoch
        self._epoch = new_epoch()  # of streams that begin now
        self._streams: OrderedDict[str, _Stream[T]] = OrderedDict()  # what was appended to last stands last
        self._to_tidy: list[str] = []
        self._messages = self._bytes = 0
        self._appended = self._read = self._unreachable = self._evicted = 0

    def append(self, destination: str, item: T, size_bytes: int, limits: History, now: float) -> Position:
        """Appends an item; see `HistoryStore`."""
        stream = self._streams.get(destination)
        if stream is None:
            stream = self._begin(destination, limits)
        else:
            self._streams.move_to_end(destination)
            stream.limits = limits
        stream.top += 1
        position = Position(stream.epoch, stream.top)
        self._appended += 1
        if size_bytes > min(limits.size_bytes, self._max_bytes) or limits.count < 1:
            self._drop(stream, len(stream.items))
            return position
        stream.items.append((now, size_bytes, Kept(position, item)))
        stream.size_bytes += size_bytes
        self._messages += 1
        self._bytes += size_bytes
        self._trim(stream, now)
        while self._bytes > self._max_bytes:
            if next(iter(self._streams.values())) is stream:
                self._drop(stream, 1)
            else:
                self._evict()
        return position

    def read(self, destination: str, after: Position, limit: int, now: float) -> Page[T]:
        """What came after a position; see `HistoryStore`."""
        stream = self._streams.get(destination)
        if stream is None:
            complete = after.epoch == self._epoch and after.offset == 0
            self._unreachable += not complete
            return Page((), Position(self._epoch, 0), complete)
        self._trim(stream, now)
        oldest = stream.top - len(stream.items)  # everything after this is kept
        if after.epoch != stream.epoch or not oldest <= after.offset <= stream.top:
            self._unreachable += 1
            return Page((), Position(stream.epoch, stream.top), complete=False)
        page = stream.page(after.offset - oldest, limit)
        self._read += len(page.items)
        return page

    def last(self, destination: str, limit: int, now: float) -> Page[T]:
        """The newest items; see `HistoryStore`."""
        stream = self._streams.get(destination)
        if stream is None:  # none is made for who only asks: asking must not evict anything
            return Page((), Position(self._epoch, 0))
        self._trim(stream, now)
        page = stream.page(max(0, len(stream.items) - limit), limit)
        self._read += len(page.items)
        return page

    def tidy(self, now: float) -> None:
        """Lets old items of destinations go that nobody asks for, some destinations at once; see `HistoryStore`."""
        if not self._to_tidy:
            self._to_tidy = [
                name for name, stream in self._streams.items() if stream.limits.age_s is not None
            ]
        for name in self._to_tidy[-_TIDIED_AT_ONCE:]:
            stream = self._streams.get(name)
            if stream is not None:
                self._trim(stream, now)
        del self._to_tidy[-_TIDIED_AT_ONCE:]

    def statistics(self) -> HistoryStatistics:
        """Figures of now and since the start."""
        return HistoryStatistics(
            len(self._streams),
            self._messages,
            self._bytes,
            self._appended,
            self._read,
            self._unreachable,
            self._evicted,
        )

    async def aclose(self) -> None:
        """Lets everything go. Idempotent."""
        self._streams.clear()
        self._to_tidy.clear()
        self._messages = self._bytes = 0

    def _begin(self, destination: str, limits: History) -> _Stream[T]:
        while len(self._streams) >= self._max_destinations:
            self._evict()
        stream = self._streams[destination] = _Stream(self._epoch, limits)
        return stream

    def _trim(self, stream: _Stream[T], now: float) -> None:
        limits = stream.limits
        items = stream.items
        while items and (
            len(items) > limits.count
            or stream.size_bytes > limits.size_bytes
            or (limits.age_s is not None and now - items[0][0] > limits.age_s)
        ):
            self._drop(stream, 1)

    def _drop(self, stream: _Stream[T], count: int) -> None:
        for _ in range(count):
            self._bytes -= stream.drop_oldest()
        self._messages -= count

    def _evict(self) -> None:
        """Ends the history that nothing was appended to for the longest time."""
        _, stream = self._streams.popitem(last=False)
        self._drop(stream, len(stream.items))
        self._evicted += 1
        self._epoch = self._new_epoch()  # should it begin anew, it must not seem to go on
