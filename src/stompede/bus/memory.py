"""The bus of one process: a direct call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar, final

from stompede.bus.base import BusStatistics
from stompede.errors import BusError

T = TypeVar("T")


@final
class MemoryBus(Generic[T]):
    """The bus of a node that is alone; the promises are those of `Bus`.

    It delivers each item before `publish` returns, whether or not its channel is wanted, and loses nothing while the
    process lives. It has no queue, so nothing can fill up.
    """

    def __init__(self) -> None:
        self._deliver: Callable[[T], None] | None = None
        self._published = self._failed = 0
        self._channels: set[str] = set()
        self._prefixes: set[str] = set()

    async def start(
        self,
        deliver: Callable[[T], None],
        interrupted: Callable[[], None] = lambda: None,  # noqa: ARG002 - nothing is ever missed
    ) -> None:
        """Takes the listener; never fails."""
        self._deliver = deliver

    def publish(self, channel: str, item: T) -> Awaitable[None] | None:  # noqa: ARG002 - one listener
        """Delivers the item now; see `Bus.publish`.

        Raises:
            BusError: the bus is not started, or closed.
        """
        if self._deliver is None:
            self._failed += 1
            raise self._not_started("publish")
        self._published += 1
        self._deliver(item)
        return None

    def want(self, channel: str) -> Awaitable[None] | None:
        """Counts the channel; see `Bus.want`.

        Raises:
            BusError: the bus is not started, or closed.
        """
        if self._deliver is None:
            raise self._not_started("subscribe")
        self._channels.add(channel)
        return None

    def unwant(self, channel: str) -> None:
        """Counts the channel no longer; see `Bus.unwant`."""
        self._channels.discard(channel)

    def want_prefix(self, prefix: str) -> Awaitable[None] | None:
        """Counts the prefix; see `Bus.want_prefix`. Every item is delivered anyway.

        Raises:
            BusError: the bus is not started, or closed.
        """
        if self._deliver is None:
            raise self._not_started("subscribe")
        self._prefixes.add(prefix)
        return None

    def unwant_prefix(self, prefix: str) -> None:
        """Counts the prefix no longer; see `Bus.unwant_prefix`."""
        self._prefixes.discard(prefix)

    def statistics(self) -> BusStatistics:
        """Figures of now and since the start; what was taken was delivered."""
        wanted = len(self._channels) + len(self._prefixes)
        return BusStatistics(self._published, self._published, wanted, self._failed)

    async def aclose(self) -> None:
        """Lets the listener go, and all wishes. Idempotent."""
        self._deliver = None
        self._channels.clear()
        self._prefixes.clear()

    @staticmethod
    def _not_started(what: str) -> BusError:
        return BusError(
            f"the bus is not started: {what} after the application has started, or in its lifespan"
        )
