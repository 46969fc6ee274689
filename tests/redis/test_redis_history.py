"""The history on Redis against the suite of histories, and what it promises beyond."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from redisserving import some_redis
from stompede.redis import RedisAddress
from stompede.store.redis_history import RedisHistory
from stompede.store.redis_history_parts import RedisHistoryLimits
from stompede.testing.contracts import HistoryContract


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    with some_redis() as url:
        yield url


class TestRedisHistory(HistoryContract):
    @pytest.fixture(autouse=True)
    async def _stores(self, redis_url: str) -> AsyncIterator[None]:
        self._address = RedisAddress.parse(redis_url)
        self._open: list[RedisHistory[Any]] = []
        yield
        for store in self._open:
            await store.aclose()

    async def make_store(
        self, *, max_destinations: int = 1000, max_bytes: int = 1024 * 1024
    ) -> RedisHistory[Any]:
        limits = RedisHistoryLimits(max_destinations=max_destinations, max_bytes=max_bytes)
        store: RedisHistory[Any] = RedisHistory(
            self._address, bytes, bytes, namespace=f"{uuid.uuid4().hex}:", limits=limits
        )
        self._open.append(store)
        return store

    async def pass_time(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
