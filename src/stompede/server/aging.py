"""The age of connections: with `max_connection_age_s` a session that is older is moved, as by a drain.

So clients spread over nodes that came later. Each session has a time of its own, drawn between 90 % and 110 % of that
age: those that came together after a restart do not leave together.
"""

from __future__ import annotations

import random
from collections import deque
from typing import TYPE_CHECKING, Final, final

import msgspec

if TYPE_CHECKING:
    from stompede.server.node import Node
    from stompede.server.session.session import Session

_LEAST: Final = 0.9
_MOST: Final = 1.1
_WHY: Final = "this connection is older than max_connection_age_s; go on with a new one"


class AgingStatistics(msgspec.Struct, frozen=True, rename="camel"):
    """What `Aging.statistics` tells.

    Attributes:
        waiting: sessions that have a time.
        moved: sessions whose time had come.
    """

    waiting: int = 0
    moved: int = 0


@final
class _Age:
    """Waits for the time of one session among the deadlines of the node; see `Timed`."""

    __slots__ = ("_aging", "_session", "bucket")

    def __init__(self, aging: Aging, session: Session) -> None:
        self.bucket = 0
        self._aging = aging
        self._session = session

    def on_deadline(self, now: float) -> float | None:  # noqa: ARG002 - of the protocol
        self._aging.due(self._session)
        return None


@final
class Aging:
    """Moves sessions of one node that are too old. There is none where `max_connection_age_s` is 0.

    Args:
        node: the node.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._age_s = node.settings.max_connection_age_s
        self._chance = random.Random()  # noqa: S311 - spreads load, no secret
        self._ages: dict[Session, _Age] = {}
        self._due: deque[Session] = deque()
        self._moving = False
        self._moved = 0

    def statistics(self) -> AgingStatistics:
        """Figures of now and since the start."""
        return AgingStatistics(len(self._ages), self._moved)

    def begun(self, session: Session) -> None:
        """A session got CONNECTED: its time is drawn."""
        age = self._ages[session] = _Age(self, session)
        life_s = self._age_s * self._chance.uniform(_LEAST, _MOST)
        self._node.deadlines.add(age, self._node.now() + life_s)

    def ended(self, session: Session) -> None:
        """A session ended, for whatever reason."""
        age = self._ages.pop(session, None)
        if age is not None:
            self._node.deadlines.discard(age)

    def due(self, session: Session) -> None:
        """The time of a session has come."""
        self._due.append(session)
        if not self._moving:
            self._moving = True
            self._node.spawn(self._move(), "sessions that are too old could not be moved")

    async def _move(self) -> None:
        try:
            while self._due:
                session = self._due.popleft()
                if not session.closed:
                    self._moved += 1
                    await self._node.mover.move(session, _WHY)
        finally:
            self._moving = False
