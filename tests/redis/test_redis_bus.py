from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from redisserving import some_redis
from stompede.bus.redis import RedisBus
from stompede.redis import RedisAddress
from stompede.testing.contracts import SharedBusContract


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    with some_redis() as url:
        yield url


class TestRedisBus(SharedBusContract):
    @pytest.fixture(autouse=True)
    def _names(self, redis_url: str) -> None:
        self._address = RedisAddress.parse(redis_url)
        self._namespace = f"{uuid.uuid4().hex}:"

    async def make_bus(self) -> RedisBus[bytes]:
        return RedisBus(self._address, bytes, bytes, namespace=self._namespace)
