"""What is to be done once at the end of this turn of the loop, however often it was asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, final

import structlog

from stompede._traceback import traceback_of

log = structlog.get_logger("stompede.node")


class Pumping(Protocol):
    """What hands messages on."""

    def pump(self) -> None:
        """Hands on what can go now."""
        ...


@final
class Turns:
    """Those of one node that have something to hand on.

    Args:
        call_soon: the loop's ``call_soon``.
    """

    __slots__ = ("_call_soon", "_waiting")

    def __init__(self, call_soon: Callable[[Callable[[], None]], Any]) -> None:
        self._call_soon = call_soon
        self._waiting: dict[Pumping, None] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, what: Pumping) -> None:
        """``what`` is pumped soon, once."""
        waiting = self._waiting
        waiting[what] = None
        if len(waiting) == 1:
            self._call_soon(self._run)

    def _run(self) -> None:
        waiting, self._waiting = self._waiting, {}
        for what in waiting:
            try:
                what.pump()
            except Exception as error:  # the others go on
                log.error("messages could not be handed on", exception=traceback_of(error))
