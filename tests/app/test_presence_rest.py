"""``GET /api/v1/destinations/presence``: who may see a destination may see who is on it."""

from typing import Any

import httpx
import pytest

from serving import Serve, Served, make_app
from stompede import Principal, Stompede

PATH = "/api/v1/destinations/presence"
ROOM = "/topic/rooms/kitchen"


def an_app() -> Stompede:
    app = make_app(presence_grace_s=0)
    app.destination("/topic/rooms/{room}", presence=True)
    app.destination("/topic/staff", presence=True)

    @app.presence_info
    def info(session: Any, destination: str) -> Any:
        return {"hat": "white"}

    @app.guard("/topic/staff", on="subscribe")
    async def is_staff(who: Principal) -> bool:
        return who.name == "cook"

    return app


async def get(served: Served, token: str | None = None, **query: Any) -> httpx.Response:
    async with httpx.AsyncClient(base_url=served.http) as http:
        return await http.get(PATH, params=query, headers={} if token is None else {"authorization": token})


async def test_it_lists_members_once_and_counts_guests(serve: Serve) -> None:
    served = await serve(an_app())
    for client in [*[await served.member("cook") for _ in range(2)], await served.client()]:
        await client.subscribe(ROOM)
    answer = await get(served, destination=ROOM)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json() == {
        "destination": ROOM, "users": [{"user": "cook", "info": {"hat": "white"}}], "count": 2, "guests": 1,
    }  # fmt: skip
    assert (await get(served, destination=ROOM, limit=0)).json()["users"] == []


@pytest.mark.parametrize(
    ("query", "who", "status", "code"),
    [
        ({"destination": "/topic/staff"}, None, 401, "login-required"),
        ({"destination": "/topic/staff"}, "thief", 403, "forbidden"),
        ({"destination": "/topic/staff"}, "cook", 200, None),
        ({"destination": "/topic/none"}, None, 404, "not-found"),
        ({"destination": "/topic/presence/rooms/kitchen"}, None, 404, "not-found"),
        ({"destination": "/topic/rooms/*"}, None, 404, "not-found"),
        ({"destination": "nonsense"}, None, 400, "invalid-destination"),
        ({}, None, 422, "invalid-parameters"),
        ({"destination": ROOM, "limit": 1001}, None, 422, "invalid-parameters"),
        ({"destination": ROOM, "limit": -1}, None, 422, "invalid-parameters"),
    ],
)
async def test_it_refuses_as_the_guards_do(
    serve: Serve, query: dict[str, Any], who: str | None, status: int, code: str | None
) -> None:
    served = await serve(an_app())
    answer = await get(served, None if who is None else served.token(who), **query)
    assert (answer.status_code, answer.json().get("code")) == (status, code)
    if code is not None:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == status


@pytest.mark.parametrize("authorization", ["Bearer nonsense", "Basic Y29vazpzb3Vw", "Bearer"])
async def test_a_token_that_does_not_count_is_no_guest(serve: Serve, authorization: str) -> None:
    served = await serve(an_app())
    answer = await get(served, authorization, destination=ROOM)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json()["code"] in ("token-invalid", "token-missing")
