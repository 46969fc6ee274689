"""Draining: a node that takes no new clients and moves those that it has to other nodes, a few at a time.

From its first moment on the node refuses handshakes, is not ready, and is named by no gateway. Each client is told to
go on elsewhere; see `stompede.server.moving`. What has positions is recovered there; what is not acknowledged is
delivered to others.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, final

import msgspec
import structlog

if TYPE_CHECKING:
    from stompede.server.node import Node

log = structlog.get_logger("stompede.drain")
_TURN_S: Final = 0.1


class DrainOrder(msgspec.Struct, frozen=True, rename="camel", tag_field="do", tag="drain"):
    """How a node is to be drained.

    Attributes:
        rate_per_s: sessions that are moved in a second.
        within_s: whoever is left then is moved at once.
    """

    rate_per_s: float = 500
    within_s: float = 300


class DrainStatistics(msgspec.Struct, frozen=True, rename="camel"):
    """What `Drain.statistics` tells.

    Attributes:
        draining: whether the node drains, or has drained.
        moved: sessions that were moved.
    """

    draining: bool
    moved: int


@final
class Drain:
    """The draining of one node.

    Args:
        node: the node.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._task: asyncio.Task[None] | None = None
        self._moved = 0
        self.draining = False

    def statistics(self) -> DrainStatistics:
        """Figures of now and since the start."""
        return DrainStatistics(self.draining, self._moved)

    def begin(self, order: DrainOrder) -> None:
        """Drains from now on. Again: by the new order."""
        self.draining = True
        log.info(
            "draining",
            sessions=len(self._node.sessions),
            rate_per_s=order.rate_per_s,
            within_s=order.within_s,
        )
        if self._node.attendance.reporter is not None:
            self._node.attendance.reporter.refresh_soon()
        self.end()
        self._task = asyncio.get_running_loop().create_task(self._run(order), name="stompede drain")

    async def wait(self) -> None:
        """Waits until nobody is left, or all were told to go."""
        if self._task is not None:
            await asyncio.wait([self._task])

    def end(self) -> None:
        """Nobody else is moved; the node goes on to take nobody. Idempotent."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _run(self, order: DrainOrder) -> None:
        node = self._node
        ends_at = node.now() + order.within_s
        due = 0.0
        while node.transports:
            due = min(due + order.rate_per_s * _TURN_S, max(1.0, order.rate_per_s))
            count = len(node.transports) if node.now() >= ends_at else int(due)
            due -= count
            await self._move(count)
            await asyncio.sleep(_TURN_S)
        log.info("drained", moved=self._moved)

    async def _move(self, count: int) -> None:
        node = self._node
        for session in list(node.transports)[:count]:
            if session.closed:
                continue
            self._moved += 1
            await node.mover.move(session, "this node is being drained; go on at another one")
