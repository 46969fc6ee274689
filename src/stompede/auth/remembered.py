"""What was verified already: tokens that need no second look until they expire.

Only verified tokens come in, so a flood of bad ones neither takes memory nor drives good ones out. When a
bound is reached, expired tokens go first, then the one that came in longest ago; whoever is driven out only
costs one more verification. The key is the token itself: a digest would cost more than all the rest of a
look-up. So a token is held no longer than until it expires and the next sweep comes, half a minute later at
most.
"""

from __future__ import annotations

from typing import Final, final

import msgspec

from stompede._types import Principal

SWEEP_INTERVAL_S: Final = 30.0


class RememberedStatistics(msgspec.Struct, frozen=True):
    """How full the memory of tokens is.

    Attributes:
        entries: tokens remembered.
        bytes: length of these tokens together.
        evicted: tokens driven out before they expired, since the start.
    """

    entries: int
    bytes: int
    evicted: int


@final
class RememberedTokens:
    """A bounded memory from a token to whom it proves.

    Args:
        max_entries: most tokens.
        max_bytes: most bytes of tokens together; what a principal takes is in proportion to it.

    Attributes:
        get: the bare look-up, ``get(token) -> Principal | None``; the caller compares ``expires_at`` with its
            own now.
    """

    __slots__ = ("_bytes", "_entries", "_evicted", "_max_bytes", "_max_entries", "_swept_at", "get")

    def __init__(self, max_entries: int, max_bytes: int) -> None:
        self._entries: dict[str, Principal] = {}
        self.get = self._entries.get
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._bytes = 0
        self._evicted = 0
        self._swept_at = float("-inf")

    def add(self, token: str, principal: Principal, now: float) -> None:
        """Remember a verified token, driving others out where a bound asks for it."""
        self.discard(token)
        if len(self._entries) >= self._max_entries or self._bytes + len(token) > self._max_bytes:
            self.sweep(now, at_least_s=1.0)
        self._entries[token] = principal
        self._bytes += len(token)
        while len(self._entries) > self._max_entries or self._bytes > self._max_bytes:
            self.discard(next(iter(self._entries)))
            self._evicted += 1

    def discard(self, token: str) -> None:
        """Forget one token, if it is there."""
        if self._entries.pop(token, None) is not None:
            self._bytes -= len(token)

    def sweep(self, now: float, *, at_least_s: float = SWEEP_INTERVAL_S) -> None:
        """Forget what expired, unless the last sweep was less than ``at_least_s`` ago."""
        if abs(now - self._swept_at) < at_least_s:
            return
        self._swept_at = now
        gone = [
            token
            for token, who in self._entries.items()
            if who.expires_at is not None and who.expires_at <= now
        ]
        for token in gone:
            self.discard(token)

    def clear(self) -> None:
        """Forget all."""
        self._entries.clear()
        self._bytes = 0

    def statistics(self) -> RememberedStatistics:
        """Counters for metrics."""
        return RememberedStatistics(len(self._entries), self._bytes, self._evicted)

    def __repr__(self) -> str:
        return f"RememberedTokens({len(self._entries)} of {self._max_entries})"
