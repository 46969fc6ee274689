"""A simulated rider: rides to a random place, stops there for a while, rides on; and says where a receiver
would put it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from random import Random
from typing import Final, final

import msgspec

from stompede.apps.location.messages import WorkStatus

from .ride import Ride
from .streets import XY, Streets

NOISE_M: Final = 3.0
"""Standard deviation of the position error along each axis, metres; a phone under an open sky has 3 to 5."""

MAX_NOISE_M: Final = 3.0 * NOISE_M
"""The error along each axis never exceeds this."""

_NOISE_MEMORY_S: Final = 20.0
_SHORTEST_RIDE_M: Final = 200.0
_PAUSE_S: Final = (15.0, 60.0)


class Step(msgspec.Struct, frozen=True):
    """One report of a rider.

    Attributes:
        due_s: when to send it, seconds after the start of the simulation.
        status: where the rider stands in the shift.
        lat: degrees.
        lon: degrees.
    """

    due_s: float
    status: WorkStatus
    lat: float
    lon: float


@final
class ReceiverNoise:
    """The error of a satellite receiver: it wanders, so that neighbouring fixes err alike.

    An Ornstein-Uhlenbeck process per axis, sampled exactly at any interval.
    """

    def __init__(self, random: Random) -> None:
        self._random = random
        self._x = random.gauss(0.0, NOISE_M)
        self._y = random.gauss(0.0, NOISE_M)

    def after(self, seconds: float) -> XY:
        """The error ``seconds`` later, metres east and north."""
        kept = math.exp(-seconds / _NOISE_MEMORY_S)
        fresh = NOISE_M * math.sqrt(1.0 - kept * kept)
        self._x = self._x * kept + self._random.gauss(0.0, fresh)
        self._y = self._y * kept + self._random.gauss(0.0, fresh)
        return _bounded(self._x), _bounded(self._y)


def _bounded(error_m: float) -> float:
    return max(-MAX_NOISE_M, min(MAX_NOISE_M, error_m))


@final
class StreetRider:
    """A rider on the streets of a map.

    The same map, rider and seed give the same movement, as long as the intervals are the same.

    Args:
        streets: where to ride.
        rider_id: who; it is part of the seed.
        seed: another seed gives other rides.
    """

    def __init__(self, streets: Streets, rider_id: int, seed: int) -> None:
        # Movement for a demonstration, not secrets. A text as seed is hashed the same way on every machine.
        self._random = Random(f"{seed}:{rider_id}")  # noqa: S311
        self._streets = streets
        self._pace = self._random.uniform(0.85, 1.1)
        self._noise = ReceiverNoise(self._random)
        self._node = self._random.choice(streets.nodes)
        self._pause_s = 0.0
        self._ride: Ride | None = None

    @property
    def place(self) -> XY:
        """Where the rider really is, metres east and north of the map's middle."""
        return self._ride.place if self._ride else self._streets.place(self._node)

    @property
    def speed_mps(self) -> float:
        """How fast the rider really goes."""
        return self._ride.speed_mps if self._ride else 0.0

    @property
    def paused(self) -> bool:
        """Whether the rider stands at a stop: something is picked up or dropped off."""
        return self._ride is None

    def advance(self, seconds: float) -> None:
        """Let time pass for the rider."""
        while seconds > 1e-9:
            if self._ride is None:
                waited = min(self._pause_s, seconds)
                self._pause_s -= waited
                seconds -= waited
                if self._pause_s <= 1e-9:
                    self._ride = self._next_ride()
                continue
            seconds = self._ride.advance(seconds)
            if self._ride.arrived:
                self._ride = None
                self._pause_s = self._random.uniform(*_PAUSE_S)

    def _next_ride(self) -> Ride:
        start = self._node
        for _ in range(10):
            self._node = self._random.choice(self._streets.nodes)
            if math.dist(self._streets.place(start), self._streets.place(self._node)) >= _SHORTEST_RIDE_M:
                break
        while self._node == start:
            self._node = self._random.choice(self._streets.nodes)
        return Ride(self._streets.quickest(start, self._node), self._pace)

    def received_after(self, seconds: float) -> tuple[float, float]:
        """Let time pass, and say latitude and longitude as the rider's receiver has them."""
        self.advance(seconds)
        x, y = self.place
        error_x, error_y = self._noise.after(seconds)
        return self._streets.to_degrees(x + error_x, y + error_y)

    def steps(self, interval_s: float, *, speed: float = 1.0, phase_s: float = 0.0) -> Iterator[Step]:
        """The rider's reports without end: INIT, then WORKING, and PAUSED at stops.

        Args:
            interval_s: seconds between two reports.
            speed: how much faster than real time the rider moves.
            phase_s: when the first report is due.
        """
        status, passed_s, count = WorkStatus.INIT, 0.0, 0
        while True:
            lat, lon = self.received_after(passed_s)
            if count:
                status = WorkStatus.PAUSED if self.paused else WorkStatus.WORKING
            yield Step(phase_s + count * interval_s, status, round(lat, 6), round(lon, 6))
            passed_s = interval_s * speed
            count += 1
