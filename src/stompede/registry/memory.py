"""The routing table of a node that is alone: a dictionary."""

from __future__ import annotations

from typing import Final, final

from stompede.errors import LimitError
from stompede.registry.routing import RoutingStatistics

SWEEP_INTERVAL_S: Final = 60.0
FULL_SWEEP_INTERVAL_S: Final = 1.0


@final
class MemoryRoutingTable:
    """A routing table in this process; the promises are those of `RoutingTable`.

    Expired entries are taken out when somebody comes upon them, and all of them about once a minute, or once
    a second while the table is full.

    Args:
        max_entries: most keys, expired ones not counted.
    """

    def __init__(self, *, max_entries: int = 1_000_000) -> None:
        self._max_entries = max_entries
        self._entries: dict[str, tuple[str, float]] = {}  # key -> (node URL, when it ends)
        self._swept_at = float("-inf")
        self._entered = self._refused = self._lost = 0

    async def enter(self, key: str, node_url: str, *, ttl_s: float, now: float) -> None:
        """Point a key to a node; see `RoutingTable`."""
        self._enter(key, node_url, ttl_s, now)

    async def enter_if(
        self, key: str, expected: str | None, node_url: str, *, ttl_s: float, now: float
    ) -> bool:
        """Point a key to a node if it points to ``expected``; see `RoutingTable`."""
        if self._get(key, now) != expected:
            self._lost += 1
            return False
        self._enter(key, node_url, ttl_s, now)
        return True

    async def get(self, key: str, *, now: float) -> str | None:
        """The URL of the node that serves the key, or ``None``."""
        return self._get(key, now)

    async def leave(self, key: str, *, now: float) -> bool:
        """Take a key out; see `RoutingTable`."""
        if self._get(key, now) is None:
            return False
        del self._entries[key]
        return True

    async def leave_if(self, key: str, expected: str, *, now: float) -> bool:
        """Take a key out if it points to ``expected``; see `RoutingTable`."""
        if self._get(key, now) != expected:
            self._lost += 1
            return False
        del self._entries[key]
        return True

    def statistics(self) -> RoutingStatistics:
        """Counters for metrics."""
        return RoutingStatistics(len(self._entries), self._entered, self._refused, self._lost)

    def _get(self, key: str, now: float) -> str | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry[1] <= now:
            del self._entries[key]
            return None
        return entry[0]

    def _enter(self, key: str, node_url: str, ttl_s: float, now: float) -> None:
        if key not in self._entries:
            self._sweep(now)
            if len(self._entries) >= self._max_entries:
                self._refused += 1
                raise LimitError("routing table entries", self._max_entries)
        self._entries[key] = (node_url, now + ttl_s)
        self._entered += 1

    def _sweep(self, now: float) -> None:
        full = len(self._entries) >= self._max_entries
        if abs(now - self._swept_at) < (FULL_SWEEP_INTERVAL_S if full else SWEEP_INTERVAL_S):
            return
        self._swept_at = now
        for key in [key for key, (_, ends_at) in self._entries.items() if ends_at <= now]:
            del self._entries[key]
