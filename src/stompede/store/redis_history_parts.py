"""What the history on Redis is made of: the names of its keys, what a node was given, and pages of several answers."""

from __future__ import annotations

import asyncio
import zlib
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar, final

import msgspec

from stompede.store.history import Kept, Page, Position

T = TypeVar("T")
_US: Final = 1_000_000


class RedisHistoryLimits(msgspec.Struct, frozen=True):
    """What is kept by all nodes together, and what may wait on this one. The bounds must be the same on every node.

    Attributes:
        max_destinations: destinations that have a history at once.
        max_bytes: bytes of all items together. Redis takes about 50 more for each item, and 4.5 KB for each
            destination: it makes room for a whole node of a stream (``stream-node-max-bytes``).
        idle_s: a history ends when nothing was appended to it for so long; ``None``: never.
        max_wait_s: how long an append or a read may wait for a server that takes it.
        max_waiting_bytes: bytes of items that wait for the server.
        max_known: destinations whose newest position this node remembers, to see that a count went back.
    """

    max_destinations: int = 100_000
    max_bytes: int = 1 << 30
    idle_s: float | None = 30 * 86400.0
    max_wait_s: float = 5.0
    max_waiting_bytes: int = 64 << 20
    max_known: int = 10_000


@final
class Buckets:
    """Parts that the destinations are divided into. All keys of one have one hash tag, so that a script reaches them.

    Args:
        namespace: stands before every key.
        count: how many there are.
        limits: what all of them keep.
    """

    def __init__(self, namespace: str, count: int, limits: RedisHistoryLimits) -> None:
        self.count = count
        idle_us = 0 if limits.idle_s is None else round(limits.idle_s * _US)
        self.bounds = (-(-limits.max_destinations // count), -(-limits.max_bytes // count), idle_us)
        self._prefixes = [
            tuple(
                f"{namespace}history:{{{bucket}}}:{what}".encode() for what in ("m:", "s:", "index", "state")
            )
            for bucket in range(count)
        ]

    def of(self, name: bytes) -> int:
        """The bucket of a destination."""
        return 0 if self.count == 1 else zlib.crc32(name) % self.count

    def keys(self, bucket: int, name: bytes) -> tuple[bytes, bytes, bytes, bytes]:
        """The keys of a script."""
        meta, stream, index, state = self._prefixes[bucket]
        return meta + name, stream + name, index, state


class Known(msgspec.Struct, frozen=True, gc=False):
    """The newest position that this node was given of a destination.

    Attributes:
        epoch: its epoch.
        offset: its offset.
        run: the run of the server that gave it.
    """

    epoch: bytes = b""
    offset: int = 0
    run: bytes = b""


_UNKNOWN: Final = Known()


@final
class Given:
    """What this node was given, the latest destinations.

    Args:
        limit: of how many destinations.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._known: OrderedDict[bytes, Known] = OrderedDict()

    def of(self, name: bytes) -> Known:
        """What is known of a destination."""
        return self._known.get(name, _UNKNOWN)

    def learn(self, name: bytes, known: Known) -> None:
        """Redis said what is newest."""
        self._known[name] = known
        self._known.move_to_end(name)
        if len(self._known) > self._limit:
            self._known.popitem(last=False)

    def by_other_runs(self, run: bytes) -> list[bytes]:
        """Destinations whose newest position another run gave."""
        return [name for name, known in self._known.items() if known.run != run]


@final
class Pages(Generic[T]):
    """One page, read by as many calls as its bytes need.

    Args:
        name: the destination.
        epoch: of the position to read from; empty where ``back``.
        offset: where to read from, itself not; -1 where ``back``.
        limit: most items.
        back: from the newest to older ones.

    Attributes:
        done: gets the page.
    """

    def __init__(self, name: bytes, epoch: str, offset: int, limit: int, *, back: bool = False) -> None:
        self.name = name
        self.done: asyncio.Future[Page[T]] = asyncio.get_running_loop().create_future()
        self._back = back
        self._epoch = epoch.encode()
        self._offset = offset
        self._left = limit
        self._items: list[Kept[T]] = []
        self._top: Position | None = None

    def args(self) -> tuple[Any, ...]:
        """Of the next call."""
        return b"back" if self._back else b"on", self._epoch, self._offset, self._left

    def take(self, answer: list[Any], load: Callable[[bytes], T]) -> bool:
        """Takes an answer; gives whether there has to be another call."""
        epoch, top, _, complete, more, *items = answer
        text = epoch.decode()
        if self._top is None or not self._back:
            self._top = Position(text, top)
        if not complete:
            self.finish(Page((), self._top, complete=False))
            return False
        if self._offset < 0:
            self._offset = top + 1
        step = -1 if self._back else 1
        for item in items:
            self._offset += step
            self._items.append(Kept(Position(text, self._offset), load(item)))
        self._left -= len(items)
        self._epoch = epoch
        if not more:
            if self._back:
                self._items.reverse()
            self.finish(Page(tuple(self._items), self._top))
        return bool(more) and not self.done.done()

    def finish(self, page: Page[T]) -> None:
        """This is the page."""
        if not self.done.done():
            self.done.set_result(page)

    def fail(self, error: BaseException) -> None:
        """There is none."""
        if not self.done.done():
            self.done.set_exception(error)
            self.done.exception()  # somebody may wait for it, or nobody
