"""The geo index of a single node, in memory: a grid of cells over flat arrays.

A write costs about a microsecond: it touches a dictionary, a few array slots, and the cells only when the
border of one was crossed. A question collects the slots of the cells that its circle touches and measures
them in one NumPy pass; when the circle touches more cells than there are entries, everything is measured
instead.
"""

from __future__ import annotations

import math
import time
from array import array
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, Generic, final

import numpy as np

from .geo import Fix, GeoStatistics, K, Near, Placed
from .grid import Grid
from .positions import Floats, check_position, haversine_many_m


@final
class MemoryGeoIndex(Generic[K]):
    """A `GeoIndex` in memory; the promises stand in `stompede.apps.location.geo`.

    Not thread-safe: it belongs to one event loop.

    Args:
        expire_s: silence after which a key is not found any more, seconds.
        max_entries: keys that can be found at once, and as many removed ones that are remembered.
        cell_m: height and width of a cell, metres. Near the radius that is asked for most is best.
        clock: seconds that only grow; silence is measured by it.
    """

    def __init__(
        self,
        *,
        expire_s: float,
        max_entries: int = 1_000_000,
        cell_m: float = 500.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not expire_s > 0:
            raise ValueError(f"expire_s must be above 0, got {expire_s}")
        if max_entries < 1:
            raise ValueError(f"max_entries must be at least 1, got {max_entries}")
        self._expire_s: Final = expire_s
        self._max_entries: Final = max_entries
        self._clock: Final = clock
        self._grid: Final = Grid(cell_m)
        self._slots: Final[OrderedDict[K, int]] = OrderedDict()  # the most silent key first
        self._removed: Final[OrderedDict[K, tuple[float, float]]] = (
            OrderedDict()
        )  # key -> (at, seen), the oldest first
        self._cells: Final[dict[int, set[int]]] = {}
        # One slot per entry in each of these; a freed slot is used again.
        self._lats: Final = array("d")
        self._lons: Final = array("d")
        self._keys: Final[list[K]] = []
        self._fixes: Final[list[Fix]] = []
        self._seen: Final = array("d")
        self._cell_of: Final = array("q")
        self._free: Final[list[int]] = []
        self._taken = self._older = self._expired = self._evicted = self._queries = 0

    def put_nowait(self, key: K, fix: Fix) -> Placed:
        """Note where a key is; see `GeoIndex.put_nowait`."""
        check_position(fix.lat, fix.lon)
        now = self._clock()
        self._expire(now)
        slot = self._slots.get(key)
        if slot is None:
            removed = self._removed.get(key)
            if removed is not None:
                if fix.at < removed[0]:
                    self._older += 1
                    return Placed.OLDER
                del self._removed[key]
            self._enter(key, fix, now)
        else:
            if fix.at < self._fixes[slot].at:
                self._older += 1
                return Placed.OLDER
            self._slots.move_to_end(key)
            self._move(slot, fix, now)
        self._taken += 1
        return Placed.TAKEN

    def remove_nowait(self, key: K, at: float) -> Placed:
        """Take a key away; see `GeoIndex.remove_nowait`."""
        now = self._clock()
        self._expire(now)
        slot = self._slots.get(key)
        known_at = self._fixes[slot].at if slot is not None else self._removed.get(key, (-math.inf,))[0]
        if at < known_at:
            self._older += 1
            return Placed.OLDER
        if slot is not None:
            self._leave(key)
        self._removed[key] = (at, now)
        self._removed.move_to_end(key)
        if len(self._removed) > self._max_entries:
            self._removed.popitem(last=False)
        self._taken += 1
        return Placed.TAKEN

    async def get(self, key: K) -> Fix | None:
        """The last known position; see `GeoIndex.get`."""
        self._expire(self._clock())
        slot = self._slots.get(key)
        return None if slot is None else self._fixes[slot]

    async def near(self, lat: float, lon: float, radius_m: float, limit: int) -> list[Near[K]]:
        """Who is near; see `GeoIndex.near`."""
        check_position(lat, lon)
        if not 0.0 <= radius_m < math.inf:
            raise ValueError(f"radius_m must be finite and not negative, got {radius_m}")
        if limit < 1:
            raise ValueError(f"limit must be at least 1, got {limit}")
        self._queries += 1
        self._expire(self._clock())
        slots = self._candidates(lat, lon, radius_m)
        if not len(slots):
            return []
        lats, lons = np.frombuffer(self._lats), np.frombuffer(self._lons)
        distances = haversine_many_m(lat, lon, lats[slots], lons[slots])
        inside = np.flatnonzero(distances <= radius_m)
        nearest = inside[_smallest(distances[inside], limit)]
        return [
            Near(self._keys[slot], distance, self._fixes[slot])
            for slot, distance in zip(slots[nearest].tolist(), distances[nearest].tolist(), strict=True)
        ]

    async def flush(self) -> None:
        """Nothing waits: memory has every write at once."""

    def statistics(self) -> GeoStatistics:
        """Counters since the start and sizes now."""
        self._expire(self._clock())
        return GeoStatistics(
            entries=len(self._slots),
            remembered=len(self._removed),
            cells=len(self._cells),
            taken=self._taken,
            older=self._older,
            expired=self._expired,
            evicted=self._evicted,
            queries=self._queries,
        )

    def _candidates(
        self, lat: float, lon: float, radius_m: float
    ) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
        cells = self._grid.covering(lat, lon, radius_m, at_most=max(16, len(self._cells)))
        if cells is None:
            return np.fromiter(self._slots.values(), np.intp, len(self._slots))
        found: list[int] = []
        for cell in cells:
            members = self._cells.get(cell)
            if members:
                found.extend(members)
        return np.array(found, np.intp)

    def _enter(self, key: K, fix: Fix, now: float) -> None:
        if len(self._slots) >= self._max_entries:
            self._leave(next(iter(self._slots)))
            self._evicted += 1
        cell = self._grid.cell(fix.lat, fix.lon)
        if self._free:
            slot = self._free.pop()
            self._keys[slot], self._fixes[slot] = key, fix
            self._lats[slot], self._lons[slot] = fix.lat, fix.lon
            self._seen[slot], self._cell_of[slot] = now, cell
        else:
            slot = len(self._keys)
            self._keys.append(key)
            self._fixes.append(fix)
            self._lats.append(fix.lat)
            self._lons.append(fix.lon)
            self._seen.append(now)
            self._cell_of.append(cell)
        self._slots[key] = slot
        self._cells.setdefault(cell, set()).add(slot)

    def _move(self, slot: int, fix: Fix, now: float) -> None:
        self._fixes[slot] = fix
        self._lats[slot] = fix.lat
        self._lons[slot] = fix.lon
        self._seen[slot] = now
        cell = self._grid.cell(fix.lat, fix.lon)
        if cell != self._cell_of[slot]:
            self._leave_cell(slot)
            self._cell_of[slot] = cell
            self._cells.setdefault(cell, set()).add(slot)

    def _leave(self, key: K) -> None:
        slot = self._slots.pop(key)
        self._leave_cell(slot)
        self._free.append(
            slot
        )  # the key and the fix stay in their slots until it is used again: bounded, and not found

    def _leave_cell(self, slot: int) -> None:
        cell = self._cell_of[slot]
        members = self._cells[cell]
        members.discard(slot)
        if not members:
            del self._cells[cell]

    def _expire(self, now: float) -> None:
        """Let the silent go. What is silent stands in front, so this costs nothing when nobody is."""
        before = now - self._expire_s
        while self._slots:
            key = next(iter(self._slots))
            if self._seen[self._slots[key]] >= before:
                break
            self._leave(key)
            self._expired += 1
        while self._removed and next(iter(self._removed.values()))[1] < before:
            self._removed.popitem(last=False)


def _smallest(distances: Floats, limit: int) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """Where the smallest ``limit`` distances stand, in rising order."""
    if len(distances) <= limit:
        return np.argsort(distances, kind="stable")
    some = np.argpartition(distances, limit - 1)[:limit]
    return some[np.argsort(distances[some], kind="stable")]
