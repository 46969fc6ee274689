"""Streets that a rider can take, and the quickest way along them.

The map is a GeoJSON collection with one LineString per edge and the properties ``u``, ``v``, ``highway``,
``oneway`` (1: only u to v) and perhaps ``maxspeed_kmh``. Inside, places are metres east and north of the
map's middle: over a city of a few kilometres the plane is exact to centimetres, and straight lines are cheap
to walk along.
"""

from __future__ import annotations

import gzip
import heapq
import json
import math
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib import resources
from itertools import pairwise
from typing import Any, Final, final

import msgspec

from stompede.apps.location.positions import EARTH_RADIUS_M

SPEED_KMH: Final[Mapping[str, float]] = {
    "primary": 40,
    "primary_link": 30,
    "secondary": 40,
    "secondary_link": 30,
    "tertiary": 35,
    "tertiary_link": 30,
    "unclassified": 30,
    "residential": 30,
    "living_street": 15,
    "service": 15,
    "cycleway": 18,
    "pedestrian": 6,
}
"""What a scooter or a bicycle rides in town where no limit is tagged, by OpenStreetMap's road class; others
are not ridden.
"""

_FASTEST_KMH: Final = 60.0
"""No tagged limit is ridden faster than this."""

XY = tuple[float, float]


class Arc(msgspec.Struct, frozen=True):
    """One edge in one direction of travel.

    Attributes:
        start: index of the node where it begins.
        end: index of the node where it ends.
        speed_mps: how fast it is ridden, metres a second.
        seconds: how long it takes at that speed.
        line: its corners with both ends, metres east and north of the map's middle.
    """

    start: int
    end: int
    speed_mps: float
    seconds: float
    line: tuple[XY, ...]


@final
class Streets:
    """A street network in which every node can be reached from every other one.

    Args:
        edges: GeoJSON features as the module describes them.

    Raises:
        ValueError: there are no streets that can be ridden.
    """

    def __init__(self, edges: Iterable[Mapping[str, Any]]) -> None:
        ridden = [edge for edge in edges if edge["properties"]["highway"] in SPEED_KMH]
        if not ridden:
            raise ValueError("the map has no streets that can be ridden")
        corners = [corner for edge in ridden for corner in edge["geometry"]["coordinates"]]
        self._lon0 = (min(c[0] for c in corners) + max(c[0] for c in corners)) / 2.0
        self._lat0 = (min(c[1] for c in corners) + max(c[1] for c in corners)) / 2.0
        self._north_m = math.radians(1.0) * EARTH_RADIUS_M
        self._east_m = self._north_m * math.cos(math.radians(self._lat0))
        indices: dict[int, int] = {}
        arcs = [arc for edge in ridden for arc in self._arcs(edge, indices)]
        self.arcs_from: Final = _strongly_connected(arcs, len(indices))
        self.nodes: Final = sorted({arc.start for arcs in self.arcs_from for arc in arcs})
        if not self.nodes:
            raise ValueError("no two places of the map reach each other")
        self._xy: dict[int, XY] = {arc.start: arc.line[0] for arcs in self.arcs_from for arc in arcs}
        self._fastest_mps = max(arc.speed_mps for arcs in self.arcs_from for arc in arcs)

    def _arcs(self, edge: Mapping[str, Any], indices: dict[int, int]) -> Iterable[Arc]:
        properties = edge["properties"]
        u = indices.setdefault(properties["u"], len(indices))
        v = indices.setdefault(properties["v"], len(indices))
        line = tuple(self.to_metres(lat, lon) for lon, lat in edge["geometry"]["coordinates"])
        length = sum(math.dist(a, b) for a, b in pairwise(line))
        speed = min(properties.get("maxspeed_kmh") or SPEED_KMH[properties["highway"]], _FASTEST_KMH) / 3.6
        yield Arc(u, v, speed, length / speed, line)
        if not properties["oneway"]:
            yield Arc(v, u, speed, length / speed, line[::-1])

    def to_metres(self, lat: float, lon: float) -> XY:
        """Degrees to metres east and north of the map's middle."""
        return (lon - self._lon0) * self._east_m, (lat - self._lat0) * self._north_m

    def to_degrees(self, x: float, y: float) -> tuple[float, float]:
        """Metres east and north of the map's middle to latitude and longitude."""
        return self._lat0 + y / self._north_m, self._lon0 + x / self._east_m

    def place(self, node: int) -> XY:
        """Where a node is, metres east and north of the map's middle."""
        return self._xy[node]

    def quickest(self, start: int, goal: int) -> list[Arc]:
        """The quickest way between two of `nodes`; empty when they are the same.

        A* (Hart, Nilsson, Raphael, 1968) with the straight line at the map's highest speed as the lower
        bound.
        """
        goal_xy = self._xy[goal]
        came: dict[int, Arc] = {}
        cost = {start: 0.0}
        done: set[int] = set()
        heap = [(0.0, start)]
        while heap:
            _, node = heapq.heappop(heap)
            if node == goal:
                break
            if node in done:
                continue
            done.add(node)
            for arc in self.arcs_from[node]:
                reached = cost[node] + arc.seconds
                if reached < cost.get(arc.end, math.inf):
                    cost[arc.end] = reached
                    came[arc.end] = arc
                    bound = math.dist(self._xy[arc.end], goal_xy) / self._fastest_mps
                    heapq.heappush(heap, (reached + bound, arc.end))
        way: list[Arc] = []
        node = goal
        while node != start:
            way.append(came[node])
            node = came[node].start
        return way[::-1]


def _strongly_connected(arcs: list[Arc], nodes: int) -> list[list[Arc]]:
    """Arcs by start node, without those that lead out of the largest part where everything reaches
    everything.
    """
    forward: list[list[int]] = [[] for _ in range(nodes)]
    backward: list[list[int]] = [[] for _ in range(nodes)]
    for arc in arcs:
        forward[arc.start].append(arc.end)
        backward[arc.end].append(arc.start)
    largest: set[int] = set()
    left = set(range(nodes))
    while len(left) > len(largest):
        seed = min(left)
        part = _reached(seed, forward) & _reached(seed, backward)
        left -= part
        if len(part) > len(largest):
            largest = part
    by_start: list[list[Arc]] = [[] for _ in range(nodes)]
    for arc in arcs:
        if arc.start in largest and arc.end in largest and arc.start != arc.end:
            by_start[arc.start].append(arc)
    return by_start


def _reached(seed: int, neighbours: list[list[int]]) -> set[int]:
    reached = {seed}
    waiting = [seed]
    while waiting:
        for neighbour in neighbours[waiting.pop()]:
            if neighbour not in reached:
                reached.add(neighbour)
                waiting.append(neighbour)
    return reached


@lru_cache(maxsize=1)
def built_in_city() -> Streets:
    """Helsinki's centre, © OpenStreetMap contributors (ODbL); it comes with the package."""
    packed = resources.files("stompede.apps.location").joinpath("data/helsinki-roads.geojson.gz").read_bytes()
    return Streets(json.loads(gzip.decompress(packed))["features"])
