"""How much may come in a second: token buckets, for sessions and for the addresses that they come from.

A bucket holds what may come at once and fills up at the rate that may last, so a burst after a pause is nothing wrong.
"""

from __future__ import annotations

import ipaddress
from typing import Final, final

MAX_ADDRESSES: Final = 65_536
"""Addresses that are counted in one second; those beyond are let in uncounted, since that many addresses are not one
client, and `max_handshakes` bounds them together."""
_IPV6_PREFIX: Final = 64  # what one household or one rented server has


@final
class TokenBucket:
    """Tokens that come back by themselves.

    Args:
        rate: tokens that come back in a second.
        burst: tokens of a full bucket.
        now: it is full from here on.
    """

    __slots__ = ("_burst", "_filled", "_rate", "tokens")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate = rate
        self._burst = burst
        self._filled = now
        self.tokens = burst

    def take(self, now: float) -> bool:
        """Takes a token; false, and none is taken, where there is none."""
        self._fill(now)
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True

    def owe(self, count: float, now: float) -> float:
        """Takes tokens that are spent already, more than there are if need be.

        Returns:
            seconds until nothing is owed any more; 0 where nothing is.
        """
        self._fill(now)
        self.tokens -= count
        return max(0.0, -self.tokens / self._rate)

    def _fill(self, now: float) -> None:
        if now > self._filled:
            self.tokens = min(self._burst, self.tokens + (now - self._filled) * self._rate)
            self._filled = now


@final
class AddressRates:
    """How often each address connects.

    Only the present second and the one before are remembered: by then a bucket that holds one second's tokens is full
    again. So memory is bounded whatever addresses come.

    Args:
        rate: connections of one address that may last, a second; as many may come at once.
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._second = 0
        self._now: dict[str, TokenBucket] = {}
        self._before: dict[str, TokenBucket] = {}

    def __len__(self) -> int:
        return len(self._now) + len(self._before)

    def take(self, address: str, now: float) -> bool:
        """Whether one more connection of this address may come now; it is counted then."""
        self._turn(int(now))
        key = _key(address)
        bucket = self._now.get(key)
        if bucket is None:
            if len(self._now) >= MAX_ADDRESSES:
                return True
            bucket = self._before.pop(key, None)
            if bucket is None:
                bucket = TokenBucket(self._rate, self._rate, now)
            self._now[key] = bucket
        return bucket.take(now)

    def _turn(self, second: int) -> None:
        if second != self._second:
            self._before = self._now if second == self._second + 1 else {}
            self._now = {}
            self._second = second


def _key(address: str) -> str:
    """What counts as one address: for IPv6 its network, whose owner may use any address in it."""
    if ":" not in address:
        return address
    try:
        parsed = ipaddress.IPv6Address(address)
    except ValueError:
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Network((parsed, _IPV6_PREFIX), strict=False))
