from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator

import pytest

from stompede.redis import RedisAddress
from stompede.registry import Enter, Guests, Leave, PresenceTable
from stompede.registry.redis import RedisPresenceTable
from stompede.testing.contracts import SharedPresenceTableContract

ROOM = "/topic/rooms/kitchen"


class TestRedisPresenceTable(SharedPresenceTableContract):
    @pytest.fixture(autouse=True)
    async def _names(self, redis_url: str) -> AsyncIterator[None]:
        self._address = RedisAddress.parse(redis_url)
        self._namespace = f"{uuid.uuid4().hex}:"
        self._tables: list[RedisPresenceTable] = []
        self._most = 1000
        yield
        for table in self._tables:
            await table.aclose()

    async def make_table(self, *, max_entries: int = 1000) -> RedisPresenceTable:
        self._most = max_entries
        self._tables.append(
            RedisPresenceTable(self._address, namespace=self._namespace, max_entries=max_entries)
        )
        return self._tables[-1]

    async def join(self, table: PresenceTable) -> RedisPresenceTable:
        return await self.make_table(max_entries=self._most)

    async def pass_time(self, seconds: float) -> None:
        await asyncio.sleep(seconds + 0.02)  # the contract is of time that really passes at the server

    async def test_what_is_empty_leaves_no_keys(self) -> None:
        table = await self.make_table()
        await self.alive(table, ttl_s=1)
        for number in range(10):
            room = f"/topic/rooms/{number}"
            await self.told(table, Enter(room, "cook"), Guests(room, 1), Leave(room, "cook"), Guests(room, 0))
        await self.pass_time(1)
        await table.expire(limit=10, now=self.now)
        client = self._address.client()
        try:
            tag = f"{{{self._namespace}presence}}"
            left = [key async for key in client.scan_iter(f"{tag}:*") if b":once:" not in key]
            assert left == [f"{tag}:entries".encode()]
            assert await client.get(f"{tag}:entries") == b"0"
        finally:
            await client.aclose()

    async def test_a_server_that_lost_its_last_moment_is_seen_by_the_next_refresh(self) -> None:
        table = await self.make_table()
        await self.alive(table)
        await self.told(table, Enter(ROOM, "cook"))
        assert await self.alive(table) is True
        told = f"{{{self._namespace}presence}}:told"
        client = self._address.client()
        try:
            before = await client.hget(told, "node a")
            await self.told(table, Enter(ROOM, "waiter"))
            await client.hset(told, "node a", before)
        finally:
            await client.aclose()
        assert await self.alive(table) is False
        await self.told(table, Enter(ROOM, "cook"), Enter(ROOM, "waiter"))
        assert await self.alive(table) is True

    async def test_to_count_many_members_costs_as_much_as_to_count_one(self) -> None:
        table = await self.make_table(max_entries=20_000)
        await self.alive(table)
        many = [Enter(ROOM, f"member {number}") for number in range(10_000)]
        assert set(await self.told(table, *many)) == {f"join member {number}" for number in range(10_000)}
        await self.told(table, Enter("/topic/small", "cook"))
        seconds: dict[str, float] = {}
        for room, members in (("/topic/small", 1), (ROOM, 10_000)) * 5:
            began = time.perf_counter()
            for _ in range(20):
                assert (await table.count(room, now=self.now)).members == members
            seconds[room] = min(time.perf_counter() - began, seconds.get(room, 1e9))
        assert (
            seconds[ROOM] < 10 * seconds["/topic/small"]
        )  # not 10,000 times; ten is the noise of a busy machine
