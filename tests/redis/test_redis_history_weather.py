"""The history on Redis when the server is killed, frozen, full, a replica, or comes back with less than it gave."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from redis.exceptions import ResponseError

from cutting import CuttingProxy
from redisserving import RedisServer, running_redis
from stompede.errors import BusError
from stompede.redis import RedisAddress
from stompede.store import History, Position
from stompede.store.redis_history import RedisHistory
from stompede.store.redis_history_lua import APPEND
from stompede.store.redis_history_parts import RedisHistoryLimits

pytestmark = pytest.mark.proof  # servers that hang take their time

PLACE = "/topic/a"
MANY = History(count=1000)
QUICK = RedisHistoryLimits(max_wait_s=0.5)
Make = Callable[..., RedisHistory[bytes]]


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


@pytest.fixture
async def node(server: RedisServer) -> AsyncIterator[Make]:
    """Makes the history of one more node."""
    made: list[RedisHistory[bytes]] = []

    def make(limits: RedisHistoryLimits | None = None, url: str = server.url) -> RedisHistory[bytes]:
        made.append(RedisHistory(RedisAddress.parse(url), bytes, bytes, limits=limits))
        return made[-1]

    yield make
    for store in made:
        await store.aclose()
    assert [task for task in asyncio.all_tasks() if task.get_name() == "stompede redis calls"] == []


async def append(store: RedisHistory[bytes], *items: bytes) -> list[Position]:
    return list(await asyncio.gather(*[store.append(PLACE, item, 1, MANY, 0.0) for item in items]))


async def items_of(store: RedisHistory[bytes]) -> list[bytes]:
    return [kept.item for kept in (await store.last(PLACE, 1000, 0.0)).items]


@pytest.fixture
async def admin(server: RedisServer) -> AsyncIterator[Any]:
    client: Any = RedisAddress.parse(server.url).client()
    yield client
    await client.aclose()


async def test_without_a_server_append_and_read_end_with_a_sentence(server: RedisServer, node: Make) -> None:
    store = node(QUICK)
    server.kill()
    began = time.monotonic()
    for asked in (store.append(PLACE, b"1", 1, History(), 0.0), store.last(PLACE, 1, 0.0)):
        with pytest.raises(BusError, match=f"no connection to redis://127.0.0.1:{server.port}"):
            await asked
    assert time.monotonic() - began < 10


async def test_what_is_appended_while_the_server_is_away_is_taken_when_it_is_back(
    server: RedisServer, node: Make
) -> None:
    store = node(RedisHistoryLimits(max_wait_s=30))
    (before,) = await append(store, b"0")
    server.kill()
    waiting = [store.append(PLACE, b"%d" % number, 1, History(), 0.0) for number in range(1, 11)]
    await asyncio.sleep(0.2)
    server.start()
    positions = [await position for position in waiting]
    assert [position.offset for position in positions] == list(range(1, 11))
    assert {position.epoch for position in positions}.isdisjoint({before.epoch})
    assert await items_of(store) == [b"%d" % number for number in range(1, 11)]
    page = await store.read(PLACE, before, 10, 0.0)
    assert (page.complete, page.items) == (False, ())


async def test_a_frozen_server_is_waited_for_in_bounds_and_taken_up_again(
    server: RedisServer, node: Make
) -> None:
    store = node(QUICK)
    await append(store, b"0")
    os.kill(server.process.pid, signal.SIGSTOP)
    began = time.monotonic()
    try:
        with pytest.raises(BusError, match=r"does not answer.*not known"):
            await append(store, b"1")
        assert time.monotonic() - began < 10
    finally:
        os.kill(server.process.pid, signal.SIGCONT)
    await append(store, b"2")
    assert (await items_of(store))[-1] == b"2"


@pytest.mark.parametrize("seed", range(3))
async def test_over_a_line_that_breaks_each_item_is_appended_once_and_in_order(
    server: RedisServer, node: Make, seed: int
) -> None:
    proxy = CuttingProxy(server.port, random.Random(seed), 4000)
    items = [b"%d" % number for number in range(200)]
    async with proxy.running():
        store = node(RedisHistoryLimits(max_wait_s=60), f"redis://127.0.0.1:{proxy.port}")
        appended = []
        for start in range(0, 200, 20):
            appended.append(asyncio.ensure_future(append(store, *items[start : start + 20])))
            await asyncio.sleep(0.02)
        positions = [position for some in await asyncio.gather(*appended) for position in some]
        await store.aclose()
        assert proxy.cuts
    assert [position.offset for position in positions] == list(range(1, 201))
    assert await items_of(node()) == items


async def test_a_full_server_refuses_what_is_new_and_still_gives_what_it_has(node: Make, admin: Any) -> None:
    store = node()
    positions = await append(store, b"1", b"2")
    await admin.config_set("maxmemory", "1")
    with pytest.raises(BusError, match="no memory left: raise its maxmemory"):
        await append(store, b"3")
    page = await store.read(PLACE, positions[0], 10, 0.0)
    assert [kept.item for kept in page.items] == [b"2"]
    await admin.config_set("maxmemory", "0")
    assert (await append(store, b"4"))[0] == Position(positions[0].epoch, 3)


async def test_a_replica_is_waited_for_until_it_is_a_master_again(node: Make, admin: Any) -> None:
    store = node(RedisHistoryLimits(max_wait_s=30))
    (first,) = await append(store, b"1")
    await admin.execute_command("REPLICAOF", "127.0.0.1", "1")
    waiting = asyncio.gather(*[store.append(PLACE, item, 1, History(), 0.0) for item in (b"2", b"3")])
    await asyncio.sleep(0.2)
    assert not waiting.done()
    await admin.execute_command("REPLICAOF", "NO", "ONE")
    assert await waiting == [Position(first.epoch, 2), Position(first.epoch, 3)]
    impatient = node(QUICK)
    await admin.execute_command("REPLICAOF", "127.0.0.1", "1")
    with pytest.raises(BusError, match="takes no writes: it is a replica"):
        await append(impatient, b"4")
    await admin.execute_command("REPLICAOF", "NO", "ONE")


async def test_scripts_that_the_server_forgot_are_sent_again_in_order(node: Make, admin: Any) -> None:
    store = node()
    await append(store, b"0")
    await admin.script_flush()
    positions = await append(store, *[b"%d" % number for number in range(1, 50)])
    assert [position.offset for position in positions] == list(range(2, 51))
    assert await items_of(store) == [b"%d" % number for number in range(50)]


async def test_what_waits_is_bounded_in_bytes(server: RedisServer, node: Make) -> None:
    store = node(RedisHistoryLimits(max_wait_s=0.5, max_waiting_bytes=1000))
    server.kill()
    first = store.append(PLACE, b"x" * 900, 900, History(), 0.0)
    with pytest.raises(BusError, match="900 bytes wait"):
        store.append(PLACE, b"x" * 900, 900, History(), 0.0)
    with pytest.raises(BusError):
        await first
    server.start()
    await append(store, b"x" * 900)


async def test_closing_refuses_what_waits(server: RedisServer, node: Make) -> None:
    store = node()
    server.kill()
    waiting = [store.append(PLACE, b"1", 1, History(), 0.0), store.last(PLACE, 1, 0.0)]
    await asyncio.sleep(0.1)
    await store.aclose()
    for asked in waiting:
        with pytest.raises(BusError, match="closed"):
            await asked


async def test_a_count_that_went_back_ends_the_epoch(server: RedisServer, node: Make, admin: Any) -> None:
    here, there = node(), node()
    await append(here, b"1", b"2")
    await there.last(PLACE, 0, 0.0)
    await admin.save()
    lost = await append(here, b"3", b"4")
    server.kill()
    server.start()  # with what was saved
    (reused,) = await append(there, b"anew")  # knows nothing of 3 and 4
    assert reused == lost[0]
    here.tidy(0.0)  # as every second
    async with asyncio.timeout(10):
        while (await there.last(PLACE, 0, 0.0)).top.epoch == lost[0].epoch:  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.01)
    for known in lost:
        assert not (await there.read(PLACE, known, 0, 0.0)).complete
    (following,) = await append(there, b"5")
    assert (following.offset, following.epoch != lost[0].epoch) == (1, True)


async def test_a_restart_that_lost_nothing_ends_no_epoch(server: RedisServer, node: Make, admin: Any) -> None:
    here, there = node(), node()
    positions = await append(here, b"1", b"2")
    await there.last(PLACE, 0, 0.0)
    await admin.save()
    server.kill()
    server.start()
    (following,) = await append(there, b"3")
    assert following == Position(positions[0].epoch, 3)
    here.tidy(0.0)
    page = await here.read(PLACE, positions[0], 10, 0.0)
    assert [kept.item for kept in page.items] == [b"2", b"3"]


async def test_what_arrives_after_it_was_sent_again_is_not_done_once_more(admin: Any, node: Make) -> None:
    keys = ("m:a", "s:a", "index", "state")

    def arrives(attempt: str, token: str) -> Any:
        args = (attempt, "a", "e", "", 0, "", b"item", f"node0000{token}", "", 4, 10, 100, "", 10, 1000, 0)
        return admin.eval(APPEND.source, 4, *keys, *args)

    assert (await arrives("0f", "1"))[1] == 1
    assert (await arrives("1a", "1"))[1] == 1  # found by its token
    assert (await arrives("1a", "2"))[1] == 2
    with pytest.raises(ResponseError, match="sent again since"):
        await arrives("0", "2")
    assert (await arrives("1", "3"))[1] == 3
