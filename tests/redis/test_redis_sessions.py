from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator

import pytest

from redisserving import running_cluster, some_redis
from stompede.redis import RedisAddress
from stompede.registry import SessionRegistry
from stompede.registry.redis import RedisSessionRegistry
from stompede.testing.contracts import SharedSessionRegistryContract


@pytest.fixture(scope="module", params=["one server", pytest.param("a cluster", marks=pytest.mark.proof)])
def redis_url(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "a cluster":
        with running_cluster() as cluster:
            yield cluster.url
        return
    with some_redis() as url:
        yield url


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
