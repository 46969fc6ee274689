"""Which node serves a key: the contract of the routing table.

The promises stand with `RoutingTable`; `stompede.testing.contracts` has the suites that check each of them.
"""

from __future__ import annotations

from typing import Protocol

import msgspec


class RoutingStatistics(msgspec.Struct, frozen=True):
    """What a routing table holds and did so far.

    Attributes:
        entries: keys that it holds; some may have expired and not been swept yet. ``None`` where counting is
            not cheap.
        entered: successful enters, by this node.
        refused: enters refused because the table was full, by this node.
        lost: compare-and-sets that found another value, by this node.
    """

    entries: int | None
    entered: int
    refused: int
    lost: int


class RoutingTable(Protocol):
    """Key to node URL, with expiry.

    A client that is known already goes straight back to its node, and whoever looks for it learns where it is. A key
    is any text, for example ``rider:17``; its value is the WebSocket URL of a node.

    Every routing table promises:

    - **Each call is atomic**, against every other call of every node. `enter_if` and `leave_if` are compare-and-set:
      of many that enter the same free key at once, exactly one succeeds.
    - **An entry ends by itself** after its ``ttl_s``, so what a crashed node left behind goes away. From that moment on
      it is as if it had never been there, for every call. Entering again begins a new time; a call that changed
      nothing does not.
    - **Time is passed in.** A table in the node's own memory goes by it alone; one behind a server may go by that
      server's clock instead, and then takes only ``ttl_s`` from the caller.
    - **The number of entries is bounded.** When the bound is reached, a new key is refused with `LimitError`; nobody
      else's entry is dropped for it. A key that is there already can always be entered again.
    - **Never by half.** A call that is cancelled may or may not have taken effect; the table goes on.

    A *shared* table is one for many nodes, and promises besides that what one node entered or took out, every other one
    sees with its next call. Its statistics are those of one node.
    """

    async def enter(self, key: str, node_url: str, *, ttl_s: float, now: float) -> None:
        """Point a key to a node, whatever it pointed to before.

        Args:
            key: who.
            node_url: where.
            ttl_s: life of the entry from now, seconds; more than 0.
            now: seconds of the Unix epoch.

        Raises:
            LimitError: the table is full and the key is not in it; says the bound.
        """
        ...

    async def enter_if(
        self, key: str, expected: str | None, node_url: str, *, ttl_s: float, now: float
    ) -> bool:
        """Point a key to a node if it points to ``expected`` now; ``None``: if it points nowhere.

        Returns:
            Whether it did. ``False`` is counted in `RoutingStatistics.lost`.

        Raises:
            LimitError: the table is full and the key is not in it; says the bound.
        """
        ...

    async def get(self, key: str, *, now: float) -> str | None:
        """The URL of the node that serves the key, or ``None``."""
        ...

    async def leave(self, key: str, *, now: float) -> bool:
        """Take a key out, whatever it points to; whether it was there."""
        ...

    async def leave_if(self, key: str, expected: str, *, now: float) -> bool:
        """Take a key out if it points to ``expected``: a node that ends takes out only what is still its own.

        Returns:
            Whether it did. ``False`` is counted in `RoutingStatistics.lost`.
        """
        ...

    def statistics(self) -> RoutingStatistics:
        """Figures of now and since the start; never waits."""
        ...
