"""Waiting for a state instead of an event, so that no news can be missed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import final


@final
class Changes:
    """Wakes all who wait whenever something changed; each asks its condition again.

    `asyncio.Condition` does the same with a lock, which callbacks of sockets cannot wait for.
    """

    __slots__ = ("_next",)

    def __init__(self) -> None:
        self._next: asyncio.Future[None] | None = None

    def signal(self) -> None:
        """Something changed. Cheap when nobody waits."""
        waited, self._next = self._next, None
        if waited is not None and not waited.done():
            waited.set_result(None)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Waits until a condition holds; returns at once where it does. Cancelling one who waits disturbs
        no other.
        """
        while not condition():
            if self._next is None:
                self._next = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._next)
