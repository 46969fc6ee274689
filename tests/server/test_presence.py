"""Presence over time: the grace of who reconnects, storms, and a table that fails or forgets."""

import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from serving import make_app
from stompede import Stompede, testing
from stompede.client import Client, Subscription
from stompede.messaging.destinations import Prefixes
from stompede.messaging.message import Message
from stompede.registry import Counts, MemoryPresenceTable, Outcome
from stompede.server.presence import graces, presence, reporting
from stompede.server.presence.events import Announcer
from stompede.server.presence.presence import Presence

ROOM = "/topic/rooms/kitchen"
ABOUT = "/topic/presence/rooms/kitchen"


def an_app(**settings: Any) -> Stompede:
    app = make_app(**settings)
    app.destination("/topic/rooms/{room}", presence=True)
    return app


class Watched:
    """An application whose time the test turns, and a client that watches the kitchen."""

    def __init__(self, app: Stompede, clock: testing.ManualClock, events: Subscription[Any]) -> None:
        self.app = app
        self.clock = clock
        self._events = events

    @property
    def presence(self) -> Presence:
        presence = self.app.node.presence
        assert presence is not None
        return presence

    async def events(self) -> list[dict[str, Any]]:
        """What has come since the last time."""
        await self.app.publish(ABOUT, {"type": "end"})
        found: list[dict[str, Any]] = []
        while (event := (await self._events.next()).body)["type"] != "end":
            found.append(event)
        return found

    async def types(self) -> list[str]:
        return [event["type"] for event in await self.events()]

    @asynccontextmanager
    async def member(self, name: str = "cook") -> AsyncIterator[Client]:
        """A member in the kitchen."""
        async with testing.connect(self.app, member=name, clock=self.clock) as client:
            async with client.subscribe(ROOM):
                yield client


@asynccontextmanager
async def watched(app: Stompede) -> AsyncIterator[Watched]:
    clock = testing.ManualClock()
    with clock.driving():
        async with (
            testing.connect(app, clock=clock) as client,
            client.subscribe(ABOUT, dict) as events,
        ):
            here = Watched(app, clock, events)
            assert await here.types() == ["present"]
            yield here


async def test_one_member_that_comes_and_goes_takes_the_grace_from_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(graces, "MAX_GRACES", 10)
    async with watched(an_app(presence_grace_s=5)) as here:
        for _ in range(30):
            async with here.member("flapping"):
                pass
        assert here.presence.statistics().leaving == 1
        async with here.member("cook"):
            pass
        assert here.presence.statistics().leaving == 2
        assert await here.types() == ["join", "join"]
        async with here.member("flapping"):
            assert here.presence.statistics().leaving == 1


async def test_who_comes_back_within_the_grace_neither_left_nor_joined() -> None:
    async with watched(an_app(presence_grace_s=5)) as here:
        for _ in range(3):
            async with here.member():
                pass
            await here.clock.advance(4)
            assert await here.app.presence_count(ROOM) == 1
            assert here.presence.statistics().leaving >= 1
        assert await here.types() == ["join"]
        await here.clock.advance(3)
        assert await here.types() == ["leave"]
        assert await here.app.presence_count(ROOM) == 0
        figures = here.presence.statistics()
        assert (figures.members, figures.guests, figures.leaving, figures.table.entries) == (0, 0, 0, 0)
        assert (here.presence._rooms, here.presence._attending) == ({}, {}), (
            "nothing is left of who was there"
        )


async def test_an_old_grace_does_not_end_a_new_stay() -> None:
    async with watched(an_app(presence_grace_s=5)) as here:
        async with here.member():
            pass
        await here.clock.advance(3)
        async with here.member():
            await here.clock.advance(10)
            assert await here.types() == ["join"]
            assert await here.app.presence_count(ROOM) == 1


async def test_a_crowd_whose_grace_ends_at_once_leaves_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "_GRACES_AT_ONCE", 2)
    async with watched(an_app(presence_grace_s=5)) as here:
        async with AsyncExitStack() as crowd:
            for number in range(5):
                await crowd.enter_async_context(here.member(f"member {number}"))
        await here.clock.advance(7)
        assert await here.types() == ["join"] * 5 + ["leave"] * 5


async def test_without_grace_members_leave_at_once() -> None:
    async with watched(an_app(presence_grace_s=0)) as here:
        async with here.member():
            pass
        assert await here.types() == ["join", "leave"]


async def test_a_storm_of_joins_is_told_in_part_and_counted_as_a_whole() -> None:
    async with watched(an_app(presence_events_per_s=20)) as here, AsyncExitStack() as crowd:
        await here.clock.advance(1.5)  # away from the end of a second
        for number in range(100):
            await crowd.enter_async_context(here.member(f"member {number}"))
        events = await here.events()
        assert [event["type"] for event in events] == ["join"] * 20
        await here.clock.advance(1)
        assert await here.events() == [{"type": "count", "count": 100, "guests": 0}]
        await here.clock.advance(5)
        assert await here.events() == []
        figures = here.presence.statistics()
        assert (figures.members, figures.told, figures.withheld, figures.counted) == (100, 20, 80, 1)
    assert figures.table.entries == 100


@pytest.mark.parametrize("batch", [2, 500])
async def test_members_that_a_full_table_refused_are_noted_and_told_of_when_there_is_room(
    monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    monkeypatch.setattr(reporting, "_BATCH", batch)
    async with watched(an_app(presence_entries=5, presence_grace_s=0)) as here:
        async with AsyncExitStack() as later:
            async with AsyncExitStack() as first:
                for number in range(5):
                    await first.enter_async_context(here.member(f"first {number}"))
                for number in range(7):
                    await later.enter_async_context(here.member(f"later {number}"))
                await here.clock.advance(30)
                assert await here.types() == ["join"] * 5
                assert here.presence.statistics().unnoted == 7
            await here.clock.advance(12)
            assert await here.types() == ["leave"] * 5 + ["join"] * 5
            figures = here.presence.statistics()
            assert (figures.members, figures.unnoted, figures.table.entries) == (7, 2, 5)
        await here.clock.advance(12)
        assert await here.types() == ["leave"] * 5
        figures = here.presence.statistics()
        assert (figures.unnoted, figures.table.entries, here.presence.reporter.waiting) == (0, 0, 0)


def test_ten_thousand_joins_are_as_many_messages_as_the_setting_says() -> None:
    sent: list[Message] = []
    announcer = Announcer(Prefixes(), 20, sent.append, lambda coro, failed: coro.close())
    for number in range(10_000):
        announcer.announce(Outcome("join", ROOM, Counts(number + 1, 3), f"member {number}", b"[1]"))
    announcer.announce(Outcome("join", "/topic/rooms/hall", Counts(1, 0), "cook"))
    announcer.end_second()
    announcer.end_second()
    assert len(sent) == 22
    assert {message.destination for message in sent} == {ABOUT, "/topic/presence/rooms/hall"}
    assert json.loads(sent[0].body) == {
        "type": "join", "user": "member 0", "info": [1], "count": 4, "guests": 3,
    }  # fmt: skip
    assert json.loads(sent[-1].body) == {"type": "count", "count": 10_003, "guests": 3}


class FailingTable:
    """A presence table that fails when a test says so."""

    def __init__(self) -> None:
        self.table = MemoryPresenceTable()
        self.fails = False

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.table, name)
        if name == "statistics":
            return method

        async def call(*arguments: Any, **named: Any) -> Any:
            if self.fails:
                raise ConnectionError("the table is away")
            return await method(*arguments, **named)

        return call


async def test_what_a_table_did_not_take_is_told_again_until_it_does() -> None:
    async with watched(an_app(presence_grace_s=0)) as here:
        table = here.presence.reporter.table = FailingTable()
        table.table = MemoryPresenceTable()
        table.fails = True
        async with here.member("waiter"):
            pass
        async with here.member("cook"):
            await here.clock.advance(3)
            assert here.presence.statistics().failed >= 1
            assert await here.types() == []
            table.fails = False
            await here.clock.advance(3)
            assert [(event["type"], event["user"]) for event in await here.events()] == [("join", "cook")]
            assert await here.app.presence_count(ROOM) == 1


async def test_a_table_that_forgot_this_node_is_told_everything_again() -> None:
    async with watched(an_app(presence_ttl_s=30)) as here, here.member(), here.member("waiter"):
        assert await here.types() == ["join", "join"]
        here.presence.reporter.table = MemoryPresenceTable()
        await here.clock.advance(12)
        assert await here.app.presence_count(ROOM) == 2
        assert sorted([event["user"] for event in await here.events()]) == ["cook", "waiter"]


async def test_a_node_that_ends_leaves_its_members_until_their_grace_is_over() -> None:
    app = an_app(presence_grace_s=5)
    async with watched(app) as here:
        table = here.presence.reporter.table
        member = here.member()
        await member.__aenter__()
        await app.node.stop()
        now = here.clock.unix_now()
        with contextlib.suppress(Exception):
            await member.__aexit__(None, None, None)
    assert (await table.count(ROOM, now=now)).members == 1
    assert await table.expire(limit=10, now=now + 4) == []
    (left,) = await table.expire(limit=10, now=now + 6)
    assert (left.what, left.user) == ("leave", "cook")


async def test_two_nodes_with_one_table_know_of_each_other() -> None:
    here, there = an_app(presence_grace_s=0), an_app(presence_grace_s=0)
    async with here.running(), there.running():
        assert here.node.presence is not None
        assert there.node.presence is not None
        here.node.presence.reporter.table = there.node.presence.reporter.table
        await here.node.presence.start()
        async with testing.connect(here, member="cook") as cook, testing.connect(there, member="cook") as too:
            async with cook.subscribe(ROOM):
                async with too.subscribe(ROOM):
                    await testing.clock.settle()
                    assert await here.presence_count(ROOM) == 1
                await testing.clock.settle()
                assert await there.presence_count(ROOM) == 1
            await testing.clock.settle()
            assert await here.presence_count(ROOM) == 0
