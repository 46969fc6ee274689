"""The queues in Redis do what those in memory do, whatever is asked of them in whatever order."""

from __future__ import annotations

import random
import uuid
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from redisserving import running_redis
from stompede.redis import RedisAddress
from stompede.store import MemoryQueues, Queue
from stompede.store.queues import Entry, QueueStore, Taken
from stompede.store.redis_queues import RedisQueues
from stompede.testing.contracts.queue_house import known

pytestmark = pytest.mark.asyncio
QUEUES = {
    "a": Queue(max_messages=6, max_bytes=300),
    "b": Queue(max_messages=5, max_bytes=250, full="drop-oldest"),
    "c": Queue(max_messages=8, ttl_s=4.0),
    "d": Queue(max_messages=4, ttl_s=2.0, full="drop-oldest"),
    "e": Queue(),
}


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    with running_redis() as server:
        yield server.url


class Pair:
    """The same asked of both; what they say must be alike, but for the ids."""

    def __init__(self, url: str, chance: random.Random) -> None:
        bounds = {"max_queues": 4, "max_bytes": 700}
        self.memory: QueueStore[bytes] = MemoryQueues(**bounds)
        self.redis: QueueStore[bytes] = RedisQueues(
            RedisAddress.parse(url), encode=bytes, decode=bytes, node=f"1/{uuid.uuid4()}",
            namespace=uuid.uuid4().hex, **bounds,
        )  # fmt: skip
        self.chance = chance
        self.now = 1000.0
        self.number = 0
        self.held: list[tuple[str, str, str]] = []  # queue, id in memory, id in Redis

    async def both(self, ask: Callable[[QueueStore[bytes], int], Any]) -> tuple[Any, Any]:
        outcomes = [await known(ask(store, which)) for which, store in enumerate((self.memory, self.redis))]
        return outcomes[0], outcomes[1]

    def entry(self) -> Entry[bytes]:
        self.number += 1
        name = self.chance.choice(list(QUEUES))
        size = self.chance.choice((0, 10, 60, 120))
        return Entry(name, b"%d" % self.number, size, QUEUES[name], self.chance.random() < 0.7)

    def some_held(self) -> list[tuple[str, str, str]]:
        return self.chance.sample(self.held, min(len(self.held), self.chance.randrange(1, 4)))

    def got(self, queue: str, here: Taken[bytes], there: Taken[bytes]) -> None:
        assert (here.item, here.deliveries, here.expired, here.redelivered) == (
            there.item, there.deliveries, there.expired, there.redelivered,
        )  # fmt: skip
        self.held.append((queue, here.id, there.id))

    async def append(self) -> None:
        entries = [self.entry() for _ in range(self.chance.choice((1, 1, 1, 2, 5)))]
        gone = self.some_held() if self.chance.random() < 0.3 else []
        here, there = await self.both(
            lambda store, which: store.append(
                entries, [(one[0], one[1 + which]) for one in gone], now=self.now
            )
        )
        assert here == there
        if here is None:
            self.held = [one for one in self.held if one not in gone]

    async def take(self) -> None:
        queue, count = self.chance.choice(list(QUEUES)), self.chance.randrange(1, 6)
        here, there = await self.both(lambda store, _: store.take(queue, count, now=self.now))
        for one, other in zip(here, there, strict=True):
            self.got(queue, one, other)

    async def settle(self) -> None:
        for gone in self.some_held():
            await self.both(lambda store, which: store.settle(gone[0], [gone[1 + which]]))  # noqa: B023
            self.held.remove(gone)

    async def give_back(self) -> None:
        delivered, counted = self.chance.random() < 0.6, self.chance.random() < 0.6
        for back in self.some_held():
            await self.both(
                lambda store, which: store.give_back(
                    back[0],  # noqa: B023
                    [back[1 + which]],  # noqa: B023
                    delivered=delivered,
                    counted=counted,
                )
            )
            self.held.remove(back)

    async def take_expired(self) -> None:
        self.now += self.chance.choice((0.5, 1.0, 2.0))
        here, there = await self.both(lambda store, _: store.take_expired(100, now=self.now))
        here, there = (sorted(found, key=lambda one: int(one[1].item)) for found in (here, there))
        for (queue, one), (same, other) in zip(here, there, strict=True):
            assert queue == same
            self.got(queue, one, other)

    async def delete(self) -> None:
        if self.chance.random() < 0.3:
            queue = self.chance.choice(list(QUEUES))
            await self.both(lambda store, _: store.delete(queue))
            self.held = [one for one in self.held if one[0] != queue]

    async def check(self) -> None:
        for queue in QUEUES:
            here, there = await self.both(lambda store, _: store.length(queue))  # noqa: B023
            assert here == there
        assert self.memory.statistics() == self.redis.statistics()


@pytest.mark.parametrize("seed", range(8))
async def test_both_say_the_same(redis_url: str, seed: int) -> None:
    chance = random.Random(seed)
    pair = Pair(redis_url, chance)
    for store in (pair.memory, pair.redis):
        await store.start(lambda _: None)
    steps: list[Callable[[], Awaitable[None]]] = [
        pair.append, pair.append, pair.append, pair.take, pair.take, pair.settle, pair.give_back,
        pair.take_expired, pair.delete,
    ]  # fmt: skip
    try:
        for _ in range(250):
            await chance.choice(steps)()
            await pair.check()
    finally:
        await pair.redis.aclose()
