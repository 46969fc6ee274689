"""The way of items to Redis: gathered in a turn of the loop, sent in one write, answered in order."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final, final

from stompede.bus.redis.limits import RedisBusLimits
from stompede.errors import BusError
from stompede.redis import RedisAddress
from stompede.redis.link import Answer, Link

_ITEM_BYTES: Final = 256  # what an item takes besides its bytes


@final
class _Item:
    """An item on its way."""

    __slots__ = ("channel", "data", "done", "since")

    def __init__(self, channel: bytes, data: bytes, done: asyncio.Future[None], since: float) -> None:
        self.channel = channel
        self.data = data
        self.done = done
        self.since = since


@final
class Sender:
    """Publishes items.

    Args:
        address: where Redis is.
        limits: what may wait.

    Attributes:
        link: the connection.
        published: items that Redis took.
        failed: items that were refused.
        waiting_bytes: what those take that Redis has not taken yet.
    """

    def __init__(self, address: RedisAddress, limits: RedisBusLimits) -> None:
        self.link = Link(
            address, "stompede-publish", opened=self._flush_soon, answered=self._answered, broken=self._broke
        )
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._to_send: deque[_Item] = deque()
        self._unanswered: deque[_Item] = deque()
        self.waiting_bytes = 0
        self._flushing = False
        self._patience: asyncio.TimerHandle | None = None
        self.published = self.failed = 0

    @property
    def waiting(self) -> int:
        """Items that Redis has not taken yet."""
        return len(self._to_send) + len(self._unanswered)

    def publish(self, channel: bytes, data: bytes) -> asyncio.Future[None]:
        """Takes an item, to be sent at the end of this turn of the loop.

        Raises:
            BusError: it is too large, or too much waits already.
        """
        limits = self._limits
        size = len(data) + _ITEM_BYTES
        if len(data) > limits.max_item_bytes:
            raise self.refused(f"a message has {len(data)} bytes; the bus takes {limits.max_item_bytes}")
        if self.waiting_bytes + size > limits.max_waiting_bytes:
            raise self.refused(
                f"{self.waiting_bytes} bytes wait for Redis, and {limits.max_waiting_bytes} may (bus_bytes): "
                "it is away, or does not keep up"
            )
        done: asyncio.Future[None] = self._loop.create_future()
        self._to_send.append(_Item(channel, data, done, self._loop.time()))
        self.waiting_bytes += size
        self._flush_soon()
        return done

    def refused(self, why: str) -> BusError:
        """Counts an item that was not taken."""
        self.failed += 1
        return BusError(why)

    def _flush_soon(self) -> None:
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        if self._to_send and self.link.writable:
            items = list(self._to_send)
            self._to_send.clear()
            self._unanswered.extend(items)
            self.link.write([(b"PUBLISH", item.channel, item.data) for item in items])
        if self._patience is None and (self._to_send or self._unanswered):
            self._patience = self._loop.call_later(self._limits.max_wait_s / 4, self._look_for_old)

    def _look_for_old(self) -> None:
        """Some times in `max_wait_s`, while anything waits."""
        self._patience = None
        now = self._loop.time()
        if self._unanswered and self._unanswered[0].since <= now - self._limits.silence_s:
            self.link.reconnect(f"Redis has not answered for {self._limits.silence_s:g} s")
        while self._to_send and self._to_send[0].since <= now - self._limits.max_wait_s:
            self._end(self._to_send.popleft(), "Redis is away, or does not read")
        self._flush()

    def _answered(self, answer: Answer) -> None:
        item = self._unanswered.popleft()
        if isinstance(answer, Exception):
            self._end(item, f"Redis refused a message: {answer}")
            return
        self.published += 1
        self.waiting_bytes -= len(item.data) + _ITEM_BYTES
        if not item.done.done():
            item.done.set_result(None)

    def _end(self, item: _Item, why: str) -> None:
        self.failed += 1
        self.waiting_bytes -= len(item.data) + _ITEM_BYTES
        if not item.done.done():
            item.done.set_exception(BusError(why))
            item.done.exception()  # whoever published may have gone away

    def _broke(self, reason: str) -> None:
        while self._unanswered:
            self._end(
                self._unanswered.popleft(),
                f"the connection to Redis was lost ({reason}); whether it took the message is not known",
            )

    async def aclose(self) -> None:
        """Disconnects; what waits is refused. Idempotent."""
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        await self.link.aclose()
        for items in (self._unanswered, self._to_send):
            while items:
                self._end(items.popleft(), "the bus was closed")
