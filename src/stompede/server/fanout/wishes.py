"""What this node wants of the bus, and which of its wishes are still on their way.

A subscriber may come while the bus is being asked for an earlier one: both wait for the same answer. So a wish is kept
until the bus has answered, whoever of those that wait for it goes away meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any, final

from stompede.bus import Bus
from stompede.errors import BusError
from stompede.messaging.patterns import holds_wildcard
from stompede.messaging.wildcards import Wildcard

_Key = tuple[str, bool]  # a channel's name, or what names begin with; and which of the two it is


@final
class _Wish:
    """What the bus was asked for and has not answered yet. Any number may await it, and be cancelled meanwhile."""

    __slots__ = ("_answer",)

    def __init__(self) -> None:
        self._answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def __await__(self) -> Generator[Any, None, None]:
        return asyncio.shield(self._answer).__await__()

    @property
    def failed(self) -> bool:
        """Whether the bus has refused it."""
        return self._answer.done() and self._answer.exception() is not None

    def fulfilled(self) -> None:
        """The bus listens."""
        self._answer.set_result(None)

    def refused(self, error: Exception) -> None:
        """The bus does not."""
        self._answer.set_exception(error)
        self._answer.exception()  # perhaps nobody waits any more


@final
class Wishes:
    """See the module.

    Args:
        bus: the bus.
        topic_prefix: of topics, the only destinations that may be wildcards.
        spawn: runs what waits for the bus.
    """

    __slots__ = ("_beginnings", "_bus", "_open", "_spawn", "_topic_prefix")

    def __init__(
        self, bus: Bus[Any], topic_prefix: str, spawn: Callable[[Coroutine[Any, Any, None]], None]
    ) -> None:
        self._bus = bus
        self._topic_prefix = topic_prefix
        self._spawn = spawn
        self._open: dict[_Key, _Wish] = {}
        self._beginnings: dict[str, set[str]] = {}  # `a.*` and `a.>` begin alike, and the bus does not count

    def want(self, destination: str) -> Awaitable[None] | None:
        """A destination or wildcard has its first subscriber here; see `Bus.want`."""
        key = self._key(destination)
        beginning, named = key
        if named:
            return self._ask(key)
        alike = self._beginnings.get(beginning)
        ready = self._ask(key) if alike is None else self._still(key)
        if alike is None:
            alike = self._beginnings[beginning] = set()
        alike.add(destination)
        return ready

    def still(self, destination: str) -> Awaitable[None] | None:
        """What a further subscriber waits for: ``None`` where the bus listens; else as `want`.

        Raises:
            BusError: the bus has refused it before, and does again.
        """
        return self._still(self._key(destination))

    def unwant(self, destination: str) -> None:
        """It has no subscriber any more."""
        key = self._key(destination)
        beginning, named = key
        if named:
            self._open.pop(key, None)
            self._bus.unwant(destination)
            return
        alike = self._beginnings.get(beginning, set())
        alike.discard(destination)
        if not alike:
            self._beginnings.pop(beginning, None)
            self._open.pop(key, None)
            self._bus.unwant_prefix(beginning)

    def _key(self, destination: str) -> _Key:
        if destination.startswith(f"{self._topic_prefix}/") and holds_wildcard(destination):
            return Wildcard.parse(destination, self._topic_prefix).literal, False
        return destination, True

    def _still(self, key: _Key) -> Awaitable[None] | None:
        wish = self._open.get(key)
        return self._ask(key) if wish is not None and wish.failed else wish

    def _ask(self, key: _Key) -> Awaitable[None] | None:
        name, named = key
        ready = self._bus.want(name) if named else self._bus.want_prefix(name)
        if ready is None:
            self._open.pop(key, None)
            return None
        wish = self._open[key] = _Wish()
        self._spawn(self._wait(key, wish, ready))
        return wish

    async def _wait(self, key: _Key, wish: _Wish, ready: Awaitable[None]) -> None:
        try:
            await ready
        except asyncio.CancelledError:
            wish.refused(BusError("the node stops"))
            raise
        except Exception as error:
            wish.refused(error)  # and stays: who comes before the others have heard of it asks again
        else:
            if self._open.get(key) is wish:
                del self._open[key]
            wish.fulfilled()
