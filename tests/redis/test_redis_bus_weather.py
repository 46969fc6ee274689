"""What becomes of the bus when its Redis is killed, hangs, is full, or does not let it in."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Awaitable, Iterator
from typing import Any

import pytest

from redisserving import RedisServer, running_redis
from stompede.bus.redis import RedisBus, RedisBusLimits
from stompede.errors import BusError
from stompede.redis import RedisAddress
from stompede.testing.contracts.bus import Heard, done

PATIENCE_S = 20.0
pytestmark = [pytest.mark.asyncio, pytest.mark.proof]


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


class Node:
    """A bus, what it heard, and how often it was interrupted."""

    def __init__(self, address: str, **limits: Any) -> None:
        self.bus: RedisBus[bytes] = RedisBus(
            RedisAddress.parse(address), bytes, bytes, limits=RedisBusLimits(**limits)
        )
        self.heard = Heard(PATIENCE_S)
        self.interruptions = 0
        self._interrupted = asyncio.Event()

    def on_interrupted(self) -> None:
        self.interruptions += 1
        self._interrupted.set()

    async def wait_interrupted(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            await self._interrupted.wait()

    async def wait_deaf(self) -> None:
        """Waits until it has given its connection to listen up."""
        while self.bus.statistics().connected:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.02)

    async def publish(self, item: bytes) -> None:
        await done(self.bus.publish("a", item))

    def publish_later(self, item: bytes) -> Awaitable[None]:
        taken = self.bus.publish("a", item)
        assert taken is not None
        return taken


@contextlib.asynccontextmanager
async def node(address: str, **limits: Any) -> AsyncIterator[Node]:
    made = Node(address, **limits)
    await made.bus.start(made.heard, made.on_interrupted)
    try:
        await done(made.bus.want("a"))
        yield made
    finally:
        await made.bus.aclose()


async def test_while_redis_is_away_items_wait_and_come_in_order_when_it_is_back(redis: RedisServer) -> None:
    async with node(redis.url, max_wait_s=PATIENCE_S) as one:
        await one.publish(b"0")
        await one.heard.wait_for(b"0")
        redis.kill()
        with contextlib.suppress(BusError):  # of an item that was sent before the end was seen
            await one.publish(b"lost")
        waiting = [one.publish_later(f"{number}".encode()) for number in range(1, 10)]
        redis.start()
        for taken in waiting:
            await taken
        await one.wait_interrupted()
        await one.publish(b"10")
        got = await one.heard.wait_for(b"10")
        # What Redis took before this node listened again may be missing; nothing comes twice or in disorder.
        numbers = [int(item) for item in got if item != b"lost"]
        assert numbers == sorted(set(numbers))


async def test_after_a_time_without_redis_the_node_is_told_once_when_it_listens_again(
    redis: RedisServer,
) -> None:
    async with node(redis.url) as one, node(redis.url) as other:
        assert one.interruptions == 0
        redis.kill()
        redis.start()
        await one.wait_interrupted()
        await other.wait_interrupted()
        await other.publish(b"after")
        await one.heard.wait_for(b"after")
        assert one.interruptions == other.interruptions == 1


async def test_an_item_that_waits_too_long_is_refused_with_the_reason(redis: RedisServer) -> None:
    async with node(redis.url, max_wait_s=0.2) as one:
        redis.kill()
        with pytest.raises(BusError, match="not known"):  # sent before the end of the connection was seen
            await one.publish(b"x")
        with pytest.raises(BusError, match="away"):
            await one.publish(b"y")
        assert one.bus.statistics().failed == 2


async def test_a_redis_that_hangs_is_left_and_its_items_are_refused(redis: RedisServer) -> None:
    async with node(redis.url, silence_s=0.4, max_wait_s=0.4) as one:
        redis.process.send_signal(signal.SIGSTOP)
        try:
            with pytest.raises(BusError, match="not known"):
                await one.publish(b"x")
        finally:
            redis.process.send_signal(signal.SIGCONT)
        await one.publish(b"again")
        await one.heard.wait_for(b"again")


async def test_a_redis_that_hangs_is_noticed_by_who_only_listens(redis: RedisServer) -> None:
    async with node(redis.url, silence_s=0.4) as one:
        redis.process.send_signal(signal.SIGSTOP)
        async with asyncio.timeout(PATIENCE_S):
            await one.wait_deaf()
        redis.process.send_signal(signal.SIGCONT)
        await one.wait_interrupted()


async def test_too_much_that_waits_and_too_large_an_item_are_refused(redis: RedisServer) -> None:
    async with node(redis.url, max_item_bytes=1000, max_waiting_bytes=5000, max_wait_s=0.5) as one:
        with pytest.raises(BusError, match=r"1001 bytes; the bus takes 1000"):
            one.bus.publish("a", bytes(1001))
        taken = [one.publish_later(bytes(900)) for _ in range(4)]
        with pytest.raises(BusError, match="bus_bytes"):
            one.publish_later(bytes(900))
        for each in taken:
            await each
        assert one.bus.statistics().failed == 2
        await one.publish(b"there is room again")


async def test_wishes_made_while_redis_is_away_are_fulfilled_when_it_is_back(redis: RedisServer) -> None:
    async with node(redis.url) as one:
        redis.kill()
        wish = one.bus.want("b")
        one.bus.unwant("a")
        redis.start()
        await done(wish)
        await done(one.bus.publish("a", b"nobody wants it"))
        await done(one.bus.publish("b", b"b"))
        assert await one.heard.wait_for(b"b") == [b"b"]


async def test_the_end_comes_at_once_while_redis_is_away(redis: RedisServer) -> None:
    async with node(redis.url, max_wait_s=PATIENCE_S) as one:
        redis.kill()
        wish, taken = one.bus.want("b"), one.publish_later(b"x")
        async with asyncio.timeout(2):
            await one.bus.aclose()
        for outcome in (wish, taken):
            with pytest.raises(BusError):
                await done(outcome)


async def test_who_is_not_there_or_does_not_let_us_in_is_named_without_the_password() -> None:
    with running_redis("--requirepass", "s3cret") as server:
        for login, reason in (("", "Authentication required"), (":wrong-one@", "WRONGPASS")):
            bus = Node(server.url.replace("//", f"//{login}")).bus
            with pytest.raises(BusError, match=reason) as refused:
                await bus.start(lambda _: None)
            assert "wrong-one" not in str(refused.value)
        async with node(server.url.replace("//", "//:s3cret@")) as one:
            await one.publish(b"let in")
            await one.heard.wait_for(b"let in")
    with pytest.raises(BusError, match=r"no Redis for the bus at redis://127\.0\.0\.1:\d+"):
        await Node(server.url).bus.start(lambda _: None)


async def test_bytes_that_nobody_can_read_are_counted_and_left_out(redis: RedisServer) -> None:
    def load(data: bytes) -> bytes:
        if data == b"broken":
            raise ValueError
        return data

    bus: RedisBus[bytes] = RedisBus(RedisAddress.parse(redis.url), bytes, load)
    heard = Heard(PATIENCE_S)
    await bus.start(heard)
    try:
        await done(bus.want("a"))
        for item in (b"broken", b"whole"):
            await done(bus.publish("a", item))
        assert await heard.wait_for(b"whole") == [b"whole"]
        assert bus.statistics().unreadable == 1
    finally:
        await bus.aclose()
