"""The contract of every routing table, as a suite that each implementation runs.

Derive a class named ``Test...`` and say how a table is made. The clock stands in `now`; a table that goes by
a server's clock overrides `pass_time` to wait really.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod

import pytest

from stompede.errors import LimitError
from stompede.registry import RoutingTable

A, B = "wss://a.example/stomp", "wss://b.example/stomp"


class RoutingTableContract(ABC):
    now = 1_800_000_000.0

    @abstractmethod
    async def make_table(self, *, max_entries: int = 1000) -> RoutingTable:
        """A new, empty table."""

    async def pass_time(self, seconds: float) -> None:
        """Let the table's clock go on."""
        self.now += seconds

    async def test_a_key_that_nobody_entered_points_nowhere(self):
        table = await self.make_table()
        assert await table.get("rider:1", now=self.now) is None
        assert await table.leave("rider:1", now=self.now) is False

    async def test_a_key_points_to_the_node_that_entered_it_last(self):
        table = await self.make_table()
        await table.enter("rider:1", A, ttl_s=60, now=self.now)
        await table.enter("rider:2", A, ttl_s=60, now=self.now)
        await table.enter("rider:1", B, ttl_s=60, now=self.now)
        assert await table.get("rider:1", now=self.now) == B
        assert await table.get("rider:2", now=self.now) == A

    async def test_an_entry_ends_by_itself(self):
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

    async def test_entering_again_begins_a_new_time(self):
        table = await self.make_table()
        await table.enter("rider:1", A, ttl_s=2, now=self.now)
        await self.pass_time(1)
        await table.enter("rider:1", A, ttl_s=2, now=self.now)
        await self.pass_time(1.5)
        assert await table.get("rider:1", now=self.now) == A

    async def test_leaving_takes_a_key_out(self):
        table = await self.make_table()
        await table.enter("rider:1", A, ttl_s=60, now=self.now)
        assert await table.leave("rider:1", now=self.now) is True
        assert await table.get("rider:1", now=self.now) is None

    async def test_a_node_takes_out_only_what_is_its_own(self):
        table = await self.make_table()
        await table.enter("rider:1", B, ttl_s=60, now=self.now)
        assert await table.leave_if("rider:1", A, now=self.now) is False
        assert await table.get("rider:1", now=self.now) == B
        assert await table.leave_if("rider:1", B, now=self.now) is True
        assert await table.get("rider:1", now=self.now) is None

    async def test_compare_and_set_takes_a_free_key_once(self):
        table = await self.make_table()
        assert await table.enter_if("rider:1", None, A, ttl_s=60, now=self.now) is True
        assert await table.enter_if("rider:1", None, B, ttl_s=60, now=self.now) is False
        assert await table.enter_if("rider:1", A, B, ttl_s=60, now=self.now) is True
        assert await table.enter_if("rider:1", A, A, ttl_s=60, now=self.now) is False
        assert await table.get("rider:1", now=self.now) == B
        assert table.statistics().lost == 2

    async def test_of_many_at_once_exactly_one_takes_a_free_key(self):
        table = await self.make_table()
        urls = [f"wss://{n}.example/stomp" for n in range(50)]
        taken = await asyncio.gather(
            *(table.enter_if("rider:1", None, url, ttl_s=60, now=self.now) for url in urls)
        )
        assert taken.count(True) == 1
        assert await table.get("rider:1", now=self.now) == urls[taken.index(True)]

    async def test_a_full_table_refuses_new_keys_and_keeps_the_old_ones(self):
        table = await self.make_table(max_entries=2)
        await table.enter("rider:1", A, ttl_s=60, now=self.now)
        await table.enter("rider:2", A, ttl_s=2, now=self.now)
        with pytest.raises(LimitError):
            await table.enter("rider:3", A, ttl_s=60, now=self.now)
        with pytest.raises(LimitError):
            await table.enter_if("rider:3", None, A, ttl_s=60, now=self.now)
        await table.enter("rider:1", B, ttl_s=60, now=self.now)
        assert await table.get("rider:1", now=self.now) == B
        await self.pass_time(2)
        await table.enter("rider:3", A, ttl_s=60, now=self.now)
        assert await table.get("rider:3", now=self.now) == A
        assert table.statistics().refused == 2

    async def test_any_text_is_a_key(self):
        table = await self.make_table()
        for key in ("", "rider:1 ", "라이더:1", "a\nb", "{x}*", "k" * 200):
            await table.enter(key, A, ttl_s=60, now=self.now)
            assert await table.get(key, now=self.now) == A
        assert await table.get("rider:1", now=self.now) is None
