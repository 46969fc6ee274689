"""What becomes of queues in Redis when the server is killed, frozen, full, a replica, or begins anew."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

import redis
from cutting import CuttingProxy
from redisserving import RedisServer, running_cluster, running_redis, running_sentinels
from stompede.errors import BusError
from stompede.redis import RedisAddress
from stompede.store import Queue
from stompede.store.queues import Entry, Taken
from stompede.store.redis_queues import RedisQueues
from stompede.testing.contracts.queue_house import known

pytestmark = [pytest.mark.asyncio, pytest.mark.proof]
PATIENCE_S = 20.0
LASTING = ("--appendonly", "yes", "--appendfsync", "always")


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with running_redis(*LASTING) as made:
        yield made


class Node:
    """A node with queues, and what it was told."""

    def __init__(self, url: str, namespace: str, **options: Any) -> None:
        settings: dict[str, Any] = {"patience_s": 1.0, "node": f"1/{uuid.uuid4()}", **options}
        self.store: RedisQueues[bytes] = RedisQueues(
            RedisAddress.parse(url), encode=bytes, decode=bytes, namespace=namespace, **settings
        )
        self.told: list[str] = []

    async def put(self, *numbers: int, queue: str = "a", size: int = 0) -> None:
        """Appends messages; when it returns, they are acknowledged."""
        entries = [Entry(queue, _item(number, size), 10, Queue()) for number in numbers]
        assert await known(self.store.append(entries, now=time.time())) is None

    async def take(self, count: int = 1000, queue: str = "a") -> list[Taken[bytes]]:
        return list(await known(self.store.take(queue, count, now=time.time())))

    async def wait_well(self) -> None:
        """Waits until the server serves it."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                with contextlib.suppress(BusError):
                    await known(self.store.length("a"))
                    return

    async def wait_told(self, queue: str) -> None:
        """Waits until it was told of messages in a queue."""
        async with asyncio.timeout(PATIENCE_S):
            while queue not in self.told:  # noqa: ASYNC110 - the list has no event
                await asyncio.sleep(0.01)

    async def wait_length(self, waiting: int, taken: int) -> None:
        """Waits until so many messages wait and are taken."""
        seen = None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                while seen != (waiting, taken):
                    length = await known(self.store.length("a"))
                    seen = (length.waiting, length.taken)
        assert seen == (waiting, taken)


def _item(number: int, size: int = 0) -> bytes:
    return f"{number} ".encode().ljust(size, b".")


def numbers(taken: list[Taken[bytes]]) -> list[int]:
    return [int(one.item.split()[0]) for one in taken]


@contextlib.asynccontextmanager
async def node(url: str, namespace: str = "test", **options: Any) -> AsyncIterator[Node]:
    made = Node(url, namespace, **options)
    await made.store.start(made.told.append)
    try:
        yield made
    finally:
        await made.store.aclose()


async def test_a_server_that_was_killed_has_lost_nothing_acknowledged_and_brings_nothing_settled(
    server: RedisServer,
) -> None:
    async with node(server.url) as one:
        settling: set[int] = set()  # of the last one it is not known
        settled: set[int] = set()
        acknowledged: set[int] = set()

        async def publish() -> None:
            for number in range(100_000):
                await one.put(number)
                acknowledged.add(number)

        async def consume() -> None:
            while True:
                for taken in await one.take(5):
                    settling.update(numbers([taken]))
                    await known(one.store.settle("a", [taken.id]))
                    settled.update(numbers([taken]))

        tasks = [asyncio.create_task(work()) for work in (publish, consume)]
        while len(settled) < 200:  # noqa: ASYNC110 - two tasks work meanwhile
            await asyncio.sleep(0.01)
        server.kill()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [BusError, BusError]
        server.start()
        await one.wait_well()
    async with node(server.url) as other:  # what the first one had taken waits again, since it has ended
        left = numbers(await other.take(100_000))
        assert left == sorted(set(left))
        assert acknowledged <= settling | set(left)
        assert len(settling - settled) <= 1
        assert not settled & set(left)


async def test_what_was_settled_and_given_back_while_the_server_was_away_is_done_when_it_is_back(
    server: RedisServer,
) -> None:
    async with node(server.url) as one:
        await one.put(1, 2, 3)
        first, second, _ = await one.take()
        server.kill()
        settling = one.store.settle("a", [first.id])
        back = one.store.give_back("a", [second.id], delivered=True)
        assert settling is not None
        assert back is not None
        began = time.monotonic()
        for outcome in (settling, back):
            with pytest.raises(BusError, match="not served us for 1 s"):
                await outcome
        assert time.monotonic() - began < 2
        server.start()
        await one.wait_length(1, 1)
        assert [(one.item, one.deliveries) for one in await one.take()] == [(_item(2), 2)]


async def test_a_server_that_began_anew_and_empty_is_served_and_tells_of_messages_again(
    server: RedisServer,
) -> None:
    with running_redis() as forgetful:
        async with node(forgetful.url) as one, node(forgetful.url) as other:
            for number in range(300):  # more than are looked at each second
                await known(one.store.watch(f"/queue/{number}"))
            await other.put(1)
            (gone,) = await other.take()
            forgetful.kill()
            forgetful.start()
            await asyncio.gather(one.wait_well(), other.wait_well())
            await known(other.store.settle("a", [gone.id]))
            one.told.clear()
            await other.put(2)
            (again,) = await other.take()
            assert again.id != gone.id
            await other.put(3, queue="/queue/299")
            await one.wait_told("/queue/299")
            assert other.store.statistics().queues == 2


async def test_a_server_that_hangs_fails_calls_in_time_and_what_it_did_late_is_taken_back(
    server: RedisServer,
) -> None:
    async with node(server.url) as one, node(server.url) as other:
        await one.put(1, 2)
        server.process.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        with pytest.raises(BusError, match="not served us for 1 s: it does not answer"):
            await one.take(1)
        with pytest.raises(BusError):
            await one.put(3)
        assert time.monotonic() - began < 3.5
        server.process.send_signal(signal.SIGCONT)
        await one.wait_well()
        taken = await other.take()
        assert numbers(taken)[:2] == [1, 2]  # and perhaps 3: of that it was not known
        assert {each.deliveries for each in taken} == {1}
        await known(other.store.settle("a", [each.id for each in taken]))
        await other.wait_length(0, 0)


async def test_nobody_is_dead_because_the_server_was_away_for_long(server: RedisServer) -> None:
    async with node(server.url, dead_after_s=1) as one, node(server.url, dead_after_s=1) as other:
        await one.put(1)
        (mine,) = await one.take()
        server.process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(2.5)  # the time itself is what is tested
        server.process.send_signal(signal.SIGCONT)
        await asyncio.gather(one.wait_well(), other.wait_well())
        assert await other.take() == []
        await known(one.store.settle("a", [mine.id]))
        await other.wait_length(0, 0)


async def test_a_server_without_memory_refuses_messages_and_lets_the_rest_go_on(server: RedisServer) -> None:
    with redis.Redis(port=server.port) as admin:
        async with node(server.url) as one:
            await one.put(1, 2, 3)
            admin.config_set("maxmemory", 1)
            with pytest.raises(BusError, match="no memory left"):
                await one.put(4)
            first, second = await one.take(2)
            await known(one.store.settle("a", [first.id]))
            await known(one.store.give_back("a", [second.id], delivered=False))
            with pytest.raises(BusError, match="no memory left"):
                await one.put(4)
            admin.config_set("maxmemory", 0)
            await one.put(5)
            assert numbers(await one.take()) == [2, 3, 5]


async def test_who_evicts_queues_is_warned_of(
    server: RedisServer, capsys: pytest.CaptureFixture[str]
) -> None:
    with redis.Redis(port=server.port) as admin:
        admin.config_set("maxmemory", 100_000_000)
        admin.config_set("maxmemory-policy", "allkeys-lru")
    async with node(server.url):
        pass
    assert "evicts keys" in capsys.readouterr().out


async def test_a_server_that_became_a_replica_takes_nothing_until_it_is_master_again(
    server: RedisServer,
) -> None:
    with redis.Redis(port=server.port) as admin:
        async with node(server.url) as one:
            await one.put(1)
            admin.replicaof("127.0.0.1", 1)
            with pytest.raises(BusError, match="read only replica"):
                await one.put(2)
            admin.replicaof("NO", "ONE")
            await one.wait_well()
            await one.put(3)
            assert numbers(await one.take()) == [1, 3]


async def test_a_server_that_is_not_there_or_lets_nobody_in_is_said_at_the_start(server: RedisServer) -> None:
    with pytest.raises(
        BusError, match=r"redis://127\.0\.0\.1:1 has not served us for 1 s: Error .* connecting"
    ):
        async with node("redis://127.0.0.1:1"):
            pass
    with redis.Redis(port=server.port) as admin:
        admin.config_set("requirepass", "secret")
    with pytest.raises(BusError, match="does not let us in") as raised:
        async with node(f"redis://:secrecy@127.0.0.1:{server.port}"):
            pass
    assert "secrecy" not in str(raised.value)
    async with node(f"redis://:secret@127.0.0.1:{server.port}") as one:
        await one.put(1)


async def test_over_a_line_that_breaks_all_the_time_each_message_comes_once(server: RedisServer) -> None:
    proxy = CuttingProxy(server.port, random.Random(5), 6000)
    async with proxy.running(), node(f"redis://127.0.0.1:{proxy.port}", patience_s=PATIENCE_S) as one:
        got: list[int] = []

        async def consume() -> None:
            while len(got) < 300:
                taken = await one.take(7)
                await known(one.store.give_back("a", [each.id for each in taken[4:]], delivered=False))
                await known(one.store.settle("a", [each.id for each in taken[:4]]))
                got.extend(numbers(taken[:4]))

        task = asyncio.create_task(consume())
        for number in range(300):
            await one.put(number, size=100)
        async with asyncio.timeout(60):
            await task
        proxy.cutting = False
        assert got == list(range(300))
        assert proxy.cuts > 5
        await one.wait_length(0, 0)


async def test_of_large_messages_some_are_taken_at_a_time_and_a_node_is_told_of_the_rest(
    server: RedisServer,
) -> None:
    async with node(server.url) as one:
        await known(one.store.watch("a"))
        for number in range(50):
            entry = Entry("a", _item(number, 100_000), 100_000, Queue())
            assert await known(one.store.append([entry], now=time.time())) is None
        one.told.clear()
        taken = await one.take()
        assert 10 < len(taken) < 50
        assert one.told
        taken += await one.take()
        assert numbers(taken) == list(range(50))


async def test_two_nodes_of_one_id_are_told_apart(server: RedisServer) -> None:
    async with node(server.url, node="1/same") as one:
        for _ in range(3):
            await one.put(1)
        second = Node(server.url, "test", node="1/same")
        with pytest.raises(BusError, match="another node"):
            await second.store.start(second.told.append)


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGSTOP])
async def test_when_a_master_of_a_cluster_ends_or_hangs_its_replica_goes_on(end: signal.Signals) -> None:
    with running_cluster() as cluster:
        await goes_on(cluster.url, lambda: cluster.master_of("{test}"), end)


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGSTOP])
async def test_when_a_master_under_sentinels_ends_or_hangs_another_goes_on(end: signal.Signals) -> None:
    with running_sentinels() as sentinels:
        await goes_on(sentinels.url, lambda: sentinels.master, end)


async def goes_on(url: str, master: Callable[[], RedisServer], end: signal.Signals) -> None:
    """What a master that has a replica acknowledged is there, and more can come, when the master is gone."""
    async with node(url, patience_s=PATIENCE_S) as one, node(url, patience_s=PATIENCE_S) as other:
        await known(other.store.watch("a"))
        await one.put(*range(10))
        taken = await one.take(5)
        with redis.Redis(port=master().port) as admin:
            assert admin.wait(1, 1000) == 1
        master().process.send_signal(end)
        await one.put(10)
        await known(one.store.settle("a", [each.id for each in taken]))
        other.told.clear()
        await one.put(11)
        await other.wait_told("a")
        assert numbers(await other.take()) == list(range(5, 12))
