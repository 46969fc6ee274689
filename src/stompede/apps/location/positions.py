"""Positions on the earth: what is a valid one, how far two are apart. The one place that knows.

Degrees are WGS 84, latitude -90 to 90, longitude -180 to 180. A degree of longitude is 111 km at the equator,
55 km in Helsinki and nothing at the poles: nothing here may treat degrees as square, and -180 and 180 are the
same meridian.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt

EARTH_RADIUS_M: Final = 6_371_008.8
"""Mean radius of the earth, IUGG: (2a + b) / 3 of WGS 84."""

MAX_DISTANCE_M: Final = math.pi * EARTH_RADIUS_M
"""Half way around: no two places are farther apart."""

MAX_RIDER_ID: Final = 2**63 - 1
"""Rider ids are whole numbers from 0 to this, so that every store and every typed client can hold them."""

_AT_THE_POLE: Final = 1e-5
"""Within 64 m of a pole the cosine has too few digits left for `half_width_deg`; all longitudes are close
there anyway.
"""

Floats = npt.NDArray[np.float64]


def check_position(lat: float, lon: float) -> None:
    """Accept a place on the earth.

    Raises:
        ValueError: a coordinate is not finite or out of its range; the sentence says which.
    """
    if not -90.0 <= lat <= 90.0:  # NaN fails every comparison, so it ends here too
        raise ValueError(f"latitude must lie within -90 and 90, got {lat}")
    if not -180.0 <= lon <= 180.0:
        raise ValueError(f"longitude must lie within -180 and 180, got {lon}")


def haversine_m(lat1: float, lon1: float, lat2: float, lon2: float) -> float:
    """Great-circle distance of two places in metres, on a sphere of `EARTH_RADIUS_M`.

    The haversine formula (R. W. Sinnott, *Virtues of the Haversine*, 1984) keeps its digits for short
    distances; against the ellipsoid the sphere is off by at most 0.6 %.
    """
    phi1, phi2 = math.radians(lat1), math.radians(lat2)
    a = (
        math.sin((phi2 - phi1) / 2.0) ** 2
        + math.cos(phi1) * math.cos(phi2) * math.sin(math.radians(lon2 - lon1) / 2.0) ** 2
    )
    return 2.0 * EARTH_RADIUS_M * math.asin(min(1.0, math.sqrt(a)))


def haversine_many_m(lat: float, lon: float, lats: Floats, lons: Floats) -> Floats:
    """Distances in metres from one place to many, as `haversine_m` has them.

    Args:
        lat: the one place, degrees.
        lon: the one place, degrees.
        lats: shape (n,), degrees.
        lons: shape (n,), degrees.

    Returns:
        Shape (n,), metres.
    """
    phi = math.radians(lat)
    phis = np.radians(lats)
    a = np.sin((phis - phi) / 2.0) ** 2
    a += math.cos(phi) * np.cos(phis) * np.sin(np.radians(lons - lon) / 2.0) ** 2
    metres: Floats = 2.0 * EARTH_RADIUS_M * np.arcsin(np.minimum(1.0, np.sqrt(a)))
    return metres


def half_width_deg(lat: float, radius_m: float) -> float:
    """Half the width, in degrees of longitude, of the box around a circle; 180 where the circle holds a pole.

    Args:
        lat: the circle's centre, degrees.
        radius_m: the circle's radius along the ground.

    The box touches the circle where the meridian is tangent to it, not at the centre's own latitude:
    ``sin(width) = sin(radius / R) / cos(lat)``.
    """
    angle = radius_m / EARTH_RADIUS_M
    if abs(math.radians(lat)) + angle >= math.pi / 2.0 - _AT_THE_POLE:
        return 180.0
    return math.degrees(math.asin(min(1.0, math.sin(angle) / math.cos(math.radians(lat)))))
