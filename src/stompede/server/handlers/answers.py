"""Answers of one turn of the loop are written together, at its end.

A handler and the kernel's way of sending share one core and its caches. Sessions that take turns with
``send(2)`` for each answer evict each other's code, and wake the reader of each answer by itself. Written one
after the other, 200 clients' answers cost a third less.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol, final

import structlog

from stompede._traceback import traceback_of

log = structlog.get_logger("stompede.node")

MAX_WAITING: Final = 64
"""Sessions. When there are so many they are written at once, so that no answer waits for a long turn."""
MAX_WAITING_BYTES: Final = 64 * 1024
"""Of one session. Then its socket decides whether more is written or queued and counted."""


class Answering(Protocol):
    """What has answers to write."""

    def write_answers(self) -> None:
        """Writes them."""
        ...


@final
class Answers:
    """The sessions of one node that have answers to write.

    Args:
        call_soon: the loop's ``call_soon``.
    """

    __slots__ = ("_call_soon", "_waiting")

    def __init__(self, call_soon: Callable[[Callable[[], None]], Any]) -> None:
        self._call_soon = call_soon
        self._waiting: list[Answering] = []

    def add(self, session: Answering) -> None:
        """``session`` has its first answer of this turn."""
        waiting = self._waiting
        waiting.append(session)
        if len(waiting) == 1:
            self._call_soon(self.write)
        elif len(waiting) >= MAX_WAITING:
            self.write()

    def write(self) -> None:
        """Writes what waits. What is fanned out afterwards comes after it, in every session."""
        waiting = self._waiting
        if waiting:
            self._waiting = []
            for session in waiting:
                try:
                    session.write_answers()
                except Exception as error:  # costs the one, not all that answer in this turn
                    log.error("answers could not be written", exception=traceback_of(error))
