"""The queues in Redis keep the contract of all queues, on one server and on a cluster."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from redisserving import running_cluster, running_redis
from stompede.errors import ConfigurationError
from stompede.redis import RedisAddress
from stompede.store.queues import QueueStore
from stompede.store.redis_queues import RedisQueues
from stompede.testing.contracts import SharedQueueStoreContract


def queues(url: str, **options: Any) -> RedisQueues[bytes]:
    """The queues of a node of its own."""
    made: dict[str, Any] = {"namespace": uuid.uuid4().hex, "node": f"1/{uuid.uuid4()}", **options}
    return RedisQueues(RedisAddress.parse(url), encode=bytes, decode=bytes, **made)


class Queues(SharedQueueStoreContract):
    async def make_store(self, *, max_queues: int = 1000, max_bytes: int = 1_000_000) -> RedisQueues[bytes]:
        self._options: dict[str, Any] = {
            "namespace": uuid.uuid4().hex, "max_queues": max_queues, "max_bytes": max_bytes, "dead_after_s": 1,
        }  # fmt: skip
        return queues(self.url, **self._options)

    async def join(self, store: QueueStore[Any]) -> RedisQueues[bytes]:
        return queues(self.url, **self._options)

    async def crash(self, store: QueueStore[Any]) -> None:
        assert isinstance(store, RedisQueues)
        await store.abort()


@pytest.fixture(scope="module")
def one_server() -> Iterator[str]:
    with running_redis() as server:
        yield server.url


class TestRedisQueues(Queues):
    @pytest.fixture(autouse=True)
    def _server(self, one_server: str) -> None:
        self.url = one_server


@pytest.fixture(scope="module")
def a_cluster() -> Iterator[str]:
    with running_cluster() as cluster:
        yield cluster.url


class TestRedisQueuesOnACluster(Queues):
    @pytest.fixture(autouse=True)
    def _server(self, a_cluster: str) -> None:
        self.url = a_cluster


@pytest.mark.parametrize("options", [{"namespace": "a{b}"}, {"namespace": ""}, {"node": "-"}])
def test_names_that_could_not_be_kept_apart_are_refused(options: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError):
        queues("redis://127.0.0.1", **options)
