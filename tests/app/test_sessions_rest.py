"""Who is connected, and how sessions are closed: for operators, by HTTP and from code."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from serving import Serve, Served, until
from stompede.server.session.connected import SessionReport

SESSIONS = "/api/v1/sessions"


def admin(served: Served, *scopes: str) -> str:
    token = served.app.issuer.issue("ops", scopes or ("admin",), 3600, served.clock.unix_now())
    return f"Bearer {token}"


async def ask(
    served: Served, method: str, path: str, token: str | None = None, **query: Any
) -> httpx.Response:
    headers = {"authorization": admin(served) if token is None else token}
    async with httpx.AsyncClient(base_url=served.http) as http:
        return await http.request(method, path, params=query, headers=headers)


async def test_it_tells_who_is_connected_and_what_waits_for_them(serve: Serve) -> None:
    served = await serve()
    cook, guest = await served.member("cook"), await served.client()
    await cook.subscribe("/topic/a", 1)
    await cook.subscribe("/topic/b", 2)
    await served.open()  # has not sent CONNECT: no session yet
    answer = await ask(served, "GET", SESSIONS)
    assert answer.status_code == 200
    page = answer.json()
    assert page["next"] is None
    assert [one["id"] for one in page["sessions"]] == sorted([cook.session, guest.session])
    found = {one["id"]: one for one in page["sessions"]}
    one = found[cook.session]
    assert (one["user"], one["scopes"], one["subscriptions"], one["queuedBytes"]) == ("cook", [], 2, 0)
    assert (one["nodeId"], one["version"]) == (served.node.id, "1.2")
    assert one["address"].startswith("127.0.0.1")
    now = datetime.now(UTC)
    for name in ("connectedAt", "lastSeenAt"):
        assert now - timedelta(seconds=30) < datetime.fromisoformat(one[name]) <= now + timedelta(seconds=1)
    assert now < datetime.fromisoformat(one["expiresAt"]) < now + timedelta(hours=2)
    assert (found[guest.session]["user"], found[guest.session]["expiresAt"]) == (None, None)
    reports = await served.app.sessions()
    assert SessionReport.model_validate(page["sessions"][0]).id == reports[0].id


async def test_pages_go_on_where_the_last_one_ended_whoever_comes_and_goes(serve: Serve) -> None:
    served = await serve()
    clients = {client.session: client for client in [await served.member("cook") for _ in range(5)]}
    ids = sorted(clients)
    first = (await ask(served, "GET", SESSIONS, limit=2)).json()
    assert [one["id"] for one in first["sessions"]] == ids[:2]
    clients[ids[0]].drop()
    clients[ids[1]].drop()  # the very one that the next page begins behind
    await until(lambda: len(served.node.sessions) == 3)
    second = (await ask(served, "GET", SESSIONS, limit=2, after=first["next"])).json()
    assert [one["id"] for one in second["sessions"]] == ids[2:4]
    third = (await ask(served, "GET", SESSIONS, limit=2, after=second["next"])).json()
    assert ([one["id"] for one in third["sessions"]], third["next"]) == (ids[4:], None)


async def test_it_tells_the_sessions_of_a_member(serve: Serve) -> None:
    served = await serve()
    cooks = [await served.member("cook") for _ in range(2)]
    await served.member("waiter")
    page = (await ask(served, "GET", SESSIONS, user="cook")).json()
    assert {one["id"] for one in page["sessions"]} == {cook.session for cook in cooks}
    assert (await ask(served, "GET", SESSIONS, user="nobody")).json()["sessions"] == []


async def test_a_session_that_an_operator_closes_is_told_to_stay_away(serve: Serve) -> None:
    served = await serve()
    cook, other = await served.member("cook"), await served.member("cook")
    assert (await ask(served, "DELETE", f"{SESSIONS}/{cook.session}")).status_code == 204
    error = await cook.error()
    assert error.headers["reconnect"] == "false"
    assert error.headers["disconnect-reason"] == "closed-by-server"
    assert (await cook.closed()).code == 4500
    again = await ask(served, "DELETE", f"{SESSIONS}/{cook.session}")
    assert (again.status_code, again.json()["code"]) == (404, "not-found")
    assert await other.settle() == []


@pytest.mark.parametrize("name", ["cook", "요리사", "a/b c?"])
async def test_all_sessions_of_a_member_are_closed(serve: Serve, name: str) -> None:
    served = await serve()
    clients = [await served.member(name) for _ in range(3)]
    waiter = await served.member("waiter")
    path = f"/api/v1/users/{httpx.QueryParams({'n': name})['n'].replace('?', '%3F').replace(' ', '%20')}/sessions"
    answer = await ask(served, "DELETE", path)
    assert (answer.status_code, answer.json()) == (200, {"closed": 3, "told": 0})
    for client in clients:
        assert (await client.closed()).code == 4500
    assert (await ask(served, "DELETE", path)).json() == {"closed": 0, "told": 0}
    assert await waiter.settle() == []


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", SESSIONS), ("DELETE", f"{SESSIONS}/x"), ("DELETE", "/api/v1/users/cook/sessions")],
)
async def test_nobody_but_an_operator_may(serve: Serve, method: str, path: str) -> None:
    served = await serve()
    cook = await served.member("cook")
    async with httpx.AsyncClient(base_url=served.http) as http:
        without = await http.request(method, path)
    assert (without.status_code, without.json()["code"]) == (401, "token-missing")
    assert without.headers["www-authenticate"] == "Bearer"
    for scopes in ((), ("administrator",), ("Admin", "user")):
        token = served.app.issuer.issue("ops", scopes, 3600, served.clock.unix_now())
        answer = await ask(served, method, path, f"Bearer {token}")
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
        assert "admin" in answer.json()["detail"]
    assert await cook.settle() == []


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": 1001}, {"limit": "many"}])
async def test_pages_are_bounded(serve: Serve, query: dict[str, Any]) -> None:
    served = await serve()
    answer = await ask(served, "GET", SESSIONS, **query)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-parameters")
    assert answer.json()["errors"][0]["name"] == "limit"


async def test_code_closes_sessions_too(serve: Serve) -> None:
    served = await serve()
    one, two = await served.member("cook"), await served.member("cook")
    assert await served.app.close_session(one.session)
    assert not await served.app.close_session(one.session)
    assert await served.app.close_user_sessions("cook") == 1
    assert await served.app.close_user_sessions("nobody") == 0
    for client in (one, two):
        assert (await client.closed()).code == 4500


async def test_the_routes_are_described(serve: Serve) -> None:
    served = await serve()
    async with httpx.AsyncClient(base_url=served.http) as http:
        document = (await http.get("/openapi.json")).json()
    paths = document["paths"]
    assert set(paths) >= {SESSIONS, f"{SESSIONS}/{{id}}", "/api/v1/users/{name}/sessions"}
    assert paths[SESSIONS]["get"]["security"] == [{"token": []}]
    assert "403" in paths[f"{SESSIONS}/{{id}}"]["delete"]["responses"]
    assert document["components"]["schemas"]["KnownSession"]["properties"]["queuedBytes"]["description"]
