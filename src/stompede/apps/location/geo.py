"""Who is near: the seam between the services and the store that knows where things are.

`MemoryGeoIndex` serves one node. A shared store (Redis GEO) stands behind the same face, so its shape is
chosen for both:

- **Writes never wait.** They come once per position, by the hundred thousand. Memory applies them at once; a
  shared store gathers the writes of a loop tick and sends them as one pipeline. A point that a crash loses in
  between is followed by the next one.
- **Reads wait.** They come once per question, and a shared store has to ask.
- `flush` makes a write certain where somebody needs it.

Every index keeps these promises, and `stompede.apps.location.contract` checks them:

1. *Newest wins.* A write whose ``at`` is older than the last known one of that key changes nothing and says
   so. The same ``at`` again is a correction and does change it.
2. *Removal is a write.* It obeys the same rule, and the index remembers it: an older point that comes late
   does not bring the key back. After ``expire_s`` of silence the key is forgotten altogether.
3. *Silence expires.* What was not written for **more than** ``expire_s`` seconds is not found any more.
   Silence is measured by the index's own clock, never by ``at``: the clocks of phones are wrong.
4. *Near means distance.* `near` finds exactly the keys whose haversine distance is at most the radius, at
   every latitude and across the antimeridian, nearest first, and never more than asked for.
5. *Bounded.* Past ``max_entries`` the key that has been silent the longest leaves first, and is counted.
"""

from __future__ import annotations

import enum
from collections.abc import Hashable
from typing import Generic, Protocol, TypeVar

import msgspec

K = TypeVar("K", bound=Hashable)


class Placed(enum.Enum):
    """What became of a write."""

    TAKEN = "taken"
    OLDER = "older"


class Fix(msgspec.Struct, frozen=True):
    """Where something was, and when.

    Attributes:
        lat: degrees, -90 to 90.
        lon: degrees, -180 to 180.
        at: when it was there by its own word, seconds of the Unix epoch.
        state: a short word kept with the position, for example the work status.
    """

    lat: float
    lon: float
    at: float
    state: str = ""


class Near(msgspec.Struct, Generic[K], frozen=True):
    """One answer of `GeoIndex.near`.

    Attributes:
        key: who.
        distance_m: how far from the place that was asked about, metres.
        fix: the last known position.
    """

    key: K
    distance_m: float
    fix: Fix


class GeoStatistics(msgspec.Struct, frozen=True):
    """Counters of an index since it was made, and its size now.

    Attributes:
        entries: keys that can be found now.
        remembered: removed keys that still hold back older points.
        cells: cells of the grid that hold something.
        taken: writes that moved a key, removals included.
        older: writes that came too late to count.
        expired: keys that left because of silence.
        evicted: keys that left because the index was full.
        queries: calls of `GeoIndex.near`.
    """

    entries: int
    remembered: int
    cells: int
    taken: int
    older: int
    expired: int
    evicted: int
    queries: int


class GeoIndex(Protocol[K]):
    """Last known positions by key; see the module for what every implementation promises."""

    def put_nowait(self, key: K, fix: Fix) -> Placed:
        """Note where a key is.

        Returns:
            ``OLDER`` when a newer position, or a newer removal, of this key is known here; then nothing
            changed.

        Raises:
            ValueError: the coordinates are no place on the earth.
        """
        ...

    def remove_nowait(self, key: K, at: float) -> Placed:
        """Take a key away as of ``at``; ``OLDER`` when a newer position is known. An unknown key is
        remembered as removed.
        """
        ...

    async def get(self, key: K) -> Fix | None:
        """The last known position, or ``None`` for a key that is unknown, removed or silent too long."""
        ...

    async def near(self, lat: float, lon: float, radius_m: float, limit: int) -> list[Near[K]]:
        """The keys within ``radius_m`` of a place, nearest first, at most ``limit``.

        Raises:
            ValueError: the place is none on the earth, the radius is negative or not finite, or the limit is
                below 1.
        """
        ...

    async def flush(self) -> None:
        """Return when every write before this call can be found."""
        ...

    def statistics(self) -> GeoStatistics:
        """Counters since the start and sizes now, as this node knows them; never waits."""
        ...
