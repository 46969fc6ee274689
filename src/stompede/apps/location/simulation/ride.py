"""One ride along a route: how fast at each place, so that corners, limits and the end are met at a speed that
can be ridden.

The speed that a corner allows is carried backwards along the route by the braking distance, ``v² = v_next² +
2·b·d``; forwards a rider gains at most the acceleration. This is the usual trapezoid of motion planning, with
one pass over the corners.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Final, final

from .streets import XY, Arc

ACCELERATION_MPS2: Final = 1.2
BRAKING_MPS2: Final = 2.0
STEP_S: Final = 0.5
_CREEP_MPS: Final = 0.5  # so that the last centimetres before a stop end
_CORNER_MPS: Final = 8.0  # a bend without a name; a right angle gets half of it
_STRAIGHT_RAD: Final = math.radians(20)


@final
class Ride:
    """A ride from standstill at the start of a route to standstill at its end.

    Args:
        route: arcs, each beginning where the one before ends.
        pace: this rider's speed against the usual one, for example 0.9.
    """

    __slots__ = ("_along", "_at", "_line", "_steps", "speed_mps")

    def __init__(self, route: Sequence[Arc], pace: float) -> None:
        self._line: list[XY] = [route[0].line[0]]
        limits: list[float] = []
        for arc in route:
            for corner in arc.line[1:]:
                if corner != self._line[-1]:
                    self._line.append(corner)
                    limits.append(arc.speed_mps * pace)
        # For each stretch: its length, its limit, and the speed to have at its end.
        self._steps = _stretches(self._line, limits)
        self._at = 0
        self._along = 0.0
        self.speed_mps = 0.0

    @property
    def arrived(self) -> bool:
        """Whether the end of the route is reached."""
        return self._at >= len(self._steps)

    @property
    def place(self) -> XY:
        """Where the rider is, metres east and north of the map's middle."""
        if self.arrived:
            return self._line[-1]
        (x, y), (to_x, to_y) = self._line[self._at], self._line[self._at + 1]
        share = self._along / self._steps[self._at][0]
        return x + (to_x - x) * share, y + (to_y - y) * share

    def advance(self, seconds: float) -> float:
        """Ride on.

        Returns:
            The seconds that are left over because the ride ended before; 0 while it goes on.
        """
        while seconds > 1e-9 and not self.arrived:
            step = min(STEP_S, seconds)
            seconds -= step
            self._move(step)
        if self.arrived:
            self.speed_mps = 0.0
        return max(0.0, seconds) if self.arrived else 0.0

    def _move(self, step_s: float) -> None:
        length, limit, speed_at_end = self._steps[self._at]
        before_end = length - self._along
        allowed = math.sqrt(speed_at_end * speed_at_end + 2.0 * BRAKING_MPS2 * before_end)
        self.speed_mps = max(_CREEP_MPS, min(self.speed_mps + ACCELERATION_MPS2 * step_s, limit, allowed))
        self._along += self.speed_mps * step_s
        while self._along >= length:
            self._along -= length
            self._at += 1
            if self.arrived:
                return
            length = self._steps[self._at][0]


def _stretches(line: list[XY], limits: list[float]) -> list[tuple[float, float, float]]:
    lengths = [math.dist(a, b) for a, b in pairwise(line)]
    ends = [
        min(limits[i], limits[i + 1], _corner_speed(line[i], line[i + 1], line[i + 2]))
        for i in range(len(line) - 2)
    ]
    ends.append(0.0)
    for i in range(len(ends) - 2, -1, -1):
        ends[i] = min(ends[i], math.sqrt(ends[i + 1] ** 2 + 2.0 * BRAKING_MPS2 * lengths[i + 1]))
    return list(zip(lengths, limits, ends, strict=True))


def _corner_speed(before: XY, corner: XY, after: XY) -> float:
    turn = math.atan2(after[1] - corner[1], after[0] - corner[0]) - math.atan2(
        corner[1] - before[1], corner[0] - before[0]
    )
    turn = abs(math.remainder(turn, math.tau))
    if turn < _STRAIGHT_RAD:
        return math.inf
    return max(1.0, _CORNER_MPS * (1.0 - turn / math.pi))
