"""Stub."""

from __future__ import annotations

import msgspec


class HeadCacheStatistics(msgspec.Struct, frozen=True, rename="camel"):
    """What `HeadCache.statistics` tells.

    Attributes:
        entries: heads that are kept now.
        hits: frames whose head was found. What a session found in its own last frame is not counted.
        misses: frames whose head had to be parsed.
        admitted: heads that came a second time and were taken in.
        rotations: how often the older half was let go.
    """

    entries: int
    hits: int
    misses: int
    admitted: int
    rotations: int


class HeadCache:
    """Parsed heads by their bytes, bounded; one for all sessions of a node."""

    def __init__(self, max_heads: int = 4096, max_head_bytes: int = 2048) -> None:
        raise NotImplementedError

    def statistics(self) -> HeadCacheStatistics:
        """Figures of now and since the start."""
        raise NotImplementedError
