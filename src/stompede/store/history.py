"""The contract of a history: what destinations carried lately, each message under a position.

The promises stand with `HistoryStore`; `stompede.testing.contracts` has the suites that check each of them.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Final, Generic, Protocol, Self, TypeVar

import msgspec

from stompede.store.limits import History

T = TypeVar("T")

_MAX_EPOCH: Final = 64
_MAX_DIGITS: Final = 18


class Position(msgspec.Struct, frozen=True, gc=False):
    """Where something stands in a destination's stream. As text, ``epoch-offset``, it is the ``message-id``.

    Attributes:
        epoch: names the stream; digits and the letters a to z. A stream that begins anew has a new one.
        offset: counts its messages from 1; 0 stands before the first.
    """

    epoch: str
    offset: int

    def __str__(self) -> str:
        return f"{self.epoch}-{self.offset}"

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """The position that a text says, or ``None`` where it is none."""
        epoch, _, offset = text.rpartition("-")
        if not (offset.isdecimal() and 0 < len(epoch) <= _MAX_EPOCH and len(offset) <= _MAX_DIGITS):
            return None
        if not (epoch.isalnum() and text.isascii()) or epoch.lower() != epoch:
            return None
        if offset[0] == "0" and offset != "0":
            return None  # one text for each position
        return cls(epoch, int(offset))


class Kept(msgspec.Struct, Generic[T], frozen=True):
    """One message of a history.

    Attributes:
        position: where it stands.
        item: what was appended.
    """

    position: Position
    item: T


class Page(msgspec.Struct, Generic[T], frozen=True):
    """What a history answers.

    Attributes:
        items: in order, without a gap between them.
        top: position of the newest message that the destination ever had in this epoch.
        complete: for `HistoryStore.read`: whether everything after the position that was asked for is still kept, and
            `items` begins with it; else `items` is empty. For `HistoryStore.last` always true.
    """

    items: tuple[Kept[T], ...]
    top: Position
    complete: bool = True


class HistoryStatistics(msgspec.Struct, frozen=True, rename="camel"):
    """What `HistoryStore.statistics` tells.

    Attributes:
        destinations: destinations that have a history now; ``None`` where counting is not cheap.
        messages: messages that are kept now; ``None`` where counting is not cheap.
        size_bytes: what they take, as `append` was told; ``None`` where counting is not cheap.
        appended: messages appended by this node.
        read: messages read by this node.
        unreachable: reads of this node whose position was no longer there.
        evicted: histories ended because of the bounds of the store.
    """

    destinations: int | None
    messages: int | None
    size_bytes: int | None
    appended: int
    read: int
    unreachable: int
    evicted: int


class HistoryStore(Protocol[T]):
    """Keeps the newest items of destinations, each under a position.

    A history holds opaque items; any text is the name of a destination. Whoever made the store says how an item becomes
    bytes, where bytes are needed at all: the memory history keeps the object itself.

    Every history promises:

    - **Positions count.** Each item of a destination gets the offset after the one before it, beginning with 1, in one
      epoch. Items of one node get theirs in the order of its calls, in whatever order the awaitables are awaited.
    - **A stream that lost its count has a new epoch.** Where the store no longer knows the newest offset of a
      destination, because it was evicted or the store began anew, the next epoch is one that never was before. To drop
      old items does not end an epoch.
    - **All or nothing.** `read` gives everything after a position, or says that it is not complete and gives nothing.
      It never gives a part, and never an item of another epoch. Only a limit makes it stop early, and then the next
      page begins where this one ended.
    - **Bounds.** Of each destination no more is kept than its `History` says, the oldest goes first; an item that is
      alone too large for it is not kept, but has its position. All destinations together stay within bounds of the
      store; what nothing was appended to for the longest time goes first, and its epoch ends.
    - **Time is passed in.** A store in the node's own memory goes by it alone; one behind a server may go by that
      server's clock instead.
    - **No threads to think of, no waiting without need.** All methods are called on one event loop. What is there
      already is returned as it is, else an awaitable of it. An append whose awaitable is cancelled may or may not have
      happened.

    Attributes:
        shared: whether other nodes append to it as well. Where they do not, everything that is appended is published by
            this very node, and a new epoch hides no loss.
        carries: whether `append` also hands the item to the bus, in the order of the positions, in one step with
            appending it; then the node does not publish it itself. Where it does not, and nodes share the store, a
            node may hear items out of order, and puts them right with `read`.
    """

    shared: bool
    carries: bool

    def append(
        self, destination: str, item: T, size_bytes: int, limits: History, now: float
    ) -> Position | Awaitable[Position]:
        """Appends an item to what a destination carried.

        Args:
            destination: where.
            item: what.
            size_bytes: how much of the bounds it takes.
            limits: how much is to be kept of the destination, from now on.
            now: seconds that never go back.

        Returns:
            Its position, or an awaitable of it.

        Raises:
            BusError: the back end did not take it (also from the awaitable).
        """
        ...

    def read(self, destination: str, after: Position, limit: int, now: float) -> Page[T] | Awaitable[Page[T]]:
        """What came after a position, oldest first.

        Args:
            destination: where.
            after: the newest position that is known already.
            limit: most items; 0 only asks whether all is there.
            now: seconds that never go back.

        Returns:
            The page. It is not complete where the epoch is another one, an item after the position was dropped, or the
            position was never given.

        Raises:
            BusError: the back end does not answer (also from the awaitable).
        """
        ...

    def last(self, destination: str, limit: int, now: float) -> Page[T] | Awaitable[Page[T]]:
        """The newest items, oldest of them first.

        Of a destination that carried nothing yet, `Page.top` has offset 0 and the epoch that it would begin with now;
        nothing is kept of who asked.

        Args:
            destination: where.
            limit: most items; 0 only asks for the top.
            now: seconds that never go back.

        Raises:
            BusError: the back end does not answer (also from the awaitable).
        """
        ...

    def tidy(self, now: float) -> None:
        """Called about once a second: a store in memory lets old items go. Does little at once."""
        ...

    def statistics(self) -> HistoryStatistics:
        """Figures of now and since the start; never waits."""
        ...

    async def aclose(self) -> None:
        """Disconnects. Idempotent."""
        ...
