"""What riders send, and what those who follow them get."""

from __future__ import annotations

import enum
from datetime import UTC, datetime
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from .positions import MAX_RIDER_ID

_SECONDS_END: Final = 100_000_000_000.0
"""A number from here on counts milliseconds: as seconds it would be the year 5138, as milliseconds it is
1973.
"""

_FIRST_S: Final = datetime.min.replace(tzinfo=UTC).timestamp()
"""No `datetime` in UTC is older: east of Greenwich the year 1 begins in what UTC calls the year 0."""

RiderId = Annotated[int, Meta(ge=0, le=MAX_RIDER_ID, description="Whole number that names the rider.")]
Longitude = Annotated[float, Meta(ge=-180, le=180, description="Degrees east, WGS 84.")]
Latitude = Annotated[float, Meta(ge=-90, le=90, description="Degrees north, WGS 84.")]
EpochNumber = Annotated[float, Meta(ge=0, le=1e13, description="Seconds or milliseconds of the Unix epoch.")]


class WorkStatus(enum.Enum):
    """Where a rider stands in the shift: it begins with INIT and ends with DONE."""

    INIT = "INIT"
    WORKING = "WORKING"
    PAUSED = "PAUSED"
    DONE = "DONE"


class Point(msgspec.Struct, frozen=True):
    """A place on the map, as map programs write it: x to the east, y to the north.

    Attributes:
        x: longitude in degrees.
        y: latitude in degrees.
    """

    x: Longitude
    y: Latitude


class Commute(msgspec.Struct, frozen=True, rename="camel"):
    """A rider's report.

    Attributes:
        rider_id: who reports.
        work_status: where the rider stands in the shift.
        data: where the rider is.
        at: when the rider was there: ISO 8601 (UTC where it names no offset), or a number of seconds or
            milliseconds of the Unix epoch. Left out, it is the time when the report arrives.
    """

    rider_id: RiderId
    work_status: WorkStatus
    data: Point
    at: datetime | EpochNumber | None = None


class CommuteAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """The answer to a rider's report: it has been dealt with, be it new or too old to count."""

    rider_id: RiderId


class RiderUpdate(msgspec.Struct, frozen=True, rename="camel"):
    """One rider moved: what ``/topic/rider/{riderId}`` carries.

    Attributes:
        rider_id: who moved.
        work_status: where the rider stands in the shift; after DONE no more updates come.
        data: where the rider is.
        at: when the rider was there, UTC.
    """

    rider_id: RiderId
    work_status: WorkStatus
    data: Point
    at: datetime


class RiderOnMap(msgspec.Struct, frozen=True, rename="camel"):
    """One rider among many; the same facts as `RiderUpdate`, flat."""

    rider_id: RiderId
    work_status: WorkStatus
    x: Longitude
    y: Latitude
    at: datetime


class RidersMoved(msgspec.Struct, frozen=True):
    """The riders that moved since the last batch: what ``/topic/riders`` carries."""

    riders: list[RiderOnMap]


def moment(at: datetime | float | None, now: float, max_ahead_s: float) -> float:
    """The time a report is from, in seconds of the Unix epoch.

    A clock that runs ahead would make all later reports of a corrected clock look old. So a time more than
    ``max_ahead_s`` after ``now`` counts as ``now``.

    Args:
        at: as `Commute.at` has it.
        now: the time of arrival, seconds of the Unix epoch.
        max_ahead_s: how far ahead a rider's clock may run, seconds.
    """
    if at is None:
        return now
    if isinstance(at, datetime):
        seconds = (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
        seconds = max(seconds, _FIRST_S)
    else:
        seconds = at / 1000.0 if at >= _SECONDS_END else float(at)
    return seconds if seconds <= now + max_ahead_s else now


def utc(seconds: float) -> datetime:
    """Seconds of the Unix epoch as a time in UTC."""
    return datetime.fromtimestamp(seconds, UTC)
