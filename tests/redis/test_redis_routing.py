from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator

import pytest

from stompede.redis import RedisAddress
from stompede.registry import RoutingTable
from stompede.registry.redis import RedisRoutingTable
from stompede.testing.contracts import SharedRoutingTableContract

A, B = "wss://a.example/stomp", "wss://b.example/stomp"


class TestRedisRoutingTable(SharedRoutingTableContract):
    @pytest.fixture(autouse=True)
    async def _names(self, redis_url: str) -> AsyncIterator[None]:
        self._address = RedisAddress.parse(redis_url)
        self._namespace = f"{uuid.uuid4().hex}:"
        self._tables: list[RedisRoutingTable] = []
        self._most = 1000
        yield
        for table in self._tables:
            await table.aclose()

    async def make_table(self, *, max_entries: int = 1000) -> RedisRoutingTable:
        self._most = max_entries
        self._tables.append(
            RedisRoutingTable(self._address, namespace=self._namespace, max_entries=max_entries)
        )
        return self._tables[-1]

    async def join(self, table: RoutingTable) -> RedisRoutingTable:
        return await self.make_table(max_entries=self._most)

    async def pass_time(self, seconds: float) -> None:
        await asyncio.sleep(seconds + 0.02)  # the contract is of time that really passes at the server

    async def test_expired_entries_take_no_memory_for_long(self) -> None:
        table = await self.make_table()
        for n in range(20):
            await table.enter(f"rider:{n}", A, ttl_s=0.05, now=0)
        await self.pass_time(0.05)
        for n in range(2):
            await table.enter(f"rider:new {n}", A, ttl_s=60, now=0)
        client = self._address.client()
        try:
            assert await client.zcard(f"{{{self._namespace}routes}}:ends") == 2
        finally:
            await client.aclose()

    async def test_thousands_of_calls_at_once_are_answered(self) -> None:
        table = await self.make_table(max_entries=20_000)
        await asyncio.gather(*(table.enter(f"rider:{n}", A, ttl_s=60, now=0) for n in range(5000)))
        found = await asyncio.gather(*(table.get(f"rider:{n}", now=0) for n in range(0, 5000, 7)))
        assert set(found) == {A}
