"""What a node wants of Redis, and what Redis has been told of it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Final, final

from stompede.errors import BusError

_CHUNK: Final = 1_000  # names in one command


@final
class Wishes:
    """Wishes of one kind: for channels by name, or by prefix.

    Args:
        subscribe: the command that Redis is told them with.
        unsubscribe: the command that ends one.
        name_of: what a wish is called in Redis; `wish_of` turns it round.
    """

    def __init__(self, subscribe: bytes, unsubscribe: bytes, name_of: Callable[[str], bytes]) -> None:
        self._commands = (subscribe, unsubscribe)
        self._name_of = name_of
        self._wanted: dict[str, asyncio.Future[None] | None] = {}  # None: Redis has confirmed it
        self._told: dict[bytes, str] = {}
        self._changed: dict[str, None] = {}
        self._due: Counter[bytes] = Counter()  # confirmations that have not come
        self.heard: dict[bytes, str] = {}
        """What Redis sends at this point of its answers, by its name there."""

    def __len__(self) -> int:
        return len(self._wanted)

    def want(self, wish: str) -> Awaitable[None] | None:
        """See `stompede.bus.Bus.want`."""
        if wish not in self._wanted:
            self._wanted[wish] = asyncio.get_running_loop().create_future()
            self._changed[wish] = None
        waiting = self._wanted[wish]
        return None if waiting is None else asyncio.shield(waiting)

    def unwant(self, wish: str) -> None:
        """See `stompede.bus.Bus.unwant`."""
        if wish in self._wanted:
            _give_up(self._wanted.pop(wish), "the wish was taken back")
            self._changed[wish] = None

    def commands(self) -> list[tuple[bytes, ...]]:
        """What brings Redis from what it was told to what is wanted."""
        more: list[bytes] = []
        less: list[bytes] = []
        for wish in self._changed:
            name = self._name_of(wish)
            if wish in self._wanted and name not in self._told:
                more.append(name)
                self._told[name] = wish
            elif wish not in self._wanted and name in self._told:
                less.append(name)
                del self._told[name]
        self._changed.clear()
        self._due.update(more)
        return [
            (command, *names[start : start + _CHUNK])
            for command, names in zip(self._commands, (more, less), strict=True)
            for start in range(0, len(names), _CHUNK)
        ]

    def begin_anew(self) -> None:
        """Another connection: its server knows nothing."""
        self._told.clear()
        self.heard.clear()
        self._due.clear()
        self._changed = dict.fromkeys(self._wanted)

    def confirmed(self, name: bytes) -> None:
        """Redis has subscribed us. Of several times that it was asked to, the last one counts."""
        wish = self._told.get(name)
        if wish is not None:
            self.heard[name] = wish
        self._due[name] -= 1
        if self._due[name] > 0:
            return
        del self._due[name]
        waiting = None if wish is None else self._wanted.get(wish)
        if wish is not None and waiting is not None:
            self._wanted[wish] = None
            if not waiting.done():
                waiting.set_result(None)

    def ended(self, name: bytes) -> None:
        """Redis has unsubscribed us."""
        self.heard.pop(name, None)

    def close(self) -> None:
        """Nothing is wanted any more."""
        for waiting in self._wanted.values():
            _give_up(waiting, "the bus was closed")
        self._wanted.clear()


def _give_up(waiting: asyncio.Future[None] | None, why: str) -> None:
    if waiting is not None and not waiting.done():
        waiting.set_exception(BusError(why))
        waiting.exception()  # somebody may wait for it, or nobody
