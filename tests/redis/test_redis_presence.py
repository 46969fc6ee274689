from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator

import pytest

from redisserving import running_cluster, some_redis
from stompede.redis import RedisAddress
from stompede.registry import PresenceTable
from stompede.registry.redis import RedisPresenceTable
from stompede.testing.contracts import SharedPresenceTableContract


@pytest.fixture(scope="module", params=["one server", pytest.param("a cluster", marks=pytest.mark.proof)])
def redis_url(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "a cluster":
        with running_cluster() as cluster:
            yield cluster.url
        return
    with some_redis() as url:
        yield url


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
