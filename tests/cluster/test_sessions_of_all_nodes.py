"""Who is connected, and how sessions are closed, where two nodes share a Redis."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import structlog

from redisserving import RedisServer, running_redis
from serving import until, until_told
from stompede import BusError, SessionClosedError, Stompede, testing
from stompede.client import Client
from stompede.server.settings import Settings

SECRET = "a-secret-for-tests-that-is-long-enough"
SESSIONS = "/api/v1/sessions"
Make = Callable[[], Stompede]


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


@pytest.fixture
def make(redis: RedisServer) -> Make:
    namespace = f"test-{uuid.uuid4().hex}"
    return lambda: a_node(redis, namespace)


def a_node(server: RedisServer, namespace: str) -> Stompede:
    return Stompede(settings=Settings(bus=server.url, namespace=namespace, jwt_secret=SECRET))


async def ask(app: Stompede, method: str, path: str, **query: Any) -> httpx.Response:
    """Asks a node as an operator."""
    token = app.issuer.issue("ops", ("admin",), 60, app.node.unix_now())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://node") as http:
        return await http.request(method, path, params=query, headers={"Authorization": f"Bearer {token}"})


async def known(app: Stompede, user: str, count: int) -> None:
    """Waits until a node knows of so many sessions of a member, on whatever node: the registry is told in batches."""
    registry = app.node.backends.registry

    async def as_many() -> bool:
        return len(await registry.sessions_of(user, now=0)) == count

    await until_told(as_many)


async def ended(client: Client) -> str:
    """Waits for the end of a client, and says how it came."""
    await client.wait_closed()
    with pytest.raises(SessionClosedError) as caught:
        await client.send("/topic/a", b"")
    return caught.value.reason


async def test_the_sessions_of_a_member_are_those_on_all_nodes(make: Make) -> None:
    a, b = make(), make()
    async with (
        testing.connect(a, member="ann") as here,
        testing.connect(b, member="ann") as there,
        testing.connect(b, member="ann") as second,
        testing.connect(b, member="bob"),
    ):
        await known(a, "ann", 3)
        page = (await ask(a, "GET", SESSIONS, user="ann")).json()
        assert page["next"] is None
        ids = [session["id"] for session in page["sessions"]]
        assert ids == sorted([here.session_id, there.session_id, second.session_id])
        found = {session["id"]: session for session in page["sessions"]}
        own, other = found[here.session_id], found[there.session_id]
        assert (own["nodeId"], own["address"], own["version"]) == (a.node.id, "testclient", "1.2")
        assert (other["nodeId"], other["user"], other["address"]) == (b.node.id, "ann", None)
        assert (other["subscriptions"], other["queuedBytes"], other["lastSeenAt"]) == (None, None, None)
        assert other["connectedAt"] is not None


async def test_pages_of_a_member_go_on_over_all_nodes(make: Make) -> None:
    a, b = make(), make()
    async with (
        testing.connect(a, member="ann"),
        testing.connect(b, member="ann"),
        testing.connect(a, member="ann"),
        testing.connect(b, member="ann"),
    ):
        await known(a, "ann", 4)
        everything = [one["id"] for one in (await ask(a, "GET", SESSIONS, user="ann")).json()["sessions"]]
        paged, after = [], ""
        while after is not None:
            page = (await ask(a, "GET", SESSIONS, user="ann", limit=1, after=after)).json()
            paged += [one["id"] for one in page["sessions"]]
            after = page["next"]
        assert paged == everything
        assert len(paged) == 4


async def test_without_a_member_a_node_tells_of_its_own_sessions(make: Make) -> None:
    a, b = make(), make()
    async with testing.connect(a, member="ann") as here, testing.connect(b, member="ann"):
        await known(a, "ann", 2)
        page = (await ask(a, "GET", SESSIONS)).json()
        assert [one["id"] for one in page["sessions"]] == [here.session_id]


async def test_a_session_on_another_node_is_closed_by_that_node(make: Make) -> None:
    a, b = make(), make()
    async with (
        testing.connect(a, member="ann") as here,
        testing.connect(b, member="ann") as there,
        testing.connect(b, member="ann") as other,
    ):
        await known(a, "ann", 3)
        answer = await ask(a, "DELETE", f"{SESSIONS}/{there.session_id}")
        assert (answer.status_code, answer.json()) == (202, {"closed": 0, "told": 1})
        assert await ended(there) == "closed-by-server"
        assert (here.connected, other.connected) == (True, True)
        assert (await ask(a, "DELETE", f"{SESSIONS}/{here.session_id}")).status_code == 204
        assert await ended(here) == "closed-by-server"
        nobody = await ask(a, "DELETE", f"{SESSIONS}/nobody")
        assert (nobody.status_code, nobody.json()["detail"]) == (404, "no node has a session nobody")


async def test_all_sessions_of_a_member_are_closed_on_all_nodes(make: Make) -> None:
    a, b = make(), make()
    async with (
        testing.connect(a, member="ann/요리사") as here,
        testing.connect(b, member="ann/요리사") as there,
        testing.connect(b, member="ann/요리사") as second,
        testing.connect(b, member="bob") as bob,
    ):
        await known(a, "ann/요리사", 3)
        answer = await ask(a, "DELETE", "/api/v1/users/ann/요리사/sessions")
        assert (answer.status_code, answer.json()) == (200, {"closed": 1, "told": 2})
        for client in (here, there, second):
            assert await ended(client) == "closed-by-server"
        assert bob.connected
        await known(a, "ann/요리사", 0)
        assert (await ask(a, "DELETE", "/api/v1/users/ann/요리사/sessions")).json() == {
            "closed": 0,
            "told": 0,
        }


async def test_code_closes_sessions_on_all_nodes(make: Make) -> None:
    a, b = make(), make()
    async with (
        testing.connect(a, member="ann") as here,
        testing.connect(b, member="ann") as there,
        testing.connect(b, member="ann") as second,
    ):
        await known(a, "ann", 3)
        assert second.session_id is not None
        assert await a.close_session(second.session_id)
        assert await ended(second) == "closed-by-server"
        await known(a, "ann", 2)
        assert not await a.close_session(second.session_id)
        assert await a.close_user_sessions("ann") == 2
        for client in (here, there):
            assert await ended(client) == "closed-by-server"


async def test_where_the_registry_is_away_own_sessions_are_closed_and_the_rest_is_told() -> None:
    with running_redis() as server:
        a = a_node(server, "test-away")
        async with testing.connect(a, member="ann") as here, testing.connect(a, member="ann") as second:
            server.kill()
            assert here.session_id is not None
            assert await a.close_session(here.session_id)
            with pytest.raises(BusError):
                await a.close_session("nobody")
            answer = await ask(a, "DELETE", "/api/v1/users/ann/sessions")
            assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
            assert "sessions of other nodes are out of reach" in answer.json()["detail"]
            for client in (here, second):
                assert await ended(client) == "closed-by-server"
            server.start()


async def test_an_order_that_nobody_understands_is_left_alone(make: Make) -> None:
    a = make()
    async with testing.connect(a, member="ann") as client:
        with structlog.testing.capture_logs() as logs:
            for body in (b"{}", b'{"do":"dance"}', b'{"do":"close-user"}', b"x"):
                a.node.orders.obey(body)
        assert [line["event"] for line in logs] == ["an order that nobody understands"] * 4
        a.node.orders.obey(b'{"do":"close-user","name":"ann","since":1}')
        assert await ended(client) == "closed-by-server"
        await until(lambda: not a.node.sessions)
