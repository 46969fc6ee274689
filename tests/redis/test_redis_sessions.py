from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator

import pytest

from stompede.redis import RedisAddress
from stompede.registry import NodeInfo, SessionEntry, SessionRegistry
from stompede.registry.redis import RedisSessionRegistry
from stompede.testing.contracts import SharedSessionRegistryContract


class TestRedisSessionRegistry(SharedSessionRegistryContract):
    @pytest.fixture(autouse=True)
    async def _names(self, redis_url: str) -> AsyncIterator[None]:
        self._address = RedisAddress.parse(redis_url)
        self._namespace = f"{uuid.uuid4().hex}:"
        self._registries: list[RedisSessionRegistry] = []
        yield
        for registry in self._registries:
            await registry.aclose()

    async def make_registry(self) -> RedisSessionRegistry:
        self._registries.append(RedisSessionRegistry(self._address, namespace=self._namespace))
        return self._registries[-1]

    async def join(self, registry: SessionRegistry) -> RedisSessionRegistry:
        return await self.make_registry()

    async def pass_time(self, seconds: float) -> None:
        await asyncio.sleep(seconds + 0.02)  # the contract is of time that really passes at the server

    async def test_a_refresh_costs_as_much_with_many_sessions_as_with_none(self) -> None:
        registry = await self.make_registry()
        await self.begin(registry)
        few = await self._cost(registry, batch=1)
        entries = [SessionEntry(f"{number:020x}", 0, f"member {number}") for number in range(10_000)]
        assert await self.replace(registry, entries, batch=2)
        many = await self._cost(registry, batch=2)
        assert many < 5 * few
        assert many < 0.1  # 2 % of a core, refreshed each 5 s; it takes about 0.5 ms

    async def _cost(self, registry: SessionRegistry, *, batch: int) -> float:
        """CPU time of a refresh, the least of some."""
        costs = []
        for _ in range(5):
            began = time.process_time()
            for _ in range(10):
                assert await self.refresh(registry, batch=batch)
            costs.append((time.process_time() - began) / 10)
        return min(costs)

    async def test_a_session_stands_in_redis_as_other_programs_expect_it(self) -> None:
        registry = await self.make_registry()
        node = NodeInfo("1700000000000/8c5e1d0e-6f5e-4e57-9d3b-0a1b2c3d4e5f", "wss://a.example")
        await self.begin(registry, SessionEntry("5f0c", 1_795_297_200.123, "17"), node=node)
        client = self._address.client()
        try:
            tag = f"{{{self._namespace}node:{node.id}}}"
            assert await client.hgetall(f"{tag}:sessions") == {
                f"{node.id}_5f0c".encode(): (
                    b'{"connectDatetime":"2026_11_21_T_21_40_00_123_UTC","serverUuid":"%s",'
                    b'"principalUserName":"5f0c","memberUid":17}' % node.id.encode()
                )
            }
            assert 0 < await client.pttl(f"{tag}:life") <= 60_000
            assert 0 < await client.pttl(f"{tag}:sessions") <= 90_000
            assert await client.smembers(f"{self._namespace}nodes") == {node.id.encode()}
        finally:
            await client.aclose()
