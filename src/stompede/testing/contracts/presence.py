"""The contract of every presence table, as suites; the promises themselves are written down in
`stompede.registry.PresenceTable`.
"""

from __future__ import annotations

import asyncio
import contextlib
from abc import ABC, abstractmethod
from typing import ClassVar

import pytest

from stompede.registry import Change, Counts, Enter, Guests, Here, Leave, Outcome, PresenceTable

A, B = "node a", "node b"
KITCHEN, HALL = "/topic/rooms/kitchen", "/topic/rooms/hall"


def enter(user: str, info: bytes = b"null", destination: str = KITCHEN) -> Enter:
    """A member comes to the kitchen."""
    return Enter(destination, user, info)


def leave(user: str, destination: str = KITCHEN) -> Leave:
    """A member leaves the kitchen."""
    return Leave(destination, user)


class PresenceTableContract(ABC):
    """The promises of every `PresenceTable`, of one node. Derive a class, name it ``Test...``, and say how a table is
    made.

    Attributes:
        now: seconds of the Unix epoch, as the suite passes them in; `pass_time` moves them.
    """

    pytestmark: ClassVar = [pytest.mark.asyncio]
    now: float = 1_000_000.0

    @abstractmethod
    async def make_table(self, *, max_entries: int = 1000) -> PresenceTable:
        """A new, empty table. What it holds open is closed by a fixture of the derived class."""

    async def pass_time(self, seconds: float) -> None:
        """Let time go on. A table that goes by a server's clock overrides this to wait really."""
        self.now += seconds

    async def alive(self, table: PresenceTable, node: str = A, *, ttl_s: float = 60) -> bool:
        """Begins a node's life, or lets it go on."""
        return await table.refresh(node, ttl_s=ttl_s, now=self.now)

    async def told(self, table: PresenceTable, *changes: Change, node: str = A) -> list[str]:
        """Makes changes; what they meant, in short: ``join cook``."""
        outcomes = await table.update(node, changes, now=self.now)
        assert outcomes is not None, f"{node} is alive, but its update was not taken"
        assert len(outcomes) == len(changes)
        return [short(outcome) for outcome in outcomes]

    async def here(self, table: PresenceTable, destination: str = KITCHEN) -> set[str]:
        """Names of the members of a destination."""
        found = await table.members(destination, limit=100, now=self.now)
        names = {member.user for member in found}
        assert len(names) == len(found), f"somebody is listed twice: {found}"
        return names

    async def counts(self, table: PresenceTable, destination: str = KITCHEN) -> tuple[int, int]:
        """How many members and guests are on a destination."""
        counted = await table.count(destination, now=self.now)
        return counted.members, counted.guests

    async def test_nobody_is_on_a_destination_that_nobody_entered(self) -> None:
        table = await self.make_table()
        assert await self.here(table) == set()
        assert await self.counts(table) == (0, 0)
        assert await table.expire(limit=100, now=self.now) == []

    async def test_who_enters_joins_and_who_leaves_is_gone(self) -> None:
        table = await self.make_table()
        await self.alive(table)
        assert await self.told(table, enter("cook"), enter("waiter")) == ["join cook", "join waiter"]
        assert await self.here(table) == {"cook", "waiter"}
        assert await self.told(table, leave("cook")) == ["leave cook"]
        assert await self.here(table) == {"waiter"}
        assert await self.counts(table) == (1, 0)

    async def test_destinations_know_nothing_of_each_other(self) -> None:
        table = await self.make_table()
        await self.alive(table)
        await self.told(table, enter("cook"), enter("cook", destination=HALL), Guests(HALL, 2))
        assert await self.told(table, leave("cook")) == ["leave cook"]
        assert await self.here(table, HALL) == {"cook"}
        assert await self.counts(table) == (0, 0)
        assert await self.counts(table, HALL) == (1, 2)

    async def test_to_say_it_again_changes_nothing(self) -> None:
        table = await self.make_table()
        await self.alive(table)
        assert await self.told(table, leave("cook"), Guests(KITCHEN, 0)) == ["none", "none"]
        assert await self.told(table, enter("cook"), enter("cook")) == ["join cook", "none"]
        assert await self.told(table, Guests(KITCHEN, 3), Guests(KITCHEN, 3)) == ["guests 3", "none"]
        assert await self.counts(table) == (1, 3)
        assert await self.told(table, leave("cook"), leave("cook")) == ["leave cook", "none"]

    async def test_changes_take_effect_in_their_order_and_each_is_told_the_counts_after_it(self) -> None:
        table = await self.make_table()
        await self.alive(table)
        changes: list[Change] = [
            enter("cook"),
            Guests(KITCHEN, 2),
            enter("waiter"),
            leave("cook"),
            Guests(KITCHEN, 1),
        ]
        outcomes = await table.update(A, changes, now=self.now)
        assert outcomes is not None
        assert [(one.counts.members, one.counts.guests) for one in outcomes] == [
            (1, 0), (1, 2), (2, 2), (1, 2), (1, 1),
        ]  # fmt: skip
        assert {one.destination for one in outcomes} == {KITCHEN}

    async def test_the_newest_info_of_a_member_is_told_and_the_last_one_when_it_leaves(self) -> None:
        table = await self.make_table()
        await self.alive(table)
        await self.told(table, enter("cook", b'{"hat": "white"}'))
        await self.told(table, enter("cook", b'{"hat": "none", "n": "\\u0000"}'))
        found = await table.members(KITCHEN, limit=100, now=self.now)
        assert found == [Here("cook", b'{"hat": "none", "n": "\\u0000"}')]
        outcomes = await table.update(A, [leave("cook")], now=self.now)
        assert outcomes is not None
        assert outcomes[0].info == b'{"hat": "none", "n": "\\u0000"}'

    async def test_members_are_as_many_as_asked_for(self) -> None:
        table = await self.make_table()
        await self.alive(table)
        await self.told(table, *(enter(f"member {number}") for number in range(10)))
        for limit in (0, 1, 9, 10, 11):
            found = await table.members(KITCHEN, limit=limit, now=self.now)
            assert len({member.user for member in found}) == len(found) == min(limit, 10)
        assert await self.counts(table) == (10, 0)

    async def test_a_node_without_a_life_changes_nothing(self) -> None:
        table = await self.make_table()
        assert await table.update(A, [enter("cook"), Guests(KITCHEN, 1)], now=self.now) is None
        assert await self.counts(table) == (0, 0)

    async def test_a_life_goes_on_while_it_is_refreshed(self) -> None:
        table = await self.make_table()
        assert await self.alive(table, ttl_s=2) is False
        await self.told(table, enter("cook"))
        for _ in range(3):
            await self.pass_time(1)
            assert await self.alive(table, ttl_s=2) is True
            assert await table.expire(limit=100, now=self.now) == []
        assert await self.here(table) == {"cook"}

    async def test_a_life_ends_by_itself_and_an_update_does_not_prolong_it(self) -> None:
        table = await self.make_table()
        await self.alive(table, ttl_s=2)
        await self.pass_time(1)
        await self.told(table, enter("cook"))
        await self.pass_time(1)
        assert await table.update(A, [enter("waiter")], now=self.now) is None
        assert await self.alive(table) is False

    async def test_what_a_dead_node_left_behind_is_told_once(self) -> None:
        table = await self.make_table()
        await self.alive(table, ttl_s=1)
        await self.told(table, enter("cook", b"1"), enter("cook", b"2", HALL), Guests(KITCHEN, 3))
        await self.pass_time(1)
        left = await table.expire(limit=100, now=self.now)
        assert sorted(map(short, left)) == ["guests 0", "leave cook", "leave cook"]
        assert {one.destination: one.info for one in left if one.what == "leave"} == {
            KITCHEN: b"1",
            HALL: b"2",
        }
        assert await table.expire(limit=100, now=self.now) == []
        assert (await self.here(table), await self.counts(table)) == (set(), (0, 0))

    async def test_the_dead_are_taken_out_in_parts_as_large_as_asked_for(self) -> None:
        table = await self.make_table()
        await self.alive(table, ttl_s=1)
        await self.told(table, *(enter(f"member {number}") for number in range(7)))
        await self.pass_time(1)
        parts = [await table.expire(limit=3, now=self.now) for _ in range(4)]
        assert [len(part) for part in parts] == [3, 3, 1, 0]
        assert len({one.user for part in parts for one in part}) == 7
        assert [one.counts.members for part in parts for one in part] == [6, 5, 4, 3, 2, 1, 0]

    async def test_who_enters_again_after_its_node_was_dead_is_there(self) -> None:
        table = await self.make_table()
        await self.alive(table, ttl_s=1)
        await self.told(table, enter("cook"), Guests(KITCHEN, 1))
        await self.pass_time(1)
        assert await self.alive(table) is False
        await self.told(table, enter("cook"), Guests(KITCHEN, 1))
        assert await table.expire(limit=100, now=self.now) == []
        assert await self.here(table) == {"cook"}
        assert await self.counts(table) == (1, 1)

    async def test_a_full_table_takes_nobody_new_and_keeps_who_is_there(self) -> None:
        table = await self.make_table(max_entries=2)
        await self.alive(table)
        said = await self.told(table, enter("cook"), enter("waiter"), enter("guest"), enter("cook", b"1"))
        assert said == ["join cook", "join waiter", "full guest", "none"]
        assert await self.here(table) == {"cook", "waiter"}
        assert await self.told(table, Guests(KITCHEN, 5), leave("guest")) == ["guests 5", "none"]
        assert await self.told(table, leave("cook"), enter("guest")) == ["leave cook", "join guest"]
        assert table.statistics().refused == 1

    async def test_any_text_is_a_name_and_any_destination_may_be_entered(self) -> None:
        table = await self.make_table()
        await self.alive(table)
        names = {"", "요리사", "a\nb", "cook ", "cook", "{x}*", "k" * 200}
        for destination in (KITCHEN, "/topic/부엌", "/topic/a:b c"):
            await self.told(table, *(enter(name, destination=destination) for name in names))
            assert await self.here(table, destination) == names
            await self.told(table, *(leave(name, destination) for name in names))
            assert await self.counts(table, destination) == (0, 0)

    async def test_a_cancelled_update_can_be_said_again(self) -> None:
        table = await self.make_table()
        await self.alive(table)
        for turns in range(5):
            call = asyncio.create_task(table.update(A, [enter("cook"), enter("waiter")], now=self.now))
            for _ in range(turns):
                await asyncio.sleep(0)
            call.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await call
            await self.told(table, enter("cook"), enter("waiter"))
            assert await self.counts(table) == (2, 0)
            await self.told(table, leave("cook"), leave("waiter"))
            assert await self.counts(table) == (0, 0)

    async def test_statistics_count_what_is_there(self) -> None:
        table = await self.make_table()
        await self.alive(table, ttl_s=1)
        await self.told(table, enter("cook"), enter("cook"), enter("waiter"), leave("waiter"))
        assert table.statistics().entries in {1, None}
        await self.pass_time(1)
        await table.expire(limit=100, now=self.now)
        counted = table.statistics()
        assert counted.entries in {0, None}
        assert (counted.refused, counted.expired) == (0, 1)


class SharedPresenceTableContract(PresenceTableContract):
    """The promises of a `PresenceTable` for many nodes: those of `PresenceTableContract`, and what nodes promise each
    other.
    """

    @abstractmethod
    async def join(self, table: PresenceTable) -> PresenceTable:
        """Another node's way to the entries of a table that `make_table` made."""

    async def nodes(self, *, ttl_s: float = 60) -> tuple[PresenceTable, PresenceTable]:
        """Two nodes that are alive."""
        here = await self.make_table()
        there = await self.join(here)
        await self.alive(here, A, ttl_s=ttl_s)
        await self.alive(there, B)
        return here, there

    async def test_what_one_node_changes_the_others_see(self) -> None:
        here, there = await self.nodes()
        await self.told(here, enter("cook", b"1"), Guests(KITCHEN, 2))
        assert await there.members(KITCHEN, limit=10, now=self.now) == [Here("cook", b"1")]
        assert await there.count(KITCHEN, now=self.now) == Counts(1, 2)

    async def test_a_member_joins_with_its_first_node_and_leaves_with_its_last(self) -> None:
        here, there = await self.nodes()
        assert await self.told(here, enter("cook")) == ["join cook"]
        assert await self.told(there, enter("cook"), node=B) == ["none"]
        assert await self.counts(here) == (1, 0)
        assert await self.told(here, leave("cook")) == ["none"]
        assert await self.here(here) == {"cook"}
        assert await self.told(there, leave("cook"), node=B) == ["leave cook"]

    async def test_a_node_takes_out_only_what_is_its_own(self) -> None:
        here, there = await self.nodes()
        await self.told(here, enter("cook"))
        assert await self.told(there, leave("cook"), node=B) == ["none"]
        assert await self.here(there) == {"cook"}

    async def test_guests_of_all_nodes_are_counted_together(self) -> None:
        here, there = await self.nodes()
        await self.told(here, Guests(KITCHEN, 2))
        await self.told(there, Guests(KITCHEN, 3), node=B)
        assert await self.counts(here) == (0, 5)
        await self.told(here, Guests(KITCHEN, 1))
        assert await self.counts(there) == (0, 4)

    async def test_the_info_of_who_is_left_stands_when_the_newest_leaves(self) -> None:
        here, there = await self.nodes()
        await self.told(here, enter("cook", b"1"))
        await self.told(there, enter("cook", b"2"), node=B)
        assert await here.members(KITCHEN, limit=10, now=self.now) == [Here("cook", b"2")]
        await self.told(there, leave("cook"), node=B)
        assert await here.members(KITCHEN, limit=10, now=self.now) == [Here("cook", b"1")]

    async def test_of_many_nodes_exactly_one_is_told_of_a_join_and_one_of_the_leave(self) -> None:
        first = await self.make_table()
        tables = {f"node {number}": first if not number else await self.join(first) for number in range(5)}
        for node, table in tables.items():
            await self.alive(table, node)
        for change, what in ((enter("cook"), "join cook"), (leave("cook"), "leave cook")):
            calls = (self.told(table, change, node=node) for node, table in tables.items())
            said = await asyncio.gather(*calls)
            assert sorted(one for told in said for one in told) == sorted([what, *["none"] * 4])

    async def test_what_a_dead_node_left_behind_is_told_to_one_of_the_others(self) -> None:
        here, there = await self.nodes(ttl_s=1)
        third = await self.join(here)
        await self.told(here, enter("cook"), enter("waiter"), Guests(KITCHEN, 1))
        await self.told(there, enter("cook"), node=B)
        await self.pass_time(1)
        left = await asyncio.gather(*(one.expire(limit=100, now=self.now) for one in (there, third)))
        assert sorted(short(one) for told in left for one in told) == ["guests 0", "leave waiter"]
        assert await self.here(there) == {"cook"}
        assert await self.counts(third) == (1, 0)

    async def test_the_bound_is_one_for_all_nodes(self) -> None:
        here = await self.make_table(max_entries=2)
        there = await self.join(here)
        for node, table in ((A, here), (B, there)):
            await self.alive(table, node)
        assert await self.told(here, enter("cook"), enter("waiter")) == ["join cook", "join waiter"]
        assert await self.told(there, enter("guest"), node=B) == ["full guest"]


def short(outcome: Outcome) -> str:
    """An outcome in a word or two."""
    if outcome.what == "none":
        return "none"
    return f"{outcome.what} {outcome.counts.guests if outcome.what == 'guests' else outcome.user}"
