"""The way of items from Redis: channels and prefixes that are wanted, and what comes on them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, final

from stompede.bus.redis.limits import RedisBusLimits
from stompede.bus.redis.wishes import Wishes
from stompede.redis import RedisAddress
from stompede.redis.link import Answer, Link

_ESCAPED: Final = str.maketrans({special: "\\" + special for special in "\\*?[]^"})


@final
class Listener:
    """Listens to what is wanted.

    Args:
        address: where Redis is.
        namespace: stands before every name in Redis.
        limits: how long a server may be silent.
        deliver: gets the bytes of every item.
        interrupted: called after a time without a connection, when all that is wanted is listened to again.

    Attributes:
        link: the connection.
        names: channels that are wanted by name.
        prefixes: those that are wanted by what their names begin with.
        interruptions: times without a connection, so far.
    """

    def __init__(
        self,
        address: RedisAddress,
        namespace: str,
        limits: RedisBusLimits,
        deliver: Callable[[bytes], None],
        interrupted: Callable[[], None],
    ) -> None:
        self.link = Link(
            address, "stompede-listen", opened=self._opened, answered=self._answered, broken=self._broke
        )
        self.names = Wishes(b"SUBSCRIBE", b"UNSUBSCRIBE", lambda name: (namespace + name).encode())
        self.prefixes = Wishes(
            b"PSUBSCRIBE",
            b"PUNSUBSCRIBE",
            lambda prefix: ((namespace + prefix).translate(_ESCAPED) + "*").encode(),
        )
        self._namespace_bytes = len(namespace.encode())
        self._silence_s = limits.silence_s
        self._deliver = deliver
        self._interrupted = interrupted
        self._loop = asyncio.get_running_loop()
        self._telling = False
        self.interruptions = 0
        self._was_broken = False
        self._asked = False  # a PING is not answered
        self._heard = False  # anything, since the last look
        self._pulse: asyncio.TimerHandle | None = None

    def want(self, wishes: Wishes, wish: str) -> Awaitable[None] | None:
        """Wants a channel or prefix; see `stompede.bus.Bus.want`."""
        waiting = wishes.want(wish)
        if waiting is not None:
            self._tell_soon()
        return waiting

    def unwant(self, wishes: Wishes, wish: str) -> None:
        """Wants it no more."""
        wishes.unwant(wish)
        self._tell_soon()

    def _tell_soon(self) -> None:
        if not self._telling:
            self._telling = True
            self._loop.call_soon(self._tell)

    def _tell(self) -> None:
        self._telling = False
        if self.link.up:
            commands = self.names.commands() + self.prefixes.commands()
            if commands:
                self.link.write(commands)

    def _opened(self) -> None:
        self.names.begin_anew()
        self.prefixes.begin_anew()
        self._tell()
        self._asked = True
        self.link.write([(b"PING",)])  # answered when all of it is listened to
        self._look_later()

    def _broke(self, _: str) -> None:
        self._was_broken = True

    def _look_later(self) -> None:
        if self._pulse is not None:
            self._pulse.cancel()
        self._heard = False
        self._pulse = self._loop.call_later(self._silence_s / 2, self._look)

    def _look(self) -> None:
        """Twice in `silence_s`: who says nothing is asked; who does not answer has hung."""
        self._pulse = None
        if not self.link.up:
            return
        if not self._heard:
            if self._asked:
                self.link.reconnect(f"Redis has not answered for {self._silence_s / 2:g} s")
                return
            self._asked = True
            self.link.write([(b"PING",)])
        self._look_later()

    def _answered(self, answer: Answer) -> None:
        self._heard = True
        if not isinstance(answer, list):
            if answer == b"PONG":  # while nothing is subscribed to
                self._pong()
            elif isinstance(answer, Exception):
                self.link.reconnect(f"Redis refused to listen: {answer}")
            return
        what = answer[0]
        if what == b"message":
            self._deliver(answer[2])
        elif what == b"pmessage":
            if self._is_first(answer[1], answer[2]):
                self._deliver(answer[3])
        elif what == b"subscribe":
            self.names.confirmed(answer[1])
        elif what == b"unsubscribe":
            self.names.ended(answer[1])
        elif what == b"psubscribe":
            self.prefixes.confirmed(answer[1])
        elif what == b"punsubscribe":
            self.prefixes.ended(answer[1])
        elif what == b"pong":
            self._pong()

    def _pong(self) -> None:
        self._asked = False
        if self._was_broken:
            self._was_broken = False
            self.interruptions += 1
            self._interrupted()

    def _is_first(self, pattern: bytes, name: bytes) -> bool:
        """Redis sends an item by name and by each pattern that matches: by name it counts, else by the shortest."""
        if name in self.names.heard:
            return False
        channel = name[self._namespace_bytes :].decode()
        heard = self.prefixes.heard
        shortest = min(
            (each for each in heard if channel.startswith(heard[each])), key=lambda each: len(heard[each])
        )
        return shortest == pattern

    async def aclose(self) -> None:
        """Disconnects, and ends all wishes. Idempotent."""
        if self._pulse is not None:
            self._pulse.cancel()
            self._pulse = None
        await self.link.aclose()
        self.names.close()
        self.prefixes.close()
