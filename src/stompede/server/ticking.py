"""The clock of a node: one timer for all that is due."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, final

import structlog

from stompede._traceback import traceback_of
from stompede.server.deadlines import RESOLUTION_S
from stompede.server.session.taking import due, stuck

if TYPE_CHECKING:
    from stompede.server.node import Node

_ASKED_AT_ONCE: Final = 50
_SMOOTH: Final = 0.2
_LONG_S: Final = 60.0  # a clock that jumped tells nothing

log = structlog.get_logger("stompede.node")


@final
class Ticker:
    """Looks four times a second at what is due: deadlines of sessions and transports, and once a second what has none.

    Args:
        node: whose time it is.
        transports: what of them is due.

    Attributes:
        lag_s: how late the last tick was, on the node's clock.
        cpu: what the process used of a core lately, 1.0 for all of it.
    """

    def __init__(self, node: Node, transports: Callable[[], None]) -> None:
        self._node = node
        self._transports = transports
        self._loop: asyncio.AbstractEventLoop
        self._timer: asyncio.TimerHandle | None = None
        self._second = 0
        self.lag_s = self.cpu = 0.0
        self._measured_at = self._used_s = 0.0

    @property
    def ticking(self) -> bool:
        """Whether it was started and not stopped."""
        return self._timer is not None

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Ticks from now on, on this loop."""
        self._loop = loop
        self._tick(self._node.now())

    def stop(self) -> None:
        """Ticks no more. Idempotent."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self, expected: float) -> None:
        now = self._node.now()
        self.lag_s = max(0.0, now - expected)
        try:
            self._node.deadlines.expire(now)
            self._transports()
            second = int(now)
            if second != self._second:
                self._second = second
                self._each_second(now)
            self._look_at_full(now)
        except Exception as error:
            log.error("the node's clock failed", exception=traceback_of(error))
        self._timer = self._loop.call_later(RESOLUTION_S, self._tick, now + RESOLUTION_S)

    def _measure(self, now: float) -> None:
        """Smooths over some seconds: a gateway must not run after each peak."""
        used_s, passed_s = time.process_time(), now - self._measured_at
        if 0 < passed_s < _LONG_S:
            self.cpu += _SMOOTH * ((used_s - self._used_s) / passed_s - self.cpu)
        self._measured_at, self._used_s = now, used_s

    def _each_second(self, now: float) -> None:
        node = self._node
        node.runner.expire(self._loop.time())
        node.queues.each_second()
        node.histories.store.tidy(now)
        node.histories.each_second()
        if node.probe is not None:
            node.probe.each_second(now)
        self._measure(now)
        if node.attendance.reporter is not None:
            node.attendance.reporter.each_second(now)
        node.verifier.tick(node.unix_now())
        if node.verifier.refresh_due(node.unix_now()):
            node.spawn(node.verifier.refresh(node.unix_now()), "keys could not be refreshed")
        if node.presence is not None:
            node.presence.each_second(now)

    def _look_at_full(self, now: float) -> None:
        """Asks full sockets, some of them at a time: a thousand that have filled up at once must not keep the loop."""
        asked = 0
        taken_nothing = []
        for session in self._node.blocked:
            if due(session, now):
                asked += 1
                if stuck(session, now):
                    taken_nothing.append(session.outbox)
                if asked == _ASKED_AT_ONCE:
                    break
        if taken_nothing:
            self._node.hub.cut(taken_nothing)
