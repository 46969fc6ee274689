"""Parsed heads, kept by their bytes.

Clients repeat the same header block again and again, so parsing it once makes the common SEND nearly free.
Two things keep heads that never come again (a receipt, a request code, a one-time token in them) from
driving out those that do:

- a head is taken in when it comes the second time. That it came once is remembered as a hash, in a set that
  begins anew when it is full;
- what is kept stands in a young and an old generation. What is found in the old one moves to the young one;
  when the young one is full, the old one is let go and the young one becomes old.
"""

from __future__ import annotations

from typing import final

import msgspec

from stompede.errors import ConfigurationError
from stompede.wire.stomp.head import Head
from stompede.wire.stomp.limits import Limits
from stompede.wire.stomp.tables import RULES
from stompede.wire.stomp.versions import ALL_VERSIONS, Version


class HeadCacheStatistics(msgspec.Struct, frozen=True, rename="camel"):
    """What `HeadCache.statistics` tells.

    Attributes:
        entries: heads that are kept now.
        hits: frames whose head was found. What a session found in its own last SEND is not counted.
        misses: frames whose head had to be parsed.
        admitted: heads that came a second time and were taken in.
        rotations: how often the older half was let go.
    """

    entries: int
    hits: int
    misses: int
    admitted: int
    rotations: int


@final
class HeadCache:
    """Parsed heads by their bytes, bounded; one for all sessions of a node.

    Args:
        max_heads: how many heads are kept at most.
        max_head_bytes: longer heads are never kept. Together they bound the memory, at some three times their
            product.
    """

    __slots__ = (
        "_admitted",
        "_limits",
        "_max_head_bytes",
        "_max_heads",
        "_max_young",
        "_old",
        "_rotations",
        "_seen",
        "_young",
        "hits",
        "misses",
    )

    def __init__(self, max_heads: int = 4096, max_head_bytes: int = 2048) -> None:
        # The young generations by version: a head means different things in different versions, as escapes
        # differ. The dicts are never replaced, because sessions look into them without asking.
        self._young: dict[Version | None, dict[bytes, Head]] = {
            version: {} for version in (None, *ALL_VERSIONS)
        }
        self._old: dict[Version | None, dict[bytes, Head]] = {
            version: {} for version in (None, *ALL_VERSIONS)
        }
        self._max_young = max(1, max_heads // 2)
        self._max_head_bytes = max_head_bytes
        self._max_heads = max_heads
        self._seen: set[int] = set()
        self._limits: Limits | None = None
        self._admitted = 0
        self._rotations = 0
        self.hits = 0
        self.misses = 0

    def claim(self, limits: Limits) -> None:
        """Says by which limits heads are parsed: the same for all sessions that share the cache."""
        if self._limits is None:
            self._limits = limits
        elif self._limits != limits:
            raise ConfigurationError(
                f"sessions that share a head cache must have the same limits: {self._limits}, {limits}"
            )

    def heads(self, version: Version | None) -> dict[bytes, Head]:
        """The younger heads of a version, for the hot path, which counts `hits`. The dict stays the same."""
        return self._young[version]

    def find(self, version: Version | None, raw: bytes) -> Head | None:
        """The head that was made from these bytes, if it is kept."""
        head = self._young[version].get(raw)
        if head is None:
            head = self._promoted(version, raw)
            if head is None:
                self.misses += 1
                return None
        self.hits += 1
        return head

    def offer(self, version: Version | None, head: Head) -> None:
        """Keeps a head that was parsed and found right, if it is likely to come again."""
        raw = head.raw
        if (
            not RULES[head.command].repeats
            or len(raw) > self._max_head_bytes
            or head.client_request_code is not None
            or "passcode" in head.headers
        ):
            return
        value = hash(raw)
        if value not in self._seen:
            if len(self._seen) >= self._max_heads:
                self._seen.clear()
            self._seen.add(value)
            return
        self._seen.discard(value)
        self._admitted += 1
        self._put(version, head)

    def _promoted(self, version: Version | None, raw: bytes) -> Head | None:
        head = self._old[version].pop(raw, None)
        if head is not None:
            self._put(version, head)
        return head

    def statistics(self) -> HeadCacheStatistics:
        """Figures of now and since the start."""
        entries = sum(map(len, self._young.values())) + sum(map(len, self._old.values()))
        return HeadCacheStatistics(entries, self.hits, self.misses, self._admitted, self._rotations)

    def _put(self, version: Version | None, head: Head) -> None:
        if sum(map(len, self._young.values())) >= self._max_young:
            self._rotations += 1
            for each, young in self._young.items():
                self._old[each] = young.copy()
                young.clear()
        self._young[version][head.raw] = head
