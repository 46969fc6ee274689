"""The built-in city, as the map of the page draws it and the simulation rides on it: one file for both."""

from __future__ import annotations

import functools
import gzip
import hashlib
from importlib.resources import files
from typing import Final, final

import msgspec

NAME: Final = "Helsinki"
BOUNDS: Final = (24.935184, 60.164158, 24.953413, 60.179096)
"""West, south, east and north of the streets, in degrees."""
ATTRIBUTION: Final = '<a href="https://www.openstreetmap.org/copyright">© OpenStreetMap contributors</a>'
"""What the Open Database License wants shown beside the map; HTML."""


@final
class CityMap(msgspec.Struct, frozen=True):
    """The streets as GeoJSON, in both forms that a browser may ask for.

    Attributes:
        packed: gzip, as the package carries it.
        etag: entity tag of the content.
    """

    packed: bytes
    etag: str

    def plain(self) -> bytes:
        """The GeoJSON text, for the rare client that takes no gzip."""
        return gzip.decompress(self.packed)


@functools.cache
def city_map() -> CityMap:
    """Read the streets; once, on the first request that wants them."""
    packed = files("stompede.apps.location").joinpath("data", "helsinki-roads.geojson.gz").read_bytes()
    return CityMap(packed=packed, etag=hashlib.sha256(packed).hexdigest()[:20])
