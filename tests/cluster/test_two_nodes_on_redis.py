"""Two nodes that share a Redis: what is published on one reaches the other's clients."""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from redis import Redis
from redisserving import RedisServer, running_redis
from serving import until, until_told
from stompede import ConfigurationError, History, Problem, Stompede, testing
from stompede.server.draining import DrainOrder
from stompede.server.settings import Settings

SECRET = "a-secret-for-tests-that-is-long-enough"
Make = Callable[..., Stompede]


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


@pytest.fixture
def namespace() -> str:
    return f"test-{uuid.uuid4().hex}"


@pytest.fixture
def make(redis: RedisServer, namespace: str) -> Make:
    def make_node(**settings: Any) -> Stompede:
        app = Stompede(settings=Settings(bus=redis.url, namespace=namespace, jwt_secret=SECRET, **settings))

        @app.message("/say")
        async def say(said: str) -> None:
            await app.publish("/topic/said", said)

        return app

    return make_node


async def test_what_is_published_on_a_node_comes_to_clients_of_all(make: Make) -> None:
    a, b = make(), make()
    async with testing.connect(a) as here, testing.connect(b) as there:
        async with (
            here.subscribe("/topic/said", str) as said_here,
            there.subscribe("/topic/said", str) as said_there,
        ):
            await here.send("/app/say", "from a")
            await there.send("/app/say", "from b")
            assert {(await said_here.next()).body, (await said_here.next()).body} == {"from a", "from b"}
            assert {(await said_there.next()).body, (await said_there.next()).body} == {"from a", "from b"}


async def test_all_nodes_see_one_order(make: Make) -> None:
    a, b = make(), make()
    async with testing.connect(a) as here, testing.connect(b) as there:
        async with (
            here.subscribe("/topic/said", str) as said_here,
            there.subscribe("/topic/said", str) as said_there,
        ):
            for number in range(50):
                await (here if number % 2 else there).send("/topic/said", str(number))
            assert [(await said_here.next()).body for _ in range(50)] == [
                (await said_there.next()).body for _ in range(50)
            ]


async def test_wildcards_headers_and_bytes_cross_nodes(make: Make) -> None:
    a, b = make(), make()
    async with testing.connect(a) as here, testing.connect(b) as there:
        async with there.subscribe("/topic/stocks.*", bytes) as stocks:
            await here.send("/topic/stocks.nokia", b"\xff\x00", headers={"kind": "tick"}, content_type="x/y")
            message = await stocks.next()
            assert (message.body, message.headers["kind"], message.headers["content-type"]) == (
                b"\xff\x00",
                "tick",
                "x/y",
            )
            assert message.destination == "/topic/stocks.nokia"


async def test_what_is_for_a_member_reaches_its_sessions_on_all_nodes_and_nobody_else(make: Make) -> None:
    a, b = make(), make()
    async with (
        testing.connect(a, member="ann") as ann_here,
        testing.connect(b, member="ann") as ann_there,
        testing.connect(b, member="bob") as bob,
    ):
        async with (
            ann_here.subscribe("/user/queue/offers", str) as here,
            ann_there.subscribe("/user/queue/offers", str) as there,
            bob.subscribe("/user/queue/offers", str) as of_bob,
        ):
            await a.send_to_user("ann", "/queue/offers", "for ann")
            await a.send_to_user("bob", "/queue/offers", "for bob")
            assert (await here.next()).body == (await there.next()).body == "for ann"
            assert (await of_bob.next()).body == "for bob"


async def test_what_is_for_a_session_reaches_it_from_another_node(make: Make) -> None:
    a, b = make(), make()
    async with testing.connect(a), testing.connect(b) as there:
        async with there.subscribe("/session/queue/offers", str) as offers:
            (session,) = await b.sessions()
            await a.send_to_session(session.id, "/queue/offers", "for you")
            assert (await offers.next()).body == "for you"


async def test_another_program_publishes_with_the_three_names_alone(
    make: Make, redis: RedisServer, namespace: str
) -> None:
    app = make()
    async with testing.connect(app) as client, client.subscribe("/topic/said", dict) as said:
        envelope = {"principalName": None, "destination": "/topic/said", "messageJsonString": '{"x": 1}'}
        with Redis.from_url(redis.url) as other:
            other.publish(f"{namespace}:/topic/said", json.dumps(envelope))
        assert (await said.next()).body == {"x": 1}


async def test_a_node_goes_deaf_and_hears_again(namespace: str) -> None:
    with running_redis() as server:
        settings = Settings(bus=server.url, namespace=namespace, jwt_secret=SECRET, bus_deaf_s=0.5)
        app = Stompede(settings=settings)
        async with testing.connect(app) as client:
            assert app.node.ready
            server.kill()
            await until(lambda: not app.node.ready)
            server.start()
            await until(lambda: app.node.ready)
            async with client.subscribe("/topic/a", str) as messages:
                await client.send("/topic/a", "again")
                assert (await messages.next()).body == "again"


async def test_subscribers_without_history_are_told_when_the_bus_was_away(namespace: str) -> None:
    with running_redis() as server:
        app = Stompede(settings=Settings(bus=server.url, namespace=namespace, jwt_secret=SECRET))
        async with testing.connect(app) as client, client.subscribe("/topic/a", str):
            async with client.subscribe("/session/queue/request-error", dict) as told:
                server.kill()
                server.start()
                error = (await told.next()).body
                assert (error["code"], error["destination"]) == ("messages-lost", "/topic/a")


def test_nodes_that_share_a_bus_need_a_key_that_they_share(redis: RedisServer) -> None:
    with pytest.raises(ConfigurationError, match="each would make a key of its own: set jwt_secret"):
        Stompede(settings=Settings(bus=redis.url))


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("nats://there", "nats://there is not known; use memory://"),
        ("redis+sentinel://there", r"name the master, \?master=main"),
        ("redis://there:port", "'there:port' is no host and port"),
        ("redis://:s3cret@there/zero", "the number of a database"),
        ("kafka://there?group=x", r"group: no such option of a Kafka URL"),
    ],
)
def test_a_url_that_is_none_is_refused_with_what_would_be_right(url: str, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason) as refused:
        Stompede(settings=Settings(bus=url, jwt_secret=SECRET))
    assert "s3cret" not in str(refused.value)


async def test_history_has_one_count_on_all_nodes_and_a_client_recovers_on_another(make: Make) -> None:
    a, b = make(), make()
    for app in (a, b):
        app.destination("/topic/log/{name}", history=History(count=100))
    async with testing.connect(a) as here, testing.connect(b) as there:
        async with here.subscribe("/topic/log/x", int) as log:
            for number in range(10):
                await (here if number % 2 else there).send("/topic/log/x", number)
            came = [await log.next() for _ in range(10)]
            assert sorted(message.body for message in came) == list(range(10))
            position = came[4].headers["message-id"]
        async with there.subscribe("/topic/log/x", int, headers={"recover-from": position}) as log:
            again = [await log.next() for _ in range(5)]
            assert [m.headers["message-id"] for m in again] == [m.headers["message-id"] for m in came[5:]]
            assert [m.body for m in again] == [m.body for m in came[5:]]


async def test_a_queue_is_one_queue_for_the_consumers_of_all_nodes(make: Make) -> None:
    a, b = make(), make()
    async with testing.connect(a) as here, testing.connect(b) as there:
        async with (
            here.subscribe("/queue/jobs", int) as jobs_here,
            there.subscribe("/queue/jobs", int) as jobs_there,
        ):
            for number in range(20):
                await a.publish("/queue/jobs", number)
            done: list[int] = []

            async def work(jobs: Any) -> None:
                async for job in jobs:
                    done.append(job.body)  # noqa: PERF401 - it never ends

            workers = [asyncio.ensure_future(work(jobs)) for jobs in (jobs_here, jobs_there)]
            await until(lambda: len(done) == 20)
            for worker in workers:
                worker.cancel()
            assert sorted(done) == list(range(20))


async def test_routes_and_presence_are_those_of_all_nodes(make: Make) -> None:
    a, b = make(), make()
    for app in (a, b):
        app.destination("/topic/rooms/{room}", presence=True)
    async with testing.connect(a, member="ann") as ann, testing.connect(b, member="bob") as bob:
        async with ann.subscribe("/topic/rooms/7", str), bob.subscribe("/topic/rooms/7", str):
            await until_told(lambda: _count_is(a, 2))
            assert await b.presence_count("/topic/rooms/7") == 2
            await a.routing.put("rider:17", "ws://a/stomp")
            assert await b.routing.get("rider:17") == "ws://a/stomp"


async def _count_is(app: Stompede, count: int) -> bool:
    return await app.presence_count("/topic/rooms/7") == count


async def test_the_registry_knows_the_sessions_of_all_nodes(make: Make) -> None:
    a, b = make(), make()
    async with testing.connect(a, member="17"), testing.connect(b, member="17"), testing.connect(b):
        registry = a.node.backends.registry

        async def all_there() -> bool:
            return await registry.count(now=0) == 3

        await until_told(all_there)
        assert {node.id for node in await registry.nodes(now=0)} == {a.node.id, b.node.id}
        records = await registry.sessions_of("17", now=0)
        assert {record.node_id for record in records} == {a.node.id, b.node.id}
        assert {record.member for record in records} == {17}


async def test_a_drained_node_moves_its_clients_and_is_named_by_no_gateway(make: Make) -> None:
    a, b = make(public_url="ws://a/stomp"), make(public_url="ws://b/stomp")
    async with b.running(), contextlib.AsyncExitStack() as clients:
        here = [await clients.enter_async_context(testing.connect(a)) for _ in range(20)]

        async def both_known() -> bool:
            return len(await b.node.gateway.nodes()) == 2

        await until_told(both_known)
        await b.node.drain_node(a.node.id, DrainOrder(rate_per_s=100, within_s=5))
        await until(lambda: not any(client.connected for client in here))
        assert a.node.statistics().ended == {"moved": 20}
        assert not a.node.ready
        assert a.refuse("somewhere") is not None

        async def told() -> bool:
            return {node.url: node.draining for node in await b.node.gateway.nodes()} == {
                "ws://a/stomp": True,
                "ws://b/stomp": False,
            }

        await until_told(told)


async def test_who_is_moved_is_told_where_to_go_and_when(make: Make) -> None:
    a, b = make(public_url="ws://a/stomp"), make(public_url="ws://b/stomp")
    async with b.running(), testing.connect(a) as client:

        async def both_known() -> bool:
            return len(await a.node.gateway.nodes()) == 2

        await until_told(both_known)
        frames: list[bytes] = []
        (session,) = a.node.sessions.values()
        session.outbox.write = frames.append
        a.node.drain.begin(DrainOrder(rate_per_s=100))
        await until(lambda: not client.connected)
        (error,) = [frame for frame in frames if frame.startswith(b"ERROR")]
        assert b"\ndisconnect-reason:moved\n" in error
        assert b"\nreconnect:true\n" in error
        assert b"\nreconnect-delay-ms:" in error


async def test_a_node_that_is_not_there_cannot_be_drained(make: Make) -> None:
    app = make()
    async with app.running():
        with pytest.raises(Problem, match="not-found"):
            await app.node.drain_node("1/gone", DrainOrder())
