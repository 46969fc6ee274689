"""POST /api/v1/publish."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from serving import make_app
from stompede import Stompede, testing

PATH = "/api/v1/publish"


@pytest.fixture
async def app() -> AsyncIterator[Stompede]:
    app = make_app(max_publish_bytes=20_000)
    async with app.running():
        yield app


async def post(app: Stompede, body: Any, scopes: tuple[str, ...] | None = ("publish",)) -> httpx.Response:
    headers = {}
    if scopes is not None:
        headers["Authorization"] = f"Bearer {app.issuer.issue('shop', scopes, 60, app.node.unix_now())}"
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://node") as client:
        return await client.post(PATH, content=content, headers=headers)


async def test_one_message_is_published_with_its_headers(app: Stompede) -> None:
    async with testing.connect(app) as client, client.subscribe("/topic/a", dict) as messages:
        answer = await post(app, {"destination": "/topic/a", "body": {"x": 1}, "headers": {"kind": "offer"}})
        assert (answer.status_code, answer.json()) == (200, {"published": 1})
        message = await messages.next()
        assert (message.body, message.headers["kind"]) == ({"x": 1}, "offer")
        assert message.headers["content-type"] == "application/json"


async def test_many_keep_their_order(app: Stompede) -> None:
    async with testing.connect(app) as client, client.subscribe("/topic/a", int) as messages:
        answer = await post(app, [{"destination": "/topic/a", "body": n} for n in range(100)])
        assert answer.json() == {"published": 100}
        assert [(await messages.next()).body for _ in range(100)] == list(range(100))


async def test_texts_and_bytes_go_as_they_are(app: Stompede) -> None:
    async with testing.connect(app) as client, client.subscribe("/topic/a", bytes) as messages:
        await post(
            app,
            [
                {"destination": "/topic/a", "body": "text"},
                {"destination": "/topic/a", "bodyBase64": "/wA=", "contentType": "image/x"},
                {"destination": "/topic/a", "body": None},
            ],
        )
        came = [await messages.next() for _ in range(3)]
        assert [one.body for one in came] == [b"text", b"\xff\x00", b"null"]
        assert came[1].headers["content-type"] == "image/x"


async def test_members_sessions_and_queues_are_reached(app: Stompede) -> None:
    async with testing.connect(app, member="ann") as ann:
        async with (
            ann.subscribe("/user/queue/offers", str) as of_ann,
            ann.subscribe("/session/queue/offers", str) as of_session,
            ann.subscribe("/queue/work", str) as work,
        ):
            (session,) = await app.sessions()
            answer = await post(
                app,
                [
                    {"user": "ann", "destination": "/queue/offers", "body": "for ann"},
                    {"session": session.id, "destination": "/queue/offers", "body": "for you"},
                    {"destination": "/queue/work", "body": "work"},
                ],
            )
            assert answer.json() == {"published": 3}
            assert (await of_ann.next()).body == "for ann"
            assert (await of_session.next()).body == "for you"
            assert (await work.next()).body == "work"


@pytest.mark.parametrize(
    ("wrong", "status", "code", "said"),
    [
        (
            {"destination": "/app/say", "body": 1},
            400,
            "invalid-destination",
            "message 1: '/app/say' is no topic",
        ),
        ({"destination": "/topic/*", "body": 1}, 400, "invalid-destination", "without wildcards"),
        ({"destination": "/topic/a"}, 422, "invalid-body", "message 1: give a body"),
        ({"destination": "/topic/a", "bodyBase64": "%"}, 422, "invalid-body", "message 1: bodyBase64"),
        ({"destination": "/topic/a", "body": 1, "headers": {"login": "x"}}, 422, "invalid-body", "is secret"),
        (
            {"destination": "/q", "body": 1, "user": "a", "session": "b"},
            422,
            "invalid-body",
            "name one of them",
        ),
        ({"destination": "/topic/a", "body": 1, "more": 1}, 422, "invalid-body", "more"),
        ({"body": 1}, 422, "invalid-body", "destination"),
    ],
)
async def test_a_request_with_a_message_that_cannot_be_publishes_nothing_and_says_which(
    app: Stompede, wrong: Any, status: int, code: str, said: str
) -> None:
    answer = await post(app, [{"destination": "/topic/a", "body": 1}, wrong])
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert said in answer.json()["detail"]
    assert app.node.statistics().bus.published == 0


async def test_what_is_no_json_or_too_much_is_refused(app: Stompede) -> None:
    answer = await post(app, b"{")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-body")
    answer = await post(app, [{"destination": "/topic/a", "body": "x" * 20_000}])
    assert answer.status_code == 413
    assert "20000 bytes (max_publish_bytes)" in answer.json()["detail"]
    answer = await post(app, [{"destination": "/t", "body": 1}] * 1001)
    assert answer.status_code == 413


async def test_only_tokens_with_the_scope_may_publish(app: Stompede) -> None:
    message = {"destination": "/topic/a", "body": 1}
    for scopes, status, code in (
        (None, 401, "token-missing"),
        ((), 403, "forbidden"),
        (("admin",), 200, None),
    ):
        answer = await post(app, message, scopes)
        assert (answer.status_code, answer.json().get("code")) == (status, code)
