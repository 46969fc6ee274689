from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from redisserving import running_redis
from stompede.redis import RedisAddress
from stompede.store.queues import QueueStore
from stompede.store.redis_queues import RedisQueues
from stompede.testing.contracts import SharedQueueStoreContract


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    with running_redis() as server:
        yield server.url


def queues(url: str, namespace: str = "", **options: Any) -> RedisQueues[bytes]:
    """A store of a node of its own."""
    return RedisQueues(
        RedisAddress.parse(url),
        encode=bytes,
        decode=bytes,
        node=f"1/{uuid.uuid4()}",
        namespace=namespace or uuid.uuid4().hex,
        **options,
    )


class TestRedisQueues(SharedQueueStoreContract):
    @pytest.fixture(autouse=True)
    def _server(self, redis_url: str) -> None:
        self.url = redis_url

    async def make_store(self, *, max_queues: int = 1000, max_bytes: int = 1_000_000) -> RedisQueues[bytes]:
        self._options = {
            "namespace": uuid.uuid4().hex, "max_queues": max_queues, "max_bytes": max_bytes, "dead_after_s": 1,
        }  # fmt: skip
        return queues(self.url, **self._options)

    async def join(self, store: QueueStore[Any]) -> RedisQueues[bytes]:
        return queues(self.url, **self._options)

    async def crash(self, store: QueueStore[Any]) -> None:
        assert isinstance(store, RedisQueues)
        await store.abort()
