"""The contract of every routing table, as a suite; the promises themselves are written down in
`stompede.registry.RoutingTable`.
"""

from __future__ import annotations

import asyncio
import contextlib
from abc import ABC, abstractmethod
from typing import ClassVar

import pytest

from stompede.errors import LimitError
from stompede.registry import RoutingTable

A, B = "wss://a.example/stomp", "wss://b.example/stomp"


class RoutingTableContract(ABC):
    """The promises of every `RoutingTable`. Derive a class, name it ``Test...``, and say how a table is made.

    Attributes:
        now: the time that is passed in.
    """

    pytestmark: ClassVar = [pytest.mark.asyncio]
    now: float = 1_800_000_000.0

    @abstractmethod
    async def make_table(self, *, max_entries: int = 1000) -> RoutingTable:
        """A new, empty table. What it holds open is closed by a fixture of the derived class."""

    async def pass_time(self, seconds: float) -> None:
        """Let time go on. A table that goes by a server's clock overrides this to wait really."""
        self.now += seconds

    async def test_a_key_that_nobody_entered_points_nowhere(self) -> None:
        table = await self.make_table()
        assert await table.get("rider:1", now=self.now) is None
        assert await table.leave("rider:1", now=self.now) is False

    async def test_a_key_points_to_the_node_that_entered_it_last(self) -> None:
        table = await self.make_table()
        await table.enter("rider:1", A, ttl_s=60, now=self.now)
        await table.enter("rider:2", A, ttl_s=60, now=self.now)
        await table.enter("rider:1", B, ttl_s=60, now=self.now)
        assert await table.get("rider:1", now=self.now) == B
        assert await table.get("rider:2", now=self.now) == A

    async def test_an_entry_ends_by_itself(self) -> None:
        table = await self.make_table()
        await table.enter("rider:1", A, ttl_s=2, now=self.now)
        await self.pass_time(1)
        assert await table.get("rider:1", now=self.now) == A
        await self.pass_time(1)
        assert await table.get("rider:1", now=self.now) is None
        assert await table.leave("rider:1", now=self.now) is False
        assert await table.leave_if("rider:1", A, now=self.now) is False
        assert await table.enter_if("rider:1", A, B, ttl_s=2, now=self.now) is False
        assert await table.enter_if("rider:1", None, B, ttl_s=2, now=self.now) is True

    async def test_entering_again_begins_a_new_time(self) -> None:
        table = await self.make_table()
        await table.enter("rider:1", A, ttl_s=2, now=self.now)
        await table.enter("rider:2", A, ttl_s=2, now=self.now)
        await self.pass_time(1)
        await table.enter("rider:1", A, ttl_s=2, now=self.now)
        assert await table.enter_if("rider:2", A, B, ttl_s=2, now=self.now) is True
        await self.pass_time(1.5)
        assert await table.get("rider:1", now=self.now) == A
        assert await table.get("rider:2", now=self.now) == B

    async def test_what_changed_nothing_begins_no_new_time(self) -> None:
        table = await self.make_table()
        await table.enter("rider:1", A, ttl_s=2, now=self.now)
        await self.pass_time(1)
        assert await table.get("rider:1", now=self.now) == A
        assert await table.enter_if("rider:1", B, B, ttl_s=60, now=self.now) is False
        assert await table.enter_if("rider:1", None, B, ttl_s=60, now=self.now) is False
        assert await table.leave_if("rider:1", B, now=self.now) is False
        await self.pass_time(1)
        assert await table.get("rider:1", now=self.now) is None

    async def test_leaving_takes_a_key_out(self) -> None:
        table = await self.make_table()
        await table.enter("rider:1", A, ttl_s=60, now=self.now)
        assert await table.leave("rider:1", now=self.now) is True
        assert await table.get("rider:1", now=self.now) is None

    async def test_a_node_takes_out_only_what_is_its_own(self) -> None:
        table = await self.make_table()
        await table.enter("rider:1", B, ttl_s=60, now=self.now)
        assert await table.leave_if("rider:1", A, now=self.now) is False
        assert await table.get("rider:1", now=self.now) == B
        assert await table.leave_if("rider:1", B, now=self.now) is True
        assert await table.get("rider:1", now=self.now) is None

    async def test_compare_and_set_takes_a_free_key_once(self) -> None:
        table = await self.make_table()
        assert await table.enter_if("rider:1", None, A, ttl_s=60, now=self.now) is True
        assert await table.enter_if("rider:1", None, B, ttl_s=60, now=self.now) is False
        assert await table.enter_if("rider:1", A, B, ttl_s=60, now=self.now) is True
        assert await table.enter_if("rider:1", A, A, ttl_s=60, now=self.now) is False
        assert await table.get("rider:1", now=self.now) == B

    async def test_of_many_at_once_exactly_one_takes_a_free_key(self) -> None:
        table = await self.make_table()
        urls = [f"wss://{n}.example/stomp" for n in range(50)]
        taken = await asyncio.gather(
            *(table.enter_if("rider:1", None, url, ttl_s=60, now=self.now) for url in urls)
        )
        assert taken.count(True) == 1
        assert await table.get("rider:1", now=self.now) == urls[taken.index(True)]

    async def test_a_full_table_refuses_new_keys_and_keeps_the_old_ones(self) -> None:
        table = await self.make_table(max_entries=2)
        await table.enter("rider:1", A, ttl_s=60, now=self.now)
        await table.enter("rider:2", A, ttl_s=2, now=self.now)
        with pytest.raises(LimitError) as refused:
            await table.enter("rider:3", A, ttl_s=60, now=self.now)
        assert refused.value.allowed == 2
        with pytest.raises(LimitError):
            await table.enter_if("rider:3", None, A, ttl_s=60, now=self.now)
        await table.enter("rider:1", B, ttl_s=60, now=self.now)
        assert await table.enter_if("rider:1", B, A, ttl_s=60, now=self.now) is True
        assert await table.get("rider:1", now=self.now) == A
        assert await table.get("rider:2", now=self.now) == A

    async def test_what_expired_or_left_makes_room_in_a_full_table(self) -> None:
        table = await self.make_table(max_entries=2)
        await table.enter("rider:1", A, ttl_s=60, now=self.now)
        await table.enter("rider:2", A, ttl_s=2, now=self.now)
        await self.pass_time(2)
        await table.enter("rider:3", A, ttl_s=60, now=self.now)
        await table.leave("rider:1", now=self.now)
        await table.enter("rider:4", A, ttl_s=60, now=self.now)
        assert [await table.get(f"rider:{n}", now=self.now) for n in range(1, 5)] == [None, None, A, A]

    async def test_any_text_is_a_key(self) -> None:
        table = await self.make_table()
        for key in ("", "rider:1 ", "라이더:1", "a\nb", "{x}*", "k" * 200):
            await table.enter(key, A, ttl_s=60, now=self.now)
            assert await table.get(key, now=self.now) == A
        assert await table.get("rider:1", now=self.now) is None

    async def test_a_cancelled_call_has_taken_effect_or_not_but_never_by_half(self) -> None:
        table = await self.make_table()
        await table.enter("rider:1", A, ttl_s=60, now=self.now)
        for turns in range(5):
            call = asyncio.create_task(table.enter_if("rider:1", A, B, ttl_s=2, now=self.now))
            for _ in range(turns):
                await asyncio.sleep(0)
            call.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await call
            assert await table.get("rider:1", now=self.now) in {A, B}
            await table.enter("rider:1", A, ttl_s=60, now=self.now)
            assert await table.get("rider:1", now=self.now) == A

    async def test_statistics_count_what_happened(self) -> None:
        table = await self.make_table(max_entries=2)
        await table.enter("rider:1", A, ttl_s=60, now=self.now)
        await table.enter("rider:1", B, ttl_s=60, now=self.now)
        await table.enter_if("rider:2", None, A, ttl_s=60, now=self.now)
        await table.enter_if("rider:2", None, B, ttl_s=60, now=self.now)
        await table.leave_if("rider:2", B, now=self.now)
        with pytest.raises(LimitError):
            await table.enter("rider:3", A, ttl_s=60, now=self.now)
        counted = table.statistics()
        assert counted.entries in {2, None}
        assert (counted.entered, counted.refused, counted.lost) == (3, 1, 2)


class SharedRoutingTableContract(RoutingTableContract):
    """The promises of a `RoutingTable` for many nodes: those of `RoutingTableContract`, and what nodes promise each
    other.
    """

    @abstractmethod
    async def join(self, table: RoutingTable) -> RoutingTable:
        """Another node's way to the entries of a table that `make_table` made."""

    async def test_what_one_node_enters_and_takes_out_the_others_see(self) -> None:
        here = await self.make_table()
        there = await self.join(here)
        await here.enter("rider:1", A, ttl_s=60, now=self.now)
        assert await there.get("rider:1", now=self.now) == A
        assert await there.leave_if("rider:1", B, now=self.now) is False
        assert await there.enter_if("rider:1", A, B, ttl_s=60, now=self.now) is True
        assert await here.leave_if("rider:1", A, now=self.now) is False
        assert await here.get("rider:1", now=self.now) == B
        assert await here.leave("rider:1", now=self.now) is True
        assert await there.get("rider:1", now=self.now) is None

    async def test_of_many_nodes_exactly_one_takes_a_free_key(self) -> None:
        first = await self.make_table()
        nodes = [first, *[await self.join(first) for _ in range(4)]]
        for key in map("rider:{}".format, range(20)):
            calls = (
                node.enter_if(key, None, f"wss://{number}.example", ttl_s=60, now=self.now)
                for number, node in enumerate(nodes)
            )
            taken = await asyncio.gather(*calls)
            assert taken.count(True) == 1
            assert await first.get(key, now=self.now) == f"wss://{taken.index(True)}.example"

    async def test_what_a_crashed_node_left_behind_goes_away(self) -> None:
        here = await self.make_table()
        there = await self.join(here)
        await here.enter("rider:1", A, ttl_s=2, now=self.now)
        await self.pass_time(2)
        assert await there.get("rider:1", now=self.now) is None
        assert await there.enter_if("rider:1", None, B, ttl_s=60, now=self.now) is True

    async def test_the_bound_is_one_for_all_nodes(self) -> None:
        here = await self.make_table(max_entries=2)
        there = await self.join(here)
        await here.enter("rider:1", A, ttl_s=60, now=self.now)
        await there.enter("rider:2", B, ttl_s=60, now=self.now)
        with pytest.raises(LimitError):
            await there.enter("rider:3", B, ttl_s=60, now=self.now)

    async def test_statistics_are_of_one_node(self) -> None:
        here = await self.make_table()
        there = await self.join(here)
        await here.enter("rider:1", A, ttl_s=60, now=self.now)
        await there.leave_if("rider:1", B, now=self.now)
        counted = [(one.statistics().entered, one.statistics().lost) for one in (here, there)]
        assert counted == [(1, 0), (0, 1)]
