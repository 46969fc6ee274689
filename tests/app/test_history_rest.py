"""GET /api/v1/destinations/history."""

import base64
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from serving import make_app
from stompede import History, Principal, Stompede
from stompede.messaging.message import Message

ROOM = "/topic/rooms/kitchen"
PATH = "/api/v1/destinations/history"


def an_app() -> Stompede:
    app = make_app()
    app.destination("/topic/rooms/{room}", history=History(count=5))
    app.destination("/topic/private/{room}", history=History(count=5))

    @app.guard("/topic/private/{room}")
    async def members_only(who: Principal) -> bool:
        return who.name == "cook"

    return app


@pytest.fixture
async def app() -> AsyncIterator[Stompede]:
    app = an_app()
    async with app.running():
        yield app


async def get(app: Stompede, token: str | None = None, **query: Any) -> httpx.Response:
    headers = {} if token is None else {"Authorization": token}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://node") as client:
        return await client.get(PATH, params=query, headers=headers)


async def past(app: Stompede, **query: Any) -> dict[str, Any]:
    response = await get(app, **query)
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


async def test_the_newest_messages_come_oldest_first(app: Stompede) -> None:
    for number in range(1, 9):
        await app.publish(ROOM, {"number": number})
    found = await past(app, destination=ROOM, limit=3)
    assert [item["body"]["number"] for item in found["items"]] == [6, 7, 8]
    assert found["position"] == found["items"][-1]["id"]
    assert found["items"][0] == {
        "id": found["position"].replace("-8", "-6"),
        "body": {"number": 6},
        "base64": False,
        "contentType": "application/json",
        "headers": {},
    }
    assert found["recovered"] is None
    assert found["destination"] == ROOM


async def test_what_came_after_a_message_comes_page_by_page(app: Stompede) -> None:
    for number in range(1, 6):
        await app.publish(ROOM, number)
    epoch = (await past(app, destination=ROOM, limit=0))["position"].split("-")[0]
    first = await past(app, destination=ROOM, limit=2, **{"from": f"{epoch}-1"})
    assert (first["recovered"], [item["body"] for item in first["items"]]) == (True, [2, 3])
    rest = await past(app, destination=ROOM, **{"from": first["items"][-1]["id"]})
    assert (rest["recovered"], [item["body"] for item in rest["items"]]) == (True, [4, 5])


async def test_what_is_no_longer_kept_is_not_given_in_part(app: Stompede) -> None:
    for number in range(1, 10):
        await app.publish(ROOM, number)
    epoch = (await past(app, destination=ROOM, limit=0))["position"].split("-")[0]
    found = await past(app, destination=ROOM, **{"from": f"{epoch}-1"})
    assert (found["recovered"], found["items"]) == (False, [])


async def test_bodies_are_json_text_or_base64(app: Stompede) -> None:
    publisher = app.node.publisher
    for value, content_type in (
        (b"\xff\x00", None),
        (b"plain", "text/plain;charset=utf-8"),
        (b'{"a": 1}', None),
        (b"\xff", "text/plain"),
        (b"{", "application/json"),
    ):
        publisher.publish_message(Message(ROOM, value, content_type, {"colour": "red"}))
    items = (await past(app, destination=ROOM))["items"]
    assert [(item["body"], item["base64"]) for item in items] == [
        (base64.b64encode(b"\xff\x00").decode(), True),
        ("plain", False),
        ({"a": 1}, False),
        (base64.b64encode(b"\xff").decode(), True),
        (base64.b64encode(b"{").decode(), True),
    ]
    assert {item["headers"]["colour"] for item in items} == {"red"}


async def test_a_body_that_is_nested_too_deeply_to_be_looked_at_is_in_base64(app: Stompede) -> None:
    body = b"[" * 30_000 + b"]" * 30_000
    app.node.publisher.publish_message(Message(ROOM, body, "application/json"))
    (item,) = (await past(app, destination=ROOM))["items"]
    assert (base64.b64decode(item["body"]), item["base64"]) == (body, True)


async def test_guards_decide_as_for_a_subscribe(app: Stompede) -> None:
    place = "/topic/private/office"
    await app.publish(place, 1)
    cook, guest = (
        "Bearer " + app.issuer.issue(name, (), 3600, app.node.unix_now()) for name in ("cook", "guest")
    )
    assert (await get(app, cook, destination=place)).json()["items"][0]["body"] == 1
    for token, status, code in ((None, 401, "login-required"), (guest, 403, "forbidden")):
        refused = await get(app, token, destination=place)
        assert (refused.status_code, refused.json()["code"]) == (status, code)
    assert (await get(app, "Bearer nonsense", destination=ROOM)).status_code == 401


@pytest.mark.parametrize("destination", ["/topic/plain", "/topic/rooms/*", "/queue/work"])
async def test_where_nothing_is_kept_nothing_is_found(app: Stompede, destination: str) -> None:
    refused = await get(app, destination=destination)
    assert (refused.status_code, refused.json()["code"]) == (404, "not-found")


@pytest.mark.parametrize("query", [{"from": "nonsense"}, {"limit": 1001}, {"limit": -1}])
async def test_malformed_parameters_are_named(app: Stompede, query: dict[str, Any]) -> None:
    refused = await get(app, destination=ROOM, **query)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid-parameters")
    assert next(iter(query)) in refused.json()["detail"]


async def test_the_ways_in_which_it_may_refuse_are_described(app: Stompede) -> None:
    assert (await get(app, destination="nonsense")).status_code == 400
    document = app.fastapi.openapi()
    assert {"400", "401", "403", "404", "422"} <= document["paths"][PATH]["get"]["responses"].keys()
