"""What this node tells the presence table, and what it hears from it.

What changed in a turn of the loop is told together, as what is true when it is told and not as what happened: so what
failed is simply told again, and what waits is bounded by those who are there. Members that the table had no room
for are told again with each refresh.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from itertools import islice
from typing import TYPE_CHECKING, Final, TypeAlias, final

import structlog

from stompede.registry import Change, Enter, PresenceTable
from stompede.server.presence.events import Announcer

if TYPE_CHECKING:
    from stompede.server.node import Node

log = structlog.get_logger("stompede.presence")
_BATCH: Final = 500  # changes told to the table, and entries of dead nodes taken out, at once
_FAILED: Final = "the presence table failed"

Key: TypeAlias = tuple[str, str | None]
"""A destination and a member on it; ``None`` for its guests."""


@final
class Reporter:
    """One node's dealings with the presence table.

    Args:
        node: which node.
        table: what all nodes know.
        announcer: tells what a change meant.
        truth: what is true now of a member, or of the guests, of a destination.
        everything: all that there is to say, for a table that has forgotten this node.

    Attributes:
        table: what all nodes know.
        failed: updates that were not taken, and told again.
    """

    def __init__(
        self,
        node: Node,
        table: PresenceTable,
        announcer: Announcer,
        truth: Callable[[str, str | None], Change],
        everything: Callable[[], Iterable[Key]],
    ) -> None:
        self._node = node
        self.table = table
        self._announcer = announcer
        self._truth = truth
        self._everything = everything
        self._changed: dict[Key, None] = {}
        self._unnoted: dict[Key, None] = {}
        self._telling = self._keeping = False
        self._refresh_at = 0.0
        self.failed = 0

    @property
    def waiting(self) -> int:
        """How many changes the table has not taken yet."""
        return len(self._changed)

    @property
    def unnoted(self) -> int:
        """How many members the table had no room for when they were told last."""
        return len(self._unnoted)

    # Life.

    async def start(self) -> None:
        """Begins this node's life in the table, or lets it go on."""
        settings = self._node.settings
        known = await self._refresh(settings.presence_ttl_s)
        self._refresh_at = self._node.now() + settings.presence_ttl_s / 3
        if not known:
            self._changed.update(dict.fromkeys(self._everything()))
        self._ask_for_room()
        self._tell_soon()

    async def stop(self) -> None:
        """Lets this node's life end with the grace: members that are moved to another node do not leave meanwhile."""
        try:
            await self._refresh(max(self._node.settings.presence_grace_s, 1.0))
        except Exception as error:
            log.warning("the presence table did not take the end of this node", error=str(error))

    def each_second(self, now: float) -> None:
        """Keeps this node alive, tells again what failed, and takes out what dead nodes left behind."""
        self._tell_soon()
        if not self._keeping:
            self._keeping = True
            self._node.spawn(self._keep_alive(now), _FAILED)

    async def _keep_alive(self, now: float) -> None:
        try:
            if now >= self._refresh_at:
                await self.start()
            for outcome in await self.table.expire(limit=_BATCH, now=self._node.unix_now()):
                self._announcer.announce(outcome)
        finally:
            self._keeping = False

    async def _refresh(self, ttl_s: float) -> bool:
        return await self.table.refresh(self._node.id, ttl_s=ttl_s, now=self._node.unix_now())

    # Changes.

    def note(self, destination: str, user: str | None) -> None:
        """Something changed: it is told at the end of this turn of the loop."""
        self._changed[destination, user] = None
        self._tell_soon()

    def _tell_soon(self) -> None:
        if self._changed and not self._telling:
            self._telling = True
            self._node.spawn(self._tell(), _FAILED)

    async def _tell(self) -> None:
        """Tells what changed, a part at a time; what is not taken is told again a second later."""
        try:
            while self._changed:
                keys = list(islice(self._changed, _BATCH))
                for key in keys:
                    del self._changed[key]
                if not await self._update(keys):
                    self._refresh_at = 0.0
                    return
                await asyncio.sleep(0)
        finally:
            self._telling = False

    def _ask_for_room(self) -> None:
        """Some of those that were not noted are told again; `_update` goes on with the next while there is room."""
        self._changed.update(dict.fromkeys(islice(self._unnoted, _BATCH)))

    async def _update(self, keys: list[Key]) -> bool:
        """Returns whether the table knows this node."""
        outcomes = None
        try:
            changes = [self._truth(destination, user) for destination, user in keys]
            outcomes = await self.table.update(self._node.id, changes, now=self._node.unix_now())
        finally:
            if outcomes is None:
                self.failed += 1
                self._changed.update(dict.fromkeys(keys))
        if outcomes is None:
            return False
        room = full = False
        for key, change, outcome in zip(keys, changes, outcomes, strict=True):
            waited = key in self._unnoted
            if outcome.what == "full":
                self._unnoted[key] = None
                full = True
            elif waited:
                del self._unnoted[key]
                room = room or isinstance(change, Enter)
            self._announcer.announce(outcome)
        if room and not full:
            self._ask_for_room()
        return True
