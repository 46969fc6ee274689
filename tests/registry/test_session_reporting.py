from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any

import pytest

from redisserving import RedisServer, running_redis
from stompede.errors import BusError
from stompede.redis import RedisAddress
from stompede.registry import (
    MemorySessionRegistry,
    NodeInfo,
    SessionEntry,
    SessionRegistry,
    SessionReporter,
)
from stompede.registry.redis import RedisSessionRegistry

PATIENCE_S = 20.0


class House:
    """A node with its sessions and its reporter; `second` is the beat of its clock."""

    def __init__(self, registry: SessionRegistry, *, ttl_s: float = 15, **options: Any) -> None:
        self.registry = registry
        self.id = f"1700000000000/{uuid.uuid4()}"
        self.now = 1000.0
        self.draining = False
        self.sessions: dict[str, SessionEntry] = {}
        self.tasks: set[asyncio.Task[Any]] = set()
        self.failures: list[BaseException] = []
        self.reporter = SessionReporter(
            registry,
            info=lambda: NodeInfo(
                self.id, "wss://a.example", sessions=len(self.sessions), draining=self.draining
            ),
            sessions=self.sessions.values,
            spawn=self.spawn,
            unix_now=lambda: self.now,
            ttl_s=ttl_s,
            **{"delay_s": 0.001, **options},
        )

    def spawn(self, work: Coroutine[Any, Any, Any], failed: str) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.failures.append(error)

    def enter(self, *names: str, user: str | None = None) -> None:
        for name in names:
            self.sessions[name] = SessionEntry(name, self.now, user)
            self.reporter.entered(self.sessions[name])

    def leave(self, *names: str) -> None:
        for name in names:
            self.reporter.left(self.sessions.pop(name))

    def second(self, seconds: float = 1) -> None:
        self.now += seconds
        self.reporter.each_second(self.now)

    async def known(self) -> set[str]:
        found, after = set[str](), None
        while True:
            page = await self.registry.sessions(self.id, after=after, limit=1000, now=self.now)
            found |= {record.session_id for record in page.records}
            if (after := page.after) is None:
                return found

    async def wait(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not holds():  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0.005)

    async def wait_known(self, *names: str) -> None:
        """Waits until the registry knows these sessions and no others."""
        async with asyncio.timeout(PATIENCE_S):
            while await self.known() != set(names):  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0.005)

    async def wait_quiet(self) -> None:
        await self.wait(lambda: not self.tasks)


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


@pytest.fixture(params=["memory", "redis"])
async def registry(request: pytest.FixtureRequest) -> AsyncIterator[SessionRegistry]:
    if request.param == "memory":
        yield MemorySessionRegistry()
        return
    server = request.getfixturevalue("redis")
    one = RedisSessionRegistry(RedisAddress.parse(server.url))
    yield one
    await one.aclose()


async def test_a_node_that_starts_and_its_sessions_are_known(registry: SessionRegistry) -> None:
    node = House(registry)
    node.sessions["early"] = SessionEntry("early", node.now)
    await node.reporter.start()
    assert [one.id for one in await registry.nodes(now=node.now)] == [node.id]
    assert await node.known() == {"early"}
    node.enter("a", "b", user="cook")
    await node.wait_known("early", "a", "b")
    node.leave("a", "early")
    await node.wait_known("b")
    assert [one.session_id for one in await registry.sessions_of("cook", now=node.now)] == ["b"]
    assert (node.reporter.waiting, node.reporter.failed, node.failures) == (0, 0, [])


async def test_what_changes_in_a_moment_is_told_together(registry: SessionRegistry) -> None:
    node = House(registry)
    await node.reporter.start()
    node.enter(*(f"s{number}" for number in range(1200)))
    node.leave(*(f"s{number}" for number in range(600)))
    await node.wait_quiet()
    assert await node.known() == {f"s{number}" for number in range(600, 1200)}
    # Three batches of at most 500: those that came and went at once are told as gone, not as there.
    assert registry.statistics().written == 1200
    assert node.reporter._batch == 1 + 3


async def test_a_session_that_has_another_member_now_is_the_other_ones(registry: SessionRegistry) -> None:
    node = House(registry)
    await node.reporter.start()
    node.enter("a")
    await node.wait_quiet()
    for user in ("cook", "waiter"):
        node.leave("a")
        node.enter("a", user=user)
    await node.wait_quiet()
    assert await registry.sessions_of("cook", now=node.now) == []
    assert len(await registry.sessions_of("waiter", now=node.now)) == 1
    assert await node.known() == {"a"}


async def test_a_node_is_refreshed_three_times_in_its_life(registry: SessionRegistry) -> None:
    node = House(registry, ttl_s=15)
    refreshed: list[float] = []
    refresh = registry.refresh

    async def counted(info: NodeInfo, **options: Any) -> bool:
        refreshed.append(node.now)
        return await refresh(info, **options)

    registry.refresh = counted  # type: ignore[method-assign]
    await node.reporter.start()
    for _ in range(15):
        node.second()
        await node.wait_quiet()
    assert refreshed == [1000, 1001, 1006, 1011]
    assert node.reporter.replaced == 1


async def test_what_a_node_tells_of_itself_is_told_at_once(registry: SessionRegistry) -> None:
    node = House(registry)
    await node.reporter.start()
    node.draining = True
    node.reporter.refresh_soon()
    await node.wait_quiet()
    assert [one.draining for one in await registry.nodes(now=node.now)] == [True]


async def test_a_node_that_stops_is_gone_and_tells_nothing_more(registry: SessionRegistry) -> None:
    node = House(registry)
    await node.reporter.start()
    node.enter("a")
    await node.reporter.stop()
    node.enter("b")
    node.second(60)
    await node.wait_quiet()
    assert await registry.nodes(now=node.now) == []
    assert await node.known() == set()


async def test_a_registry_that_has_forgotten_everything_is_told_it_again(registry: SessionRegistry) -> None:
    node = House(registry)
    await node.reporter.start()
    node.enter("a", "b")
    await node.wait_known("a", "b")
    await registry.end(node.id, now=node.now)
    node.enter("c")  # the next change finds out, long before the next refresh
    await node.wait_known("a", "b", "c")
    assert node.reporter.replaced == 2


async def test_more_than_is_worth_keeping_is_told_as_everything(registry: SessionRegistry) -> None:
    node = House(registry, most_waiting=10)
    await node.reporter.start()
    node.enter(*(f"s{number}" for number in range(20)))
    await node.wait_quiet()
    assert await node.known() == set(node.sessions)
    assert (node.reporter.replaced, registry.statistics().written) == (2, 0)


async def test_keys_that_went_missing_are_made_again_by_the_next_refresh(redis: RedisServer) -> None:
    address = RedisAddress.parse(redis.url)
    registry, client = RedisSessionRegistry(address), address.client()
    try:
        node = House(registry)
        await node.reporter.start()
        node.enter("a", "b", user="cook")
        await node.wait_known("a", "b")
        for rounds, what in enumerate(("sessions", "users", "life"), 1):
            await client.delete(f"{{stompede:node:{node.id}}}:{what}")
            node.second(15)
            await node.wait_quiet()
            assert (await node.known(), node.reporter.replaced) == ({"a", "b"}, 1 + rounds)
            assert len(await registry.sessions_of("cook", now=0)) == 2
        await client.hdel(f"{{stompede:node:{node.id}}}:sessions", f"{node.id}_a")
        await client.delete("stompede:nodes")
        node.second(15)
        await node.wait_quiet()
        assert await node.known() == {"a", "b"}
        assert len(await registry.nodes(now=0)) == 1
    finally:
        await client.aclose()
        await registry.aclose()


async def test_a_redis_that_was_killed_and_came_back_empty_knows_everything_again(redis: RedisServer) -> None:
    registry = RedisSessionRegistry(RedisAddress.parse(redis.url), timeout_s=0.5)
    try:
        node = House(registry)
        await node.reporter.start()
        node.enter("a", "b")
        await node.wait_known("a", "b")
        redis.kill()
        node.enter("c")
        node.leave("a")
        await node.wait(lambda: len(node.failures) > 0)
        assert isinstance(node.failures[0], BusError)
        assert node.reporter.waiting == 2
        redis.start()
        node.second()
        await node.wait_known("b", "c")
        await node.wait_quiet()
        assert node.reporter.waiting == 0
    finally:
        await registry.aclose()


async def test_the_sessions_of_a_node_that_crashed_are_gone_from_redis_in_time(redis: RedisServer) -> None:
    address = RedisAddress.parse(redis.url)
    here, there = RedisSessionRegistry(address), RedisSessionRegistry(address)
    client = address.client()
    try:
        crashed, other = House(here, ttl_s=0.6), House(there, ttl_s=0.6)
        for node in (crashed, other):
            await node.reporter.start()
            node.enter("a", "b")
            await node.wait_known("a", "b")
        async with asyncio.timeout(
            0.6 * 20 / 15 + 1
        ):  # as 20 s are to the life of 15 s, and what a busy machine takes
            while await client.exists(f"{{stompede:node:{crashed.id}}}:sessions"):
                other.second()
                await asyncio.sleep(0.02)
        assert [one.id for one in await there.nodes(now=0)] == [other.id]
        assert await client.smembers("stompede:nodes") == {other.id.encode()}
        assert await other.known() == {"a", "b"}
        crashed.second(15)  # it was frozen, and finds out
        await crashed.wait_known("a", "b")
    finally:
        await client.aclose()
        await here.aclose()
        await there.aclose()
