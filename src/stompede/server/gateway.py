"""Where a new client should connect: the node is chosen of those that are alive, ready and not draining.

Of two that are drawn by chance the one with less load is taken: nearly as even as asking all, and many gateways that
know the same figures do not all send to the same node (Mitzenmacher, "The Power of Two Choices in Randomized Load
Balancing", 1996). What was sent to a node since its figures were read counts as its sessions.

With a key, clients of one key come to one node: to the one that the routing table names, else by rendezvous hashing
(Thaler and Ravishankar, 1998), so that a node which comes or goes moves its own keys alone. With a place, to the nodes
that are nearest to it.
"""

from __future__ import annotations

import hashlib
import math
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, final

import msgspec
import structlog

from stompede.errors import BusError
from stompede.registry import NodeInfo, SessionRegistry

log = structlog.get_logger("stompede.gateway")
_FRESH_S: Final = 1.0
_STALE_S: Final = 10.0  # a registry that is away for longer is believed no more
_CPU_APART: Final = 0.15  # nodes whose use of a core differs by less are compared by their sessions
_NEAR: Final = 1.2  # nodes that are at most so many times as far as the nearest one are near, too
_NEAR_KM: Final = 50.0


class GatewayStatistics(msgspec.Struct, frozen=True, rename="camel"):
    """What `Gateway.statistics` tells.

    Attributes:
        answered: clients that were sent to a node.
        unanswered: times that there was none.
    """

    answered: int
    unanswered: int


@final
class Gateway:
    """Chooses nodes for clients.

    Args:
        registry: knows the nodes; ``None`` where this one is alone.
        own: what this node tells of itself.
        routed: the URL that the routing table has for a key; ``None`` without one.
        now: the node's clock.
        unix_now: seconds of the Unix epoch.
    """

    def __init__(
        self,
        registry: SessionRegistry | None,
        own: Callable[[], NodeInfo],
        routed: Callable[[str], Awaitable[str | None]] | None,
        now: Callable[[], float],
        unix_now: Callable[[], float],
    ) -> None:
        self._registry = registry
        self._own = own
        self._routed = routed
        self._now = now
        self._unix_now = unix_now
        self._nodes: list[NodeInfo] = []
        self._read_at = self._asked_at = -math.inf
        self._reading = False
        self._sent: Counter[str] = Counter()
        self._chance = random.Random()  # noqa: S311 - spreads load, no secret
        self._answered = self._unanswered = 0

    def statistics(self) -> GatewayStatistics:
        """Figures since the start."""
        return GatewayStatistics(self._answered, self._unanswered)

    async def nodes(self) -> list[NodeInfo]:
        """All nodes that are alive, this one included, by their start."""
        if self._registry is None:
            return [self._own()]
        return sorted(await self._registry.nodes(now=self._unix_now()), key=lambda node: node.id)

    async def choose(
        self, *, key: str | None = None, near: tuple[float, float] | None = None, besides: str | None = None
    ) -> NodeInfo | None:
        """A node for a client; ``None`` where there is none.

        Args:
            key: clients of one key come to one node.
            near: latitude and longitude in degrees.
            besides: id of a node that it must not be.
        """
        nodes = [
            node for node in await self._known() if node.ready and not node.draining and node.id != besides
        ]
        chosen = await self._of_key(nodes, key) if key is not None else self._of_two(_nearest(nodes, near))
        if chosen is None:
            self._unanswered += 1
        else:
            self._answered += 1
            self._sent[chosen.id] += 1
        return chosen

    async def _known(self) -> Sequence[NodeInfo]:
        """The nodes, as they were at most about a second ago; one reads, the others take what is there."""
        now = self._now()
        if now - self._asked_at < _FRESH_S or (self._reading and self._nodes):
            return self._nodes
        self._reading = True
        try:
            self._nodes = await self.nodes()
            self._read_at = self._asked_at = now
            self._sent.clear()
        except BusError as error:
            self._asked_at = self._now()  # it may have taken seconds to fail: not everybody waits for that
            log.warning("the registry does not answer", error=str(error))
            if now - self._read_at > _STALE_S:
                self._nodes = [self._own()]  # of which this node knows without asking
        finally:
            self._reading = False
        return self._nodes

    async def _of_key(self, nodes: Sequence[NodeInfo], key: str) -> NodeInfo | None:
        try:
            url = None if self._routed is None else await self._routed(key)
        except BusError:
            url = None
        for node in nodes:
            if node.url == url:
                return node
        return max(nodes, key=lambda node: _weight(node.id, key), default=None)

    def _of_two(self, nodes: Sequence[NodeInfo]) -> NodeInfo | None:
        if len(nodes) < 2:
            return nodes[0] if nodes else None
        one, other = self._chance.sample(nodes, 2)
        if abs(one.cpu - other.cpu) > _CPU_APART:
            return one if one.cpu < other.cpu else other
        return one if self._sessions(one) <= self._sessions(other) else other

    def _sessions(self, node: NodeInfo) -> int:
        return node.sessions + self._sent[node.id]


def _weight(node_id: str, key: str) -> bytes:
    return hashlib.blake2b(f"{node_id}\0{key}".encode(), digest_size=8).digest()


def _nearest(nodes: Sequence[NodeInfo], near: tuple[float, float] | None) -> Sequence[NodeInfo]:
    """Those near a place; all, where nobody said where they stand."""
    placed = [
        (distance_km(near, node.place), node) for node in nodes if near is not None and node.place is not None
    ]
    if not placed:
        return nodes
    least = min(distance for distance, _ in placed)
    return [node for distance, node in placed if distance <= max(least * _NEAR, _NEAR_KM)]


def distance_km(one: tuple[float, float] | None, other: tuple[float, float] | None) -> float:
    """Great-circle distance by the haversine formula, on a sphere of 6,371 km."""
    assert one is not None
    assert other is not None
    (lat, lon), (other_lat, other_lon) = (map(math.radians, place) for place in (one, other))
    half = math.sin((other_lat - lat) / 2) ** 2
    half += math.cos(lat) * math.cos(other_lat) * math.sin((other_lon - lon) / 2) ** 2
    return 2 * 6371 * math.asin(min(1.0, math.sqrt(half)))
