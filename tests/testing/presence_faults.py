"""Presence tables with one fault each, for the suite to find, and one without."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from stompede.registry import (
    Change,
    Counts,
    Enter,
    Guests,
    Here,
    Leave,
    MemoryPresenceTable,
    Outcome,
    PresenceTableStatistics,
)


class NodePresence:
    """No fault: one node's way to a table that several have in common, and that has to be waited for."""

    def __init__(self, table: MemoryPresenceTable) -> None:
        self.table = table

    async def refresh(self, node_id: str, *, ttl_s: float, now: float) -> bool:
        await asyncio.sleep(0)
        return await self.table.refresh(node_id, ttl_s=ttl_s, now=now)

    async def update(self, node_id: str, changes: Sequence[Change], *, now: float) -> list[Outcome] | None:
        outcomes: list[Outcome] = []
        for change in changes:
            await asyncio.sleep(0)
            told = await self.table.update(node_id, [change], now=now)
            if told is None:
                return None
            outcomes += told
        return outcomes

    async def members(self, destination: str, *, limit: int, now: float) -> list[Here]:
        return await self.table.members(destination, limit=limit, now=now)

    async def count(self, destination: str, *, now: float) -> Counts:
        return await self.table.count(destination, now=now)

    async def expire(self, *, limit: int, now: float) -> list[Outcome]:
        await asyncio.sleep(0)
        return await self.table.expire(limit=limit, now=now)

    def statistics(self) -> PresenceTableStatistics:
        return self.table.statistics()


class TabTable(NodePresence):
    """Tells of a join whenever somebody enters."""

    async def update(self, node_id: str, changes: Sequence[Change], *, now: float) -> list[Outcome] | None:
        outcomes = await super().update(node_id, changes, now=now)
        return outcomes and [
            msgspec.structs.replace(outcome, what="join") if isinstance(change, Enter) else outcome
            for change, outcome in zip(changes, outcomes, strict=True)
        ]


class OneWayTable(NodePresence):
    """Keeps one way of each member: whoever leaves takes the others' along."""

    async def update(self, node_id: str, changes: Sequence[Change], *, now: float) -> list[Outcome] | None:
        return await super().update("all", changes, now=now)

    async def refresh(self, node_id: str, *, ttl_s: float, now: float) -> bool:
        await super().refresh("all", ttl_s=ttl_s, now=now)
        return await super().refresh(node_id, ttl_s=ttl_s, now=now)


class EternalPresence(NodePresence):
    """Its nodes never die."""

    async def refresh(self, node_id: str, *, ttl_s: float, now: float) -> bool:
        return await super().refresh(node_id, ttl_s=1e9, now=now)


class TouchedTable(NodePresence):
    """An update prolongs the node's life."""

    async def update(self, node_id: str, changes: Sequence[Change], *, now: float) -> list[Outcome] | None:
        outcomes = await super().update(node_id, changes, now=now)
        if outcomes is not None:
            await self.table.refresh(node_id, ttl_s=2, now=now)
        return outcomes


class WelcomingTable(NodePresence):
    """Takes updates of whoever sends them."""

    async def update(self, node_id: str, changes: Sequence[Change], *, now: float) -> list[Outcome] | None:
        await self.table.refresh(node_id, ttl_s=60, now=now)
        return await super().update(node_id, changes, now=now)


class RacyPresence(NodePresence):
    """Looks who is there, and enters a turn of the loop later."""

    async def update(self, node_id: str, changes: Sequence[Change], *, now: float) -> list[Outcome] | None:
        present = {one.user for one in await self.members(changes[0].destination, limit=9, now=now)}
        await asyncio.sleep(0)
        outcomes = await self.table.update(node_id, changes, now=now)
        return outcomes and [
            msgspec.structs.replace(outcome, what="none" if change.user in present else "join")
            if isinstance(change, Enter)
            else outcome
            for change, outcome in zip(changes, outcomes, strict=True)
        ]


class AddingTable(NodePresence):
    """Takes the number of guests for how many more there are."""

    async def update(self, node_id: str, changes: Sequence[Change], *, now: float) -> list[Outcome] | None:
        added: list[Change] = []
        for change in changes:
            if isinstance(change, Guests):
                before = await self.table.count(change.destination, now=now)
                added.append(Guests(change.destination, change.count + before.guests))
            else:
                added.append(change)
        return await super().update(node_id, added, now=now)


class TellingTable(NodePresence):
    """Tells every caller what dead nodes left behind."""

    told: tuple[Outcome, ...] = ()

    async def expire(self, *, limit: int, now: float) -> list[Outcome]:
        self.told += tuple(await super().expire(limit=limit, now=now))
        return list(self.told)


class GreedyExpiry(NodePresence):
    """Takes the dead out all at once."""

    async def expire(self, *, limit: int, now: float) -> list[Outcome]:
        return await super().expire(limit=1000, now=now)


class BottomlessTable(NodePresence):
    """Makes room by dropping somebody else."""

    async def update(self, node_id: str, changes: Sequence[Change], *, now: float) -> list[Outcome] | None:
        outcomes = await super().update(node_id, changes, now=now)
        for outcome in outcomes or ():
            if outcome.what == "full":
                await super().update(node_id, [Leave(outcome.destination, "cook")], now=now)
                await super().update(node_id, [Enter(outcome.destination, outcome.user or "")], now=now)
        return outcomes


class ForgetfulPresence(NodePresence):
    """Tells nothing of a member that left."""

    async def update(self, node_id: str, changes: Sequence[Change], *, now: float) -> list[Outcome] | None:
        outcomes = await super().update(node_id, changes, now=now)
        return outcomes and [
            msgspec.structs.replace(one, info=b"null") if one.what == "leave" else one for one in outcomes
        ]
