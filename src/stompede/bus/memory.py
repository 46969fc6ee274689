"""The bus of one process: a direct call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar, final

from stompede.bus.base import BusStatistics
from stompede.errors import BusError

T = TypeVar("T")


@final
class MemoryBus(Generic[T]):
    """Delivers each item before `publish` returns. Loses nothing while the process lives."""

    def __init__(self) -> None:
        self._deliver: Callable[[T], None] | None = None
        self._published = 0
        self._channels: set[str] = set()

    async def start(self, deliver: Callable[[T], None]) -> None:
        """See `Bus`."""
        self._deliver = deliver

    def publish(self, channel: str, item: T) -> Awaitable[None] | None:  # noqa: ARG002 - one listener
        """See `Bus`; always taken at once."""
        if self._deliver is None:
            raise BusError(
                "the bus is not started: publish after the application has started, or in its lifespan"
            )
        self._published += 1
        self._deliver(item)
        return None

    def want(self, channel: str) -> Awaitable[None] | None:
        """See `Bus`."""
        self._channels.add(channel)
        return None

    def unwant(self, channel: str) -> None:
        """See `Bus`."""
        self._channels.discard(channel)

    def statistics(self) -> BusStatistics:
        """See `Bus`."""
        return BusStatistics(self._published, self._published, len(self._channels), 0)

    async def aclose(self) -> None:
        """See `Bus`."""
        self._deliver = None
