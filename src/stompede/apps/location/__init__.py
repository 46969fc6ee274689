"""Live location: riders report where they are, customers see them move.

`install` adds it to an application; `MemoryGeoIndex` and its protocol `GeoIndex` say who is near.
"""

from .geo import Fix as Fix
from .geo import GeoIndex as GeoIndex
from .geo import GeoStatistics as GeoStatistics
from .geo import Near as Near
from .geo import Placed as Placed
from .install import install as install
from .memory import MemoryGeoIndex as MemoryGeoIndex
from .messages import Commute as Commute
from .messages import CommuteAnswer as CommuteAnswer
from .messages import Point as Point
from .messages import RiderOnMap as RiderOnMap
from .messages import RidersMoved as RidersMoved
from .messages import RiderUpdate as RiderUpdate
from .messages import WorkStatus as WorkStatus
from .positions import EARTH_RADIUS_M as EARTH_RADIUS_M
from .positions import haversine_m as haversine_m
from .settings import LocationSettings as LocationSettings
from .tracking import RiderTracking as RiderTracking

__all__ = [
    "EARTH_RADIUS_M",
    "Commute",
    "CommuteAnswer",
    "Fix",
    "GeoIndex",
    "GeoStatistics",
    "LocationSettings",
    "MemoryGeoIndex",
    "Near",
    "Placed",
    "Point",
    "RiderOnMap",
    "RiderTracking",
    "RiderUpdate",
    "RidersMoved",
    "WorkStatus",
    "haversine_m",
    "install",
]
