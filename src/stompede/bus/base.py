"""The contract of a bus: how publications reach all nodes, this one included.

The promises stand with `Bus`; `stompede.testing.contracts` has the suites that check each of them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

import msgspec

T = TypeVar("T")


class BusStatistics(msgspec.Struct, frozen=True):
    """What `Bus.statistics` tells of this node.

    Attributes:
        published: items that the bus took from this node.
        delivered: items handed to `deliver`.
        channels: channels that this node wants now, by name or as a prefix.
        failed: items of this node that the bus refused.
        connected: whether items can come now.
        interruptions: times that items may have been missed.
        waiting: items of this node that the bus has not taken yet.
        waiting_bytes: what they take.
        unreadable: what came and was no item.
    """

    published: int
    delivered: int
    channels: int
    failed: int
    connected: bool = True
    interruptions: int = 0
    waiting: int = 0
    waiting_bytes: int = 0
    unreadable: int = 0


class Bus(Protocol[T]):
    """A node's way to all nodes.

    A bus carries opaque items on named channels; any text is the name of a channel. Whoever made the bus says how an
    item becomes bytes, where bytes are needed at all: the memory bus hands the object itself on.

    Every bus promises:

    - **Own publications come back.** `deliver` is the only way to subscribers, local ones too.
    - **Order.** Items of one channel are delivered in one order, the same on every node. What one node publishes on one
      channel keeps the order of its calls, in whatever order the awaitables of `publish` are awaited. Between channels
      no order is promised.
    - **Delivery** at most once: no item comes twice. What a bus can lose stands with each bus; one that nothing happens
      to loses nothing. After a time in which items of others may have been missed it calls ``interrupted``, once it
      listens to all that is wanted again: what is published from then on comes.
    - **More than is wanted may come.** Items of a channel that this node does not want may be delivered as well: the
      node sorts them out. Some buses read everything, and all of them have items on the way when a wish ends.
    - **Once, however often it is wanted.** An item whose channel is wanted by name and by a prefix, or by several
      prefixes, comes once. (Redis sends such an item for each of them: a bus on it must see to this.)
    - **No threads to think of.** All methods are called on one event loop, and `deliver` is called on that loop.

    The memory bus is for one node. A *shared* bus connects nodes, and promises besides that an item published on any
    node reaches each node that wants its channel.
    """

    async def start(
        self, deliver: Callable[[T], None], interrupted: Callable[[], None] = lambda: None
    ) -> None:
        """Connects. Called once, before anything is published or wanted.

        Args:
            deliver: gets every item of a wanted channel, one after another. It does not wait and does not raise. It
                may publish: what it publishes comes after the item that it was called with.
            interrupted: is told that items may have been missed. It does not wait and does not raise.

        Raises:
            BusError: the back end is not there; the sentence says what to do.
        """
        ...

    def publish(self, channel: str, item: T) -> Awaitable[None] | None:
        """Takes an item; it never blocks the loop.

        Returns:
            ``None`` when the bus has taken it already; else an awaitable that ends when it has. Cancelling that does
            not take the item back, and harms no other item.

        Raises:
            BusError: the item was not taken (also from the awaitable), for example because the bus is not started, or
                closed. It is counted in `BusStatistics.failed`.
        """
        ...

    def want(self, channel: str) -> Awaitable[None] | None:
        """This node has a subscriber on the channel now. Of what was published before, anything or nothing may come.

        Wishes are not counted: to want a wanted channel changes nothing and may be done at any time, also while the
        first wish still waits. The last call of `want` and `unwant` is the one that counts, even where an awaitable of
        an earlier call is still open.

        Returns:
            ``None`` when nothing that is published from now on is missed; else an awaitable that ends when that is so.
            Cancelling it does not take the wish back; `unwant` does.

        Raises:
            BusError: the bus does not listen (also from the awaitable), for example because it is not started, or
                closed.
        """
        ...

    def unwant(self, channel: str) -> None:
        """This node has no subscriber on the channel any more. Other channels are not touched. Never raises; a channel
        that was not wanted may be given, and the bus may be closed.
        """
        ...

    def want_prefix(self, prefix: str) -> Awaitable[None] | None:
        """This node wants every channel whose name begins with ``prefix``, also those that nobody has named yet. Every
        text is a prefix, and no character in it is special: a bus whose back end knows patterns must escape it.

        What holds for `want` holds here; a wish for a prefix and one for a channel of that very name are two wishes.
        Wildcard subscriptions are served by it: the node sorts out which of the items they match.

        Returns:
            as `want`.

        Raises:
            BusError: as `want`.
        """
        ...

    def unwant_prefix(self, prefix: str) -> None:
        """This node wants the channels of a prefix no more, but for those that it wants by name or by another prefix.
        Never raises, as `unwant`.
        """
        ...

    def statistics(self) -> BusStatistics:
        """Figures of now and since the start; they can be asked for at any time, and stay after the end."""
        ...

    async def aclose(self) -> None:
        """Disconnects. Once it has returned, `deliver` is not called any more. Awaitables that are open end: well where
        it was done, else with `BusError`. Idempotent, and possible before `start`, too. Nodes that go on do not notice.
        """
        ...
