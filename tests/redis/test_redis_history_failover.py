"""The history when the master of its Redis dies: under Sentinels, and in a cluster."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

import redis as sync_redis
from redisserving import RedisCluster, SentinelRedis, running_cluster, running_sentinel
from stompede.redis import RedisAddress
from stompede.store import History, Position
from stompede.store.redis_history import RedisHistory
from stompede.store.redis_history_parts import RedisHistoryLimits

PLACE = "/topic/a"
MANY = History(count=10_000)
PATIENT = RedisHistoryLimits(max_wait_s=30)
Make = Callable[[str], RedisHistory[bytes]]

pytestmark = pytest.mark.proof  # servers that elect another master take their time


@pytest.fixture
def sentinel() -> Iterator[SentinelRedis]:
    with running_sentinel() as servers:
        yield servers


@pytest.fixture
def cluster() -> Iterator[RedisCluster]:
    with running_cluster() as servers:
        yield servers


@pytest.fixture
async def node() -> AsyncIterator[Make]:
    """Makes the history of one more node."""
    made: list[RedisHistory[bytes]] = []

    def make(url: str) -> RedisHistory[bytes]:
        made.append(RedisHistory(RedisAddress.parse(url), bytes, bytes, limits=PATIENT))
        return made[-1]

    yield make
    for store in made:
        await store.aclose()


async def append_through(store: RedisHistory[bytes], kill: Callable[[], None]) -> list[Position]:
    """Appends items at a rate, and lets something die in the middle."""
    appending = []
    for number in range(200):
        appending.append(asyncio.ensure_future(store.append(PLACE, b"%d" % number, 1, MANY, 0.0)))
        if number == 100:
            kill()
        await asyncio.sleep(0.005)
    return list(await asyncio.gather(*appending))


async def check_once_in_order(store: RedisHistory[bytes], positions: list[Position]) -> None:
    """All items are there once, in order; only a new epoch may have taken those before it."""
    newest = positions[-1].epoch
    kept = [(item.position, item.item) for item in (await store.last(PLACE, 1000, 0.0)).items]
    given = [(position, b"%d" % number) for number, position in enumerate(positions)]
    assert kept == [one for one in given if one[0].epoch == newest]
    for epoch in {position.epoch for position in positions}:
        offsets = [position.offset for position in positions if position.epoch == epoch]
        assert offsets == list(range(1, len(offsets) + 1))


async def test_appends_go_on_after_the_master_died_under_sentinels(
    sentinel: SentinelRedis, node: Make
) -> None:
    store = node(sentinel.url)
    positions = await append_through(store, sentinel.servers[0].kill)
    await check_once_in_order(store, positions)
    await check_once_in_order(node(sentinel.url), positions)


async def test_appends_go_on_after_a_master_of_a_cluster_died(cluster: RedisCluster, node: Make) -> None:
    store = node(cluster.url)
    await store.last(PLACE, 0, 0.0)
    key = store.key_of(PLACE)
    positions = await append_through(store, lambda: cluster.master_of(key).kill())
    await check_once_in_order(store, positions)


async def test_what_a_new_master_never_heard_of_ends_the_epoch(sentinel: SentinelRedis, node: Make) -> None:
    here, there = node(sentinel.url), node(sentinel.url)
    await here.append(PLACE, b"1", 1, MANY, 0.0)
    await there.last(PLACE, 0, 0.0)
    master, replica = sentinel.servers
    os.kill(replica.process.pid, signal.SIGSTOP)  # not for long: the Sentinels must not take it for dead
    with sync_redis.Redis(port=master.port) as admin:
        admin.execute_command("CLIENT", "KILL", "TYPE", "replica")
    lost = await here.append(PLACE, b"2", 1, MANY, 0.0)
    master.kill()
    os.kill(replica.process.pid, signal.SIGCONT)
    reused = await there.append(PLACE, b"anew", 1, MANY, 0.0)
    assert reused == lost, "the replica had heard of it: nothing was tested"
    here.tidy(0.0)  # as every second
    async with asyncio.timeout(20):
        while (await there.last(PLACE, 0, 0.0)).top.epoch == lost.epoch:  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.01)
    assert not (await there.read(PLACE, lost, 0, 0.0)).complete
