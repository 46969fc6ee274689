"""What a node tells the session registry.

What changed for a moment is told together, in numbered batches, and what was not taken is told again: so a registry
that is away for a while costs nothing but being out of date. Where more has gathered than telling everything costs, or
the registry lost something, everything is told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from itertools import islice
from typing import Any, Final, final

import msgspec

from stompede.registry.sessions import NodeInfo, SessionEntry, SessionRegistry

_BATCH: Final = 500
_FAILED: Final = "the session registry failed"


class ReporterStatistics(msgspec.Struct, frozen=True, rename="camel"):
    """What `SessionReporter.statistics` tells.

    Attributes:
        waiting: changes that the registry has not taken yet.
        failed: how often it did not take what it was told.
        replaced: how often it was told everything.
    """

    waiting: int = 0
    failed: int = 0
    replaced: int = 0


@final
class SessionReporter:
    """One node's dealings with the session registry.

    A crashed node's sessions are gone ``ttl_s`` after its last refresh; it refreshes three times in this time.

    Args:
        registry: what all nodes know.
        info: what the node tells of itself now.
        sessions: all sessions of the node, for a registry that has forgotten them.
        spawn: runs something that nobody waits for, and logs its failure with the sentence.
        unix_now: seconds of the Unix epoch.
        ttl_s: life of the node from a refresh.
        delay_s: how long a change waits for others.
        most_waiting: more changes than that are not kept while the registry is away: everything is told then.

    Attributes:
        registry: what all nodes know.
        failed: how often the registry did not take what it was told.
        replaced: how often it was told everything.
    """

    def __init__(
        self,
        registry: SessionRegistry,
        *,
        info: Callable[[], NodeInfo],
        sessions: Callable[[], Iterable[SessionEntry]],
        spawn: Callable[[Coroutine[Any, Any, Any], str], object],
        unix_now: Callable[[], float],
        ttl_s: float = 20.0,
        delay_s: float = 0.05,
        most_waiting: int = 20_000,
    ) -> None:
        self.registry = registry
        self._info = info
        self._sessions = sessions
        self._spawn = spawn
        self._unix_now = unix_now
        self._ttl_s = ttl_s
        self._delay_s = delay_s
        self._most_waiting = most_waiting
        self._entered: dict[str, SessionEntry] = {}
        self._left: dict[tuple[str, str | None], SessionEntry] = {}  # told before those that entered
        self._batch = 0
        self._refresh_at = float("-inf")
        self._due = self._anew = self._working = self._stopped = False
        self.failed = self.replaced = 0

    @property
    def waiting(self) -> int:
        """How many changes the registry has not taken yet."""
        return len(self._entered) + len(self._left)

    def statistics(self) -> ReporterStatistics:
        """Figures of now and since the start."""
        return ReporterStatistics(self.waiting, self.failed, self.replaced)

    # What happens at the node. None of these waits.

    def entered(self, entry: SessionEntry) -> None:
        """A session is there, or has another member now; then it `left` before as it was."""
        self._entered[entry.id] = entry
        self._work_soon()

    def left(self, entry: SessionEntry) -> None:
        """A session, as it entered, is there no more."""
        self._entered.pop(entry.id, None)
        self._left[entry.id, entry.user] = entry
        self._work_soon()

    def refresh_soon(self) -> None:
        """What the node tells of itself is another thing now."""
        self._due = True
        self._work_soon()

    def each_second(self, now: float) -> None:
        """Keeps the node alive, and tells again what failed.

        Args:
            now: seconds of the node's clock.
        """
        if now >= self._refresh_at:
            self._refresh_at = now + self._ttl_s / 3
            self._due = True
        self._work_soon()

    # What the registry is told; one thing at a time.

    async def start(self) -> None:
        """Begins the node's life; raises what the registry raises."""
        self._due = True
        if not self._working:
            self._working = True
            await self._work(0)

    async def stop(self) -> None:
        """Ends the node's life; nothing is told any more."""
        self._stopped = True
        await self.registry.end(self._info().id, now=self._unix_now())

    def _work_soon(self) -> None:
        if (
            not self._working
            and not self._stopped
            and (self._entered or self._left or self._due or self._anew)
        ):
            self._working = True
            self._spawn(self._work(0 if self._due else self._delay_s), _FAILED)

    async def _work(self, delay_s: float) -> None:
        try:
            if delay_s:
                await asyncio.sleep(delay_s)
            while not self._stopped and await self._step():
                pass
        except Exception:
            self.failed += 1
            raise
        finally:
            self._working = False

    async def _step(self) -> bool:
        """Tells the registry one thing; returns whether to go on."""
        if self.waiting > self._most_waiting:
            self._anew = True
        if self._due:
            self._due = False
            await self._refresh()
        elif self._anew:
            return await self._replace()
        elif self._entered or self._left:
            return await self._update()
        else:
            return False
        return True

    async def _refresh(self) -> None:
        done = False
        try:
            whole = await self.registry.refresh(
                self._info(), ttl_s=self._ttl_s, batch=self._batch, now=self._unix_now()
            )
            self._anew = self._anew or not whole
            done = True
        finally:
            self._due = self._due or not done

    async def _replace(self) -> bool:
        self._anew = True  # until it is done
        self._entered.clear()
        self._left.clear()
        taken = await self.registry.replace(
            self._info().id, list(self._sessions()), batch=self._batch + 1, now=self._unix_now()
        )
        self._batch += 1
        self._anew, self._due = not taken, not taken
        self.replaced += taken
        return taken  # else in a second: the life is too short for so many, or the registry forgets at once

    async def _update(self) -> bool:
        left = [self._left.pop(key) for key in list(islice(self._left, _BATCH))]
        entered = [self._entered.pop(key) for key in list(islice(self._entered, _BATCH - len(left)))]
        taken = False
        try:
            taken = await self.registry.update(
                self._info().id, entered, left, batch=self._batch + 1, now=self._unix_now()
            )
        finally:
            if not taken:
                self._put_back(entered, left)
        self._batch += taken
        self._due = self._due or not taken  # the refresh says what is missing
        return True

    def _put_back(self, entered: list[SessionEntry], left: list[SessionEntry]) -> None:
        for entry in entered:
            if entry.id not in self._entered and (entry.id, entry.user) not in self._left:
                self._entered[entry.id] = entry
        for entry in left:
            self._left.setdefault((entry.id, entry.user), entry)
