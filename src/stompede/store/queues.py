"""The contract of a queue store: where messages wait until a consumer has acknowledged them.

The promises stand with `QueueStore`; `stompede.testing.contracts` has the suite that checks each of them.
"""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, Protocol, TypeVar

import msgspec

from stompede.store.limits import Queue

T = TypeVar("T")


class Entry(msgspec.Struct, Generic[T], frozen=True, gc=False):
    """One message for a queue.

    Attributes:
        queue: name of the queue; any text is one. It begins to exist with its first message.
        item: the message.
        size_bytes: what it counts for in `Queue.max_bytes`.
        limits: the bounds of the queue; the same for all entries of one queue.
        asked_for: somebody wants that queue: the application has declared it, or consumers are there. Other queues
            begin only while there are fewer than half of what the store was made for.
    """

    queue: str
    item: T
    size_bytes: int
    limits: Queue
    asked_for: bool = True


class Taken(msgspec.Struct, Generic[T], frozen=True, gc=False):
    """A message that a node has taken, and settles or gives back.

    Attributes:
        id: unique among all messages of all queues, also across restarts; without a character that STOMP escapes.
        item: the message.
        deliveries: deliveries that count, this one included.
        expired: its time is over: it is not to be delivered any more, but to be settled.
        redelivered: a consumer may have seen it before.
    """

    id: str
    item: T
    deliveries: int
    expired: bool = False
    redelivered: bool = False


class Refusal(enum.Enum):
    """Why messages were not taken."""

    FULL = "full"
    NO_ROOM = "no-room"  # for one more queue
    NO_BYTES = "no-bytes"  # all queues together hold as much as they may


class Refused(msgspec.Struct, frozen=True):
    """Nothing of an `append` took effect.

    Attributes:
        queue: the first queue that could not take its message.
        why: what was missing.
    """

    queue: str
    why: Refusal


class Length(msgspec.Struct, frozen=True):
    """What a queue holds.

    Attributes:
        waiting: messages that nobody has taken.
        taken: messages that were taken and not settled.
        size_bytes: of all of them.
    """

    waiting: int
    taken: int
    size_bytes: int


class QueueStoreStatistics(msgspec.Struct, frozen=True, rename="camel"):
    """What `QueueStore.statistics` tells of this node.

    Attributes:
        queues: queues with at least one message; of all nodes, as far as this one knows.
        waiting: messages that wait in them.
        taken: messages that are taken.
        size_bytes: of all messages.
        appended: messages that the store took from this node.
        refused: messages that it refused.
        dropped: messages that went to make room, by ``drop-oldest``.
        settled: messages that this node settled.
        given_back: messages that this node gave back.
    """

    queues: int
    waiting: int
    taken: int
    size_bytes: int
    appended: int
    refused: int
    dropped: int
    settled: int
    given_back: int


class QueueStore(Protocol[T]):
    """Queues of messages, for the consumers of all nodes.

    A store keeps opaque items. Whoever made the store says how an item becomes bytes, where bytes are needed at all.

    A message *waits* until a node takes it, and is *taken* until that node settles it or gives it back. Every store
    promises:

    - **One at a time.** A waiting message is taken by exactly one node; no other gets it until it was given back. What
      is settled is gone, and never comes again.
    - **Order.** Messages are taken in the order in which they were appended. Those that were given back come before
      all that were never taken, and among themselves in the order of their appending again. Between queues no order is
      promised.
    - **All or nothing.** The effects of one `append`, messages and settlements alike, take place together or not at
      all, also when its caller is cancelled.
    - **Bounds.** A queue holds at most ``max_messages`` and ``max_bytes``, waiting and taken together. One more is
      refused, or with ``drop-oldest`` lets the oldest *waiting* ones go; taken ones are never dropped. What goes back
      always has its place. There are at most so many queues as the store was made for, and all of them together hold
      at most so many bytes; where that is reached, ``drop-oldest`` refuses, too. A queue without a message does not
      exist and takes no room.
    - **Time.** A message that waits longer than ``ttl_s`` is not delivered: `take` and `take_expired` hand it out as
      ``expired``, once, to be settled. Time is ``now``, an argument: the same clock on all nodes. It may be noticed a
      second late, when a store asks a server's clock.
    - **No threads to think of.** All methods are called on one event loop, and ``waiting`` is called on that loop.

    The awaitables of one queue take effect in the order of the calls, in whatever order they are awaited. What a
    method can say at once it returns as it is; an awaitable is for what has to be waited for.

    A store that several nodes share promises besides that what a crashed node had taken waits again after a time, with
    its deliveries counted.
    """

    async def start(self, waiting: Callable[[str], None]) -> None:
        """Connects. Called once, before anything else.

        Args:
            waiting: is called with the name of a watched queue when messages wait there that were not there before, or
                were given back: at least once after the last of them, perhaps more often, also where another node has
                taken them meanwhile. It does not wait, does not raise, and does not come back to the store.

        Raises:
            BusError: the back end is not there; the sentence says what to do.
        """
        ...

    def append(
        self, entries: Sequence[Entry[T]], settled: Sequence[tuple[str, str]] = (), *, now: float
    ) -> Refused | Awaitable[Refused | None] | None:
        """Puts messages at the ends of their queues, and settles others, in one step.

        Args:
            entries: messages in order; several may be for one queue.
            settled: queue and id of messages that this node has taken.
            now: the time, from which ``ttl_s`` counts.

        Returns:
            ``None`` when all of it is done, `Refused` when nothing is; or an awaitable of that.

        Raises:
            BusError: nothing is done, or it is not known (also from the awaitable).
        """
        ...

    def watch(self, queue: str) -> Awaitable[None] | None:
        """This node has consumers for a queue: ``waiting`` is called for it from now on, and at once if something
        waits. Wishes are not counted.
        """
        ...

    def unwatch(self, queue: str) -> None:
        """This node has no consumers for a queue any more. Never raises; a queue that was not watched may be given."""
        ...

    def take(
        self, queue: str, count: int, *, now: float
    ) -> Sequence[Taken[T]] | Awaitable[Sequence[Taken[T]]]:
        """Takes up to ``count`` messages from the front for this node. Never waits for messages to come.

        Cancelling the awaitable loses nothing: what was taken for it waits again, if not at once then like that of a
        crashed node.
        """
        ...

    def settle(self, queue: str, ids: Sequence[str]) -> Awaitable[None] | None:
        """Takes messages out for good. Ids that this node has not taken are left alone."""
        ...

    def give_back(
        self, queue: str, ids: Sequence[str], *, delivered: bool, counted: bool = True
    ) -> Awaitable[None] | None:
        """Lets messages wait again, at the front. Ids that this node has not taken are left alone.

        Args:
            queue: where they are from.
            ids: of the messages, in any order.
            delivered: whether a consumer may have seen them; then they are ``redelivered`` from now on.
            counted: whether that delivery counts; without meaning for those that nobody has seen.
        """
        ...

    def take_expired(
        self, count: int, *, now: float
    ) -> Sequence[tuple[str, Taken[T]]] | Awaitable[Sequence[tuple[str, Taken[T]]]]:
        """Takes up to ``count`` waiting messages of any queues whose time is over, with the names of their queues."""
        ...

    def delete(self, queue: str) -> Awaitable[None] | None:
        """Takes a queue out with all its messages, whoever has taken them. One that does not exist may be given."""
        ...

    def length(self, queue: str) -> Length | Awaitable[Length]:
        """What a queue holds; nothing, where it does not exist."""
        ...

    def statistics(self) -> QueueStoreStatistics:
        """Figures of now and since the start; they can be asked for at any time, and stay after the end."""
        ...

    async def aclose(self) -> None:
        """Disconnects. Once it has returned, ``waiting`` is not called any more. Idempotent, and possible before
        `start`, too.
        """
        ...
