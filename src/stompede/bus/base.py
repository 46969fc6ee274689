"""The contract of a bus: how publications reach all nodes, this one included.

A bus carries opaque items on named channels. Whoever made it says how an item becomes bytes, where bytes are
needed at all: the memory bus hands the object itself on.

Guarantees that every bus gives:

* Order: items of one channel are delivered in one order, the same on every node.
* Delivery: at most once. What a bus can lose, and how that is noticed, stands with each bus.
* Own publications come back: `deliver` is the only way to subscribers, local ones too.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

import msgspec

T = TypeVar("T")


class BusStatistics(msgspec.Struct, frozen=True):
    """What `Bus.statistics` tells.

    Attributes:
        published: items taken.
        delivered: items handed to `deliver`.
        channels: channels that this node wants.
        failed: items refused.
    """

    published: int
    delivered: int
    channels: int
    failed: int


class Bus(Protocol[T]):
    """A way between nodes."""

    async def start(self, deliver: Callable[[T], None]) -> None:
        """Connects; from now on ``deliver`` is called, on the loop, for every item of a wanted channel. It
        must not raise.

        Raises:
            BusError: the back end is not there; the sentence says what to do.
        """
        ...

    def publish(self, channel: str, item: T) -> Awaitable[None] | None:
        """Takes an item.

        Returns:
            ``None`` when the bus has taken it already; else an awaitable that ends when it has. Cancelling it
            does not take the item back.

        Raises:
            BusError: the item was not taken (also from the awaitable).
        """
        ...

    def want(self, channel: str) -> Awaitable[None] | None:
        """This node has a subscriber on the channel now. ``None``: nothing published from now on is missed;
        else when the awaitable ends.
        """
        ...

    def unwant(self, channel: str) -> None:
        """This node has no subscriber on the channel any more."""
        ...

    def statistics(self) -> BusStatistics:
        """Figures of now and since the start."""
        ...

    async def aclose(self) -> None:
        """Disconnects. Idempotent."""
        ...
