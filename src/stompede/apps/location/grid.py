"""A grid over the whole earth whose cells are about equally large everywhere.

The earth is cut into bands of equal height. Each band is cut into as many equal cells as fit around its
**widest** circle, so that a cell is about as wide as high, at 60 degrees north as at the equator; the band at
a pole has a handful. The number of cells of a band is whole, so the last one ends exactly at the antimeridian
where the first one begins.

A cell is one number, ``band * STRIDE + column``: dictionaries are quicker with whole numbers than with pairs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final, final

from .positions import EARTH_RADIUS_M, half_width_deg

STRIDE: Final = 1 << 32
_SLACK_DEG: Final = 1e-6  # 0.1 m: rounding must not lose a cell at the rim of a circle


@final
class Grid:
    """Cells of about ``cell_m`` metres.

    Args:
        cell_m: wanted height and width of a cell, metres.
    """

    __slots__ = ("_bands_per_deg", "_columns", "bands")

    def __init__(self, cell_m: float) -> None:
        if not 1.0 <= cell_m <= 1_000_000.0:
            raise ValueError(f"cell_m must lie within 1 and 1,000,000 metres, got {cell_m}")
        self.bands: Final = max(1, round(math.pi * EARTH_RADIUS_M / cell_m))
        self._bands_per_deg = self.bands / 180.0
        self._columns: dict[int, int] = {}
        # Filled on demand: a city needs a few of the forty thousand bands.

    def cell(self, lat: float, lon: float) -> int:
        """The cell that a place lies in."""
        band = self._band(lat)
        columns = self._columns.get(band) or self.columns(band)
        return band * STRIDE + int((lon + 180.0) * columns / 360.0) % columns

    def columns(self, band: int) -> int:
        """How many cells a band has around the earth."""
        columns = self._columns.get(band)
        if columns is None:
            south = band / self._bands_per_deg - 90.0
            north = (band + 1) / self._bands_per_deg - 90.0
            nearest_equator = 0.0 if south <= 0.0 <= north else min(abs(south), abs(north))
            # Twice as many cells around (360 degrees) as bands (180) make a square cell at the equator.
            columns = max(1, math.floor(2 * self.bands * math.cos(math.radians(nearest_equator))))
            self._columns[band] = columns
        return columns

    def _band(self, lat: float) -> int:
        return min(self.bands - 1, max(0, int((lat + 90.0) * self._bands_per_deg)))

    def covering(self, lat: float, lon: float, radius_m: float, at_most: int) -> list[int] | None:
        """The cells that a circle may touch, each once; ``None`` when there are more than ``at_most``.

        The box around the circle is covered, so some cells at its corners lie outside.
        """
        height = math.degrees(radius_m / EARTH_RADIUS_M) + _SLACK_DEG
        width = half_width_deg(lat, radius_m) + _SLACK_DEG
        first, last = self._band(lat - height), self._band(lat + height)
        if last - first >= at_most:
            return None
        cells: list[int] = []
        for band in range(first, last + 1):
            across = self._across(band, lon, width)
            if len(cells) + len(across) > at_most:
                return None
            cells.extend(across)
        return cells

    def _across(self, band: int, lon: float, width: float) -> range | list[int]:
        columns = self.columns(band)
        start = band * STRIDE
        per_deg = columns / 360.0
        west = math.floor((lon - width + 180.0) * per_deg)
        east = math.floor((lon + width + 180.0) * per_deg)
        if east - west + 1 >= columns:
            return range(start, start + columns)
        if west >= 0 and east < columns:
            return range(start + west, start + east + 1)
        return list(_wrapped(start, west, east, columns))


def _wrapped(start: int, west: int, east: int, columns: int) -> Iterator[int]:
    """Columns of a stretch that crosses the antimeridian."""
    for column in range(west, east + 1):
        yield start + column % columns
