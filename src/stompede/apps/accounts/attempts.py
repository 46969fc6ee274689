"""Slow down whoever guesses passwords."""

from __future__ import annotations

import ipaddress
from typing import final

import msgspec


class AttemptStatistics(msgspec.Struct, frozen=True):
    """What the limiter knows.

    Attributes:
        addresses: addresses with recent failures.
        refused: attempts that were refused unread.
    """

    addresses: int
    refused: int


@final
class LoginAttempts:
    """A token bucket of failures for each client address.

    An attempt takes a token before the password is looked at, so that many at once do not slip through; a
    login that succeeds gives it back. Who only logs in, however often, is never slowed down.

    Args:
        burst: failures that are free.
        refill_s: seconds after which one more is.
        max_addresses: addresses remembered; beyond it the one that was silent longest is forgotten.
    """

    def __init__(self, *, burst: int = 10, refill_s: float = 6.0, max_addresses: int = 10_000) -> None:
        self._burst = float(burst)
        self._refill_s = refill_s
        self._max_addresses = max_addresses
        self._left: dict[str, tuple[float, float]] = {}  # address -> (tokens, when); silent longest first
        self._refused = 0

    def begin(self, address: str | None, now: float) -> float:
        """Begin an attempt: 0.0 when it may go on, or the seconds to wait before the next one may."""
        key = _network(address)
        tokens, since = self._left.pop(key, (self._burst, now))
        tokens = min(self._burst, tokens + max(0.0, now - since) / self._refill_s)
        allowed = tokens >= 1.0
        self._left[key] = (tokens - 1.0 if allowed else tokens, now)
        while len(self._left) > self._max_addresses:
            del self._left[next(iter(self._left))]
        if allowed:
            return 0.0
        self._refused += 1
        return (1.0 - tokens) * self._refill_s

    def give_back(self, address: str | None) -> None:
        """The attempt was no failure: it succeeded, or was never looked at."""
        key = _network(address)
        if (entry := self._left.get(key)) is not None:
            tokens = min(self._burst, entry[0] + 1.0)
            if tokens >= self._burst:
                del self._left[key]
            else:
                self._left[key] = (tokens, entry[1])

    def statistics(self) -> AttemptStatistics:
        """Counters for metrics."""
        return AttemptStatistics(len(self._left), self._refused)


def _network(address: str | None) -> str:
    """Whoever has one IPv6 address has all 2**64 of its network: they count as one (RFC 6177)."""
    try:
        parsed = ipaddress.ip_address(address or "")
    except ValueError:
        return "unknown"
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return f"{int(parsed) >> 64:x}"
    return str(parsed)
