"""The history on Redis against the suites of histories, on one server and on a cluster, and what it promises beyond."""

from __future__ import annotations

import asyncio
import json
import random
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from redisserving import running_cluster, some_redis
from stompede.errors import BusError, ConfigurationError
from stompede.redis import RedisAddress
from stompede.store import History, HistoryStore, MemoryHistory, Page, Position
from stompede.store.redis_history import RedisHistory
from stompede.store.redis_history_parts import RedisHistoryLimits
from stompede.testing.contracts import SharedHistoryContract

PLACE = "/topic/a"


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    with some_redis() as url:
        yield url


@pytest.fixture(scope="module")
def cluster_url() -> Iterator[str]:
    with running_cluster() as cluster:
        yield cluster.url


class Histories(SharedHistoryContract):
    """Histories under names of their own, on the server that `address` names."""

    address: RedisAddress

    @pytest.fixture(autouse=True)
    async def _stores(self) -> AsyncIterator[None]:
        self._open: dict[RedisHistory[Any], tuple[str, RedisHistoryLimits]] = {}
        yield
        for store in self._open:
            await store.aclose()

    def _store(self, namespace: str, limits: RedisHistoryLimits) -> RedisHistory[Any]:
        store: RedisHistory[Any] = RedisHistory(
            self.address, bytes, bytes, namespace=namespace, limits=limits, buckets=1
        )
        self._open[store] = (namespace, limits)
        return store

    async def make_store(
        self, *, max_destinations: int = 1000, max_bytes: int = 1024 * 1024
    ) -> RedisHistory[Any]:
        limits = RedisHistoryLimits(max_destinations=max_destinations, max_bytes=max_bytes)
        return self._store(f"{uuid.uuid4().hex}:", limits)

    async def join(self, store: HistoryStore[Any]) -> RedisHistory[Any]:
        assert isinstance(store, RedisHistory)
        return self._store(*self._open[store])

    async def begin_anew(self, store: HistoryStore[Any]) -> None:
        assert isinstance(store, RedisHistory)
        client = self.address.client()
        async for key in client.scan_iter(match=f"{self._open[store][0]}*"):
            await client.delete(key)
        await client.aclose()

    async def pass_time(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class TestRedisHistory(Histories):
    @pytest.fixture(autouse=True)
    def _at(self, redis_url: str) -> None:
        self.address = RedisAddress.parse(redis_url)


class TestRedisHistoryOnACluster(Histories):
    @pytest.fixture(autouse=True)
    def _at(self, cluster_url: str) -> None:
        self.address = RedisAddress.parse(cluster_url)


class Made:
    """Makes histories of one namespace."""

    def __init__(self, make: Callable[..., RedisHistory[bytes]], namespace: str) -> None:
        self._make = make
        self.namespace = namespace

    def __call__(self, *url: str, **options: Any) -> RedisHistory[bytes]:
        return self._make(*url, **options)


@pytest.fixture
async def histories(redis_url: str) -> AsyncIterator[Made]:
    """Makes histories of one namespace on one server."""
    namespace = f"{uuid.uuid4().hex}:"
    made: list[RedisHistory[bytes]] = []

    def make(url: str = redis_url, **options: Any) -> RedisHistory[bytes]:
        address = RedisAddress.parse(url)
        made.append(RedisHistory(address, bytes, bytes, namespace=namespace, **options))
        return made[-1]

    yield Made(make, namespace)
    for store in made:
        await store.aclose()


async def test_what_is_appended_is_published_with_its_position_as_the_last_member(
    histories: Made, redis_url: str
) -> None:
    store = histories(channel_of=lambda name: f"bus:{name}".encode())
    assert store.carries
    client: Any = RedisAddress.parse(redis_url).client()
    async with client.pubsub() as listening:
        await listening.subscribe(f"bus:{PLACE}")
        await listening.get_message(timeout=5)
        for item in (b'{"destination":"/topic/a","v":1}', b"{}"):
            position = await store.append(PLACE, item, 10, History(), 0.0)
            heard = (await listening.get_message(timeout=5, ignore_subscribe_messages=True))["data"]
            assert json.loads(heard) == {**json.loads(item), "id": str(position)}
            assert heard.endswith(f'"id":"{position}"}}'.encode())
            assert (await store.last(PLACE, 1, 0.0)).items[0].item == item
    await client.aclose()


async def test_publications_come_in_the_order_of_the_positions_whoever_appends(
    histories: Made, redis_url: str
) -> None:
    nodes = [histories(channel_of=lambda name: name.encode() + b"!") for _ in range(3)]
    client: Any = RedisAddress.parse(redis_url).client()
    async with client.pubsub() as listening:
        await listening.subscribe(f"{PLACE}!")
        await listening.get_message(timeout=5)
        appended = [node.append(PLACE, b"{}", 2, History(), 0.0) for _ in range(50) for node in nodes]
        await asyncio.gather(*appended)
        heard = []
        while len(heard) < 150:
            message = await listening.get_message(timeout=5, ignore_subscribe_messages=True)
            heard.append(Position.parse(json.loads(message["data"])["id"]))
    assert [position.offset for position in heard if position] == list(range(1, 151))
    await client.aclose()


@pytest.mark.parametrize("seed", range(5))
async def test_it_answers_what_a_history_in_memory_answers(histories: Made, seed: int) -> None:
    chance = random.Random(seed)
    store, memory = histories(), MemoryHistory[bytes]()

    def said(page: Page[bytes]) -> Any:
        return page.complete, page.top.offset, [(kept.position.offset, kept.item) for kept in page.items]

    limits = History()
    for step in range(300):
        place = chance.choice(["/topic/a", "/topic/b"])
        if step % 25 == 0:
            limits = History(count=chance.choice([0, 1, 5, 20, 100]), size_bytes=chance.choice([30, 1000]))
        if chance.random() < 0.7:
            size = chance.randint(0, 35)
            expected = memory.append(place, b"%d" % step, size, limits, 0.0)
            assert (await store.append(place, b"%d" % step, size, limits, 0.0)).offset == expected.offset
        else:
            limit = chance.choice([0, 1, 10, 1000])
            top = (await store.last(place, 0, 0.0)).top
            after = Position(top.epoch, max(0, top.offset - chance.randint(-1, 30)))
            same = Position(memory.last(place, 0, 0.0).top.epoch, after.offset)
            assert said(await store.read(place, after, limit, 0.0)) == said(
                memory.read(place, same, limit, 0.0)
            )
            assert said(await store.last(place, limit, 0.0)) == said(memory.last(place, limit, 0.0))


async def test_a_long_page_is_read_in_pieces_and_is_whole(histories: Made) -> None:
    store = histories()
    limits = History(count=10_000, size_bytes=1 << 30)
    body = b"x" * 50_000
    items = [body + b"%d" % number for number in range(60)]
    positions = await asyncio.gather(*[store.append(PLACE, one, len(one), limits, 0.0) for one in items])
    page = await store.read(PLACE, positions[0], 10_000, 0.0)
    assert [kept.item for kept in page.items] == items[1:]
    assert [kept.position for kept in page.items] == positions[1:]
    newest = await store.last(PLACE, 50, 0.0)
    assert [kept.item for kept in newest.items] == items[10:]
    assert [kept.position for kept in newest.items] == positions[10:]


async def test_what_is_appended_in_one_turn_leaves_in_one_pipeline(histories: Made, redis_url: str) -> None:
    store = histories()
    await store.append(PLACE, b"", 1, History(), 0.0)
    client: Any = RedisAddress.parse(redis_url).client()
    before = await client.info("stats")
    await asyncio.gather(*[store.append(PLACE, b"", 1, History(), 0.0) for _ in range(200)])
    after = await client.info("stats")
    assert after["total_reads_processed"] - before["total_reads_processed"] < 20
    await client.aclose()


async def test_a_history_that_is_idle_for_too_long_ends(histories: Made) -> None:
    store = histories(limits=RedisHistoryLimits(idle_s=0.5))
    (old,) = [await store.append(PLACE, b"", 1, History(), 0.0)]
    await asyncio.sleep(0.6)
    store.tidy(0.0)
    assert not (await store.read(PLACE, old, 0, 0.0)).complete
    assert store.statistics().evicted == 1
    anew = await store.append(PLACE, b"", 1, History(), 0.0)
    assert (anew.offset, anew.epoch != old.epoch) == (1, True)


async def test_only_a_name_of_the_same_class_begins_in_another_epoch_after_an_eviction(
    histories: Made,
) -> None:
    store = histories(limits=RedisHistoryLimits(max_destinations=2))
    top = (await store.last("/topic/silent", 0, 0.0)).top
    for number in range(10):
        await store.append(f"/topic/{number}", b"", 1, History(), 0.0)
    assert store.statistics().evicted == 8
    assert (await store.read("/topic/silent", top, 0, 0.0)).complete


@pytest.mark.parametrize("taken", ["m", "s", "index", "state"])
async def test_a_key_that_redis_took_away_is_never_taken_for_a_whole_history(
    histories: Made, redis_url: str, taken: str
) -> None:
    store = histories()
    positions = [await store.append(PLACE, b"%d" % n, 1, History(), 0.0) for n in range(1, 4)]
    client: Any = RedisAddress.parse(redis_url).client()
    async for key in client.scan_iter(match=f"{histories.namespace}*"):
        if f":{taken}".encode() in key:
            await client.delete(key)
    await client.aclose()
    page = await store.read(PLACE, positions[0], 10, 0.0)
    assert not page.complete or [kept.item for kept in page.items] == [b"2", b"3"]
    await store.append(PLACE, b"4", 1, History(), 0.0)
    page = await store.read(PLACE, positions[0], 10, 0.0)
    assert not page.complete or [kept.item for kept in page.items] == [b"2", b"3", b"4"]
    newest = await store.last(PLACE, 1, 0.0)
    assert [kept.item for kept in newest.items] == [b"4"]


async def test_destinations_of_a_cluster_are_spread_over_its_servers(
    cluster_url: str, histories: Made
) -> None:
    store = histories(cluster_url)
    places = [f"/topic/{number}" for number in range(100)]
    appended = [store.append(place, b"%d" % n, 1, History(), 0.0) for n in range(3) for place in places]
    await asyncio.gather(*appended)
    for place in places:
        assert [kept.item for kept in (await store.last(place, 10, 0.0)).items] == [b"0", b"1", b"2"]


async def test_what_cannot_be_is_refused_with_a_sentence(histories: Made) -> None:
    one, cluster = map(RedisAddress.parse, ("redis://127.0.0.1", "redis+cluster://127.0.0.1"))
    with pytest.raises(ConfigurationError, match="braces"):
        RedisHistory(one, bytes, bytes, namespace="a{b}")
    with pytest.raises(ConfigurationError, match="cluster"):
        RedisHistory(cluster, bytes, bytes, channel_of=str.encode)
    store = histories()
    await store.aclose()
    with pytest.raises(BusError, match="closed"):
        store.append(PLACE, b"", 1, History(), 0.0)
