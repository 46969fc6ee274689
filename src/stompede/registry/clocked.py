"""A routing table as a service uses it: with one clock and one life for all entries."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

from stompede.registry.routing import RoutingTable


@final
class ClockedRoutes:
    """The short form of a routing table for who needs no compare-and-set.

    Args:
        table: where the entries are.
        ttl_s: life of each entry from the last `put`.
        clock: gives the seconds of the Unix epoch.

    Attributes:
        table: where the entries are; another one while the application runs on a shared table.
    """

    def __init__(self, table: RoutingTable, *, ttl_s: float, clock: Callable[[], float]) -> None:
        self.table = table
        self._ttl_s = ttl_s
        self._clock = clock

    async def put(self, key: str, url: str) -> None:
        """Point a key to a node; raises `LimitError` for a new key when the table is full."""
        await self.table.enter(key, url, ttl_s=self._ttl_s, now=self._clock())

    async def get(self, key: str) -> str | None:
        """The URL of the node that serves the key, or ``None``."""
        return await self.table.get(key, now=self._clock())

    async def remove(self, key: str) -> None:
        """Take a key out, if it is there."""
        await self.table.leave(key, now=self._clock())
