"""The bus of many nodes on Redis' publish and subscribe: a channel for each destination that somebody here wants.

Promises beyond those of `Bus`:

- *Order*: that in which the server took the items. A connection that breaks does not change it.
- *Delivery*: at most once. While no connection stands, items wait for the next one, for as long and in as many bytes as
  the limits say. What was sent and not answered when a connection broke is refused with `BusError`, as nobody knows
  whether the server took it. What other nodes published while this one did not listen is lost to it: ``interrupted``
  is called once it listens again.
- *Names*: the channel of an item in Redis is its name with the namespace in front; wildcards of Redis are escaped.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar, final

from stompede.bus.base import BusStatistics
from stompede.bus.redis.limits import RedisBusLimits as RedisBusLimits
from stompede.bus.redis.listening import Listener
from stompede.bus.redis.sending import Sender
from stompede.errors import BusError
from stompede.redis import RedisAddress

T = TypeVar("T")


@final
class RedisBus(Generic[T]):
    """See the module, and `Bus` for the promises.

    Args:
        address: one server, or Sentinels.
        dump: makes an item bytes.
        load: makes bytes an item again; raises `ValueError` where they are none. Such bytes are counted and left out.
        namespace: stands before every channel: systems that share a Redis do not meet.
        limits: what may wait.
    """

    def __init__(
        self,
        address: RedisAddress,
        dump: Callable[[T], bytes],
        load: Callable[[bytes], T],
        *,
        namespace: str = "stompede:",
        limits: RedisBusLimits | None = None,
    ) -> None:
        self._address = address
        self._dump = dump
        self._load = load
        self._namespace = namespace
        self._limits = limits or RedisBusLimits()
        self._deliver: Callable[[T], None] | None = None
        self._sender: Sender | None = None
        self._listener: Listener | None = None
        self._delivered = self._failed = self._unreadable = 0

    async def start(
        self, deliver: Callable[[T], None], interrupted: Callable[[], None] = lambda: None
    ) -> None:
        """Connects twice: to publish and to listen. See `Bus.start`.

        Raises:
            BusError: there is no Redis, or it does not let us in.
        """
        self._deliver = deliver
        self._sender = Sender(self._address, self._limits)
        self._listener = Listener(self._address, self._namespace, self._limits, self._bring, interrupted)
        try:
            await self._sender.link.start()
            await self._listener.link.start()
        except OSError as error:
            await self.aclose()
            raise BusError(f"no Redis for the bus at {self._address}: {error}") from error

    def publish(self, channel: str, item: T) -> Awaitable[None] | None:
        """Takes an item, to be sent at the end of this turn of the loop; see `Bus.publish`.

        Raises:
            BusError: the bus is not started or closed, the item is too large, or too much waits already.
        """
        if self._deliver is None or self._sender is None:
            self._failed += 1
            raise self._not_started("publish")
        return self._sender.publish((self._namespace + channel).encode(), self._dump(item))

    def want(self, channel: str) -> Awaitable[None] | None:
        """See `Bus.want`."""
        listener = self._listening()
        return listener.want(listener.names, channel)

    def unwant(self, channel: str) -> None:
        """See `Bus.unwant`."""
        if self._deliver is not None and self._listener is not None:
            self._listener.unwant(self._listener.names, channel)

    def want_prefix(self, prefix: str) -> Awaitable[None] | None:
        """See `Bus.want_prefix`."""
        listener = self._listening()
        return listener.want(listener.prefixes, prefix)

    def unwant_prefix(self, prefix: str) -> None:
        """See `Bus.unwant_prefix`."""
        if self._deliver is not None and self._listener is not None:
            self._listener.unwant(self._listener.prefixes, prefix)

    def _listening(self) -> Listener:
        if self._deliver is None or self._listener is None:
            raise self._not_started("subscribe")
        return self._listener

    def _bring(self, data: bytes) -> None:
        deliver = self._deliver
        if deliver is None:
            return
        try:
            item = self._load(data)
        except ValueError:
            self._unreadable += 1
            return
        self._delivered += 1
        deliver(item)

    def statistics(self) -> BusStatistics:
        """Figures of now and since the start."""
        sender, listener = self._sender, self._listener
        if sender is None or listener is None:
            return BusStatistics(0, 0, 0, self._failed, connected=False)
        return BusStatistics(
            published=sender.published,
            delivered=self._delivered,
            channels=len(listener.names) + len(listener.prefixes),
            failed=sender.failed + self._failed,
            connected=listener.link.up,
            interruptions=listener.interruptions,
            waiting=sender.waiting,
            waiting_bytes=sender.waiting_bytes,
            unreadable=self._unreadable,
        )

    async def aclose(self) -> None:
        """See `Bus.aclose`: what waits is refused."""
        self._deliver = None
        if self._sender is not None:
            await self._sender.aclose()
        if self._listener is not None:
            await self._listener.aclose()

    @staticmethod
    def _not_started(what: str) -> BusError:
        return BusError(
            f"the bus is not started: {what} after the application has started, or in its lifespan"
        )
