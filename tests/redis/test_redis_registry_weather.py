"""What becomes of the tables when their Redis is killed, hangs, is full, is a replica, or its answers are lost."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest

from redisserving import RedisServer, running_cluster, running_redis, running_sentinels
from stompede.errors import BusError
from stompede.redis import RedisAddress
from stompede.registry import Enter, Leave, NodeInfo, SessionEntry
from stompede.registry.redis import RedisPresenceTable, RedisRoutingTable, RedisSessionRegistry

PATIENCE_S = 20.0
A, B = "wss://a.example", "wss://b.example"
KITCHEN = "/topic/kitchen"
NODE = NodeInfo("1700000000000/8c5e1d0e-6f5e-4e57-9d3b-0a1b2c3d4e5f", A)
pytestmark = [pytest.mark.asyncio, pytest.mark.proof]


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


class Tables:
    """All that stands in one Redis."""

    def __init__(self, url: str, *, timeout_s: float = 0.5) -> None:
        address = RedisAddress.parse(url)
        self.routes = RedisRoutingTable(address, timeout_s=timeout_s)
        self.presence = RedisPresenceTable(address, timeout_s=timeout_s)
        self.sessions = RedisSessionRegistry(address, timeout_s=timeout_s)

    async def aclose(self) -> None:
        for one in (self.routes, self.presence, self.sessions):
            await one.aclose()

    def everything(self) -> dict[str, Callable[[], Awaitable[Any]]]:
        """A call of each kind."""
        routes, presence, sessions = self.routes, self.presence, self.sessions
        return {
            "enter": lambda: routes.enter("rider:1", A, ttl_s=60, now=0),
            "enter_if": lambda: routes.enter_if("rider:1", None, B, ttl_s=60, now=0),
            "get": lambda: routes.get("rider:1", now=0),
            "leave": lambda: routes.leave("rider:1", now=0),
            "refresh": lambda: presence.refresh("a", ttl_s=60, now=0),
            "update": lambda: presence.update("a", [Enter(KITCHEN, "cook")], now=0),
            "members": lambda: presence.members(KITCHEN, limit=10, now=0),
            "expire": lambda: presence.expire(limit=10, now=0),
            "refresh session": lambda: sessions.refresh(NODE, ttl_s=60, batch=0, now=0),
            "replace": lambda: sessions.replace(NODE.id, [SessionEntry("s", 0)], batch=1, now=0),
            "nodes": lambda: sessions.nodes(now=0),
            "count": lambda: sessions.count(now=0),
        }


@pytest.fixture
async def tables(redis: RedisServer) -> AsyncIterator[Tables]:
    made = Tables(redis.url)
    yield made
    await made.aclose()
    left = [task for task in asyncio.all_tasks() if task.get_name() == "stompede redis commands"]
    assert left == []


async def refusals(tables: Tables) -> dict[str, str]:
    """What each call says that is not done."""
    said: dict[str, str] = {}
    for name, call in tables.everything().items():
        began = time.monotonic()
        try:
            await call()
        except BusError as error:
            said[name] = str(error)
        assert time.monotonic() - began < 5, f"{name} waited for {time.monotonic() - began:.1f} s"
    return said


async def works(tables: Tables) -> None:
    for call in tables.everything().values():
        await call()
    assert await tables.presence.members(KITCHEN, limit=10, now=0)
    assert await tables.sessions.count(now=0) == 1


async def test_a_server_that_is_killed_is_told_of_and_used_again_when_it_is_back(
    redis: RedisServer, tables: Tables
) -> None:
    await works(tables)
    redis.kill()
    said = await refusals(tables)
    assert set(said) == set(tables.everything())
    assert all(redis.url in sentence for sentence in said.values())
    redis.start()
    await works(tables)


async def test_a_call_that_waits_while_the_server_starts_again_is_done(redis: RedisServer) -> None:
    tables = Tables(redis.url, timeout_s=PATIENCE_S)
    try:
        await works(tables)
        redis.kill()
        call = asyncio.create_task(tables.routes.enter_if("rider:2", None, A, ttl_s=60, now=0))
        await asyncio.sleep(0.05)
        redis.start()
        assert await call is True
    finally:
        await tables.aclose()


async def test_a_server_that_hangs_is_waited_for_within_bounds_and_used_again(
    redis: RedisServer, tables: Tables
) -> None:
    await works(tables)
    redis.process.send_signal(signal.SIGSTOP)
    try:
        said = await refusals(tables)
        assert set(said) == set(tables.everything())
        assert all("did not answer within 0.5 s" in sentence for sentence in said.values())
        calls = [tables.routes.get(f"rider:{number}", now=0) for number in range(300)]
        began = time.monotonic()
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(answer, BusError) for answer in answers)
        assert time.monotonic() - began < 5
    finally:
        redis.process.send_signal(signal.SIGCONT)
    await works(tables)


async def test_closing_ends_what_waits_for_a_server_that_hangs(redis: RedisServer) -> None:
    tables = Tables(redis.url, timeout_s=PATIENCE_S)
    await works(tables)
    redis.process.send_signal(signal.SIGSTOP)
    try:
        calls = [asyncio.create_task(one()) for one in (*tables.everything().values(),)]  # type: ignore[arg-type]
        await asyncio.sleep(0.05)
        began = time.monotonic()
        await tables.aclose()
        await tables.aclose()
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(answer, BusError) for answer in answers)
        assert time.monotonic() - began < 5
        with pytest.raises(BusError, match="closed"):
            await tables.routes.get("rider:1", now=0)
    finally:
        redis.process.send_signal(signal.SIGCONT)


async def test_a_server_that_is_full_takes_nobody_new_but_a_node_lives_on_and_who_leaves_is_gone(
    redis: RedisServer, tables: Tables
) -> None:
    await works(tables)
    await tables.routes.enter("rider:1", A, ttl_s=60, now=0)
    await tables.sessions.update(NODE.id, [], [], batch=2, now=0)
    client = RedisAddress.parse(redis.url).client()
    try:
        await client.config_set("maxmemory", "1mb")
        for call in (
            lambda: tables.routes.enter("rider:2", A, ttl_s=60, now=0),
            lambda: tables.presence.update("a", [Enter(KITCHEN, "waiter")], now=0),
            lambda: tables.sessions.update(NODE.id, [SessionEntry("t", 0)], [], batch=3, now=0),
        ):
            with pytest.raises(BusError, match=r"is full: .*maxmemory"):
                await call()
        assert await tables.sessions.refresh(NODE, ttl_s=60, batch=2, now=0) is True
        assert await tables.presence.refresh("a", ttl_s=60, now=0) is True
        assert await tables.routes.leave("rider:1", now=0) is True
        left = await tables.presence.update("a", [Leave(KITCHEN, "cook")], now=0)
        assert left is not None
        assert left[0].what == "leave"
        assert await tables.sessions.update(NODE.id, [], [SessionEntry("s", 0)], batch=3, now=0) is True
        await client.config_set("maxmemory", "0")
        await works(tables)
    finally:
        await client.aclose()


async def test_a_replica_is_told_of_and_used_when_it_is_the_master(
    redis: RedisServer, tables: Tables
) -> None:
    await works(tables)
    client = RedisAddress.parse(redis.url).client()
    with running_redis() as master:
        try:
            await client.execute_command("REPLICAOF", "127.0.0.1", str(master.port))
            with pytest.raises(BusError, match="takes no writes: it is a replica"):
                await tables.routes.enter("rider:2", A, ttl_s=60, now=0)
            patient = RedisRoutingTable(RedisAddress.parse(redis.url), timeout_s=PATIENCE_S)
            call = asyncio.create_task(patient.enter_if("rider:3", None, A, ttl_s=60, now=0))
            await asyncio.sleep(0.05)
            await client.execute_command("REPLICAOF", "NO", "ONE")
            assert await call is True
            await patient.aclose()
            await works(tables)
        finally:
            await client.aclose()


async def test_everything_works_in_a_cluster_and_again_when_a_master_was_killed() -> None:
    with running_cluster() as cluster:
        tables = Tables(cluster.url, timeout_s=PATIENCE_S)
        try:
            await works(tables)
            cluster.master_of("{stompede:presence}:nodes").kill()
            await works(tables)
        finally:
            await tables.aclose()


async def test_everything_goes_on_when_sentinels_name_another_master() -> None:
    with running_sentinels() as servers:
        tables = Tables(servers.url, timeout_s=PATIENCE_S)
        try:
            await works(tables)
            assert await tables.routes.enter_if("rider:2", None, A, ttl_s=60, now=0) is True
            lost = servers.master
            lost.kill()
            assert await tables.routes.enter_if("rider:3", None, A, ttl_s=60, now=0) is True
            assert servers.master is not lost
            assert await tables.routes.get("rider:2", now=0) == A
            assert await tables.presence.refresh("a", ttl_s=60, now=0) is True
            assert await tables.sessions.refresh(NODE, ttl_s=60, batch=1, now=0) is True
            await works(tables)
        finally:
            await tables.aclose()


class Cutter:
    """Stands before a server and swallows its answers from a moment on, then the connection breaks."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.cuts = 0
        self.armed = False

    async def __aenter__(self) -> Cutter:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"redis://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._port)

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, answers: bool) -> None:
            while data := await source.read(65536):
                if answers and self.armed:
                    self.armed = False
                    self.cuts += 1
                    break
                sink.write(data)
            writer.close()
            there_writer.close()

        with contextlib.suppress(ConnectionError):
            await asyncio.gather(
                pump(reader, there_writer, answers=False), pump(there_reader, writer, answers=True)
            )


async def test_an_answer_that_is_lost_is_asked_for_again_and_the_call_is_done_once(
    redis: RedisServer,
) -> None:
    async with Cutter(redis.port) as cutter:
        tables = Tables(cutter.url, timeout_s=PATIENCE_S)
        presence, routes, sessions = tables.presence, tables.routes, tables.sessions
        try:
            await presence.refresh("a", ttl_s=60, now=0)
            await routes.get("rider:1", now=0)
            await sessions.refresh(NODE, ttl_s=60, batch=0, now=0)
            for call, answer in (
                (lambda: routes.enter_if("rider:1", None, A, ttl_s=60, now=0), True),
                (lambda: routes.leave_if("rider:1", A, now=0), True),
                (lambda: routes.enter_if("rider:1", None, A, ttl_s=60, now=0), True),
                (lambda: routes.leave("rider:1", now=0), True),
                (lambda: sessions.replace(NODE.id, [SessionEntry("s", 0)], batch=1, now=0), True),
                (lambda: sessions.update(NODE.id, [SessionEntry("t", 0)], [], batch=2, now=0), True),
                (lambda: whats(presence, Enter(KITCHEN, "cook", b'"\xff"')), ["join"]),
                (lambda: whats(presence, Enter(KITCHEN, "cook")), ["none"]),
                (lambda: whats(presence, Leave(KITCHEN, "cook")), ["leave"]),
                (lambda: presence.refresh("b", ttl_s=60, now=0), False),
            ):
                cutter.armed = True
                before = cutter.cuts
                assert await call() == answer  # type: ignore[no-untyped-call]
                assert cutter.cuts == before + 1
            assert await sessions.count(now=0) == 2
            assert (await presence.count(KITCHEN, now=0)).members == 0
        finally:
            await tables.aclose()


async def test_what_a_dead_node_left_is_told_even_if_the_answer_is_lost(redis: RedisServer) -> None:
    async with Cutter(redis.port) as cutter:
        tables = Tables(cutter.url, timeout_s=PATIENCE_S)
        try:
            await tables.presence.refresh("a", ttl_s=0.05, now=0)
            await tables.presence.update("a", [Enter(KITCHEN, "cook")], now=0)
            await asyncio.sleep(0.1)
            cutter.armed = True
            assert [one.what for one in await tables.presence.expire(limit=10, now=0)] == ["leave"]
            assert cutter.cuts == 1
        finally:
            await tables.aclose()


async def whats(table: RedisPresenceTable, *changes: Enter | Leave) -> list[str]:
    outcomes = await table.update("a", changes, now=0)
    assert outcomes is not None
    return [outcome.what for outcome in outcomes]
