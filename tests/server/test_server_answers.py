"""Replies, publications of handlers, answers to SUBSCRIBE, and soft errors."""

import json
from typing import Annotated, Any

from fastapi import Depends, Header
from msgspec import Struct

from serving import Serve, make_app, shortly
from stompede import Message, Principal, Problem, Stompede, StompSession


class Ping(Struct):
    number: int


class Pong(Struct):
    the_number: int


class ShutError(Exception):
    pass


class LateError(Exception):
    pass


class BrokenHandlerError(Exception):
    pass


def an_app(**settings: Any) -> Stompede:
    app = make_app(**settings)

    @app.message("/ping")
    def ping(body: Ping) -> Pong:
        return Pong(body.number)

    @app.message("/orders/{order_id}/take", publish="/topic/orders/{order_id}", reply=True)
    async def take(order_id: int, body: str) -> str | None:
        return f"{order_id + 1} {body}" if body else None

    @app.message("/silent")
    async def silent() -> None: ...

    @app.subscribe("/rooms/{room}/members")
    async def members(room: str) -> list[str]:
        return [room, "cook"]

    @app.subscribe("/nothing")
    async def nothing() -> None: ...

    @app.message("/fail")
    async def fail(body: str) -> None:
        if body == "late":
            await shortly()
        raise RuntimeError("internal secret")

    @app.message("/shut")
    async def shut(body: str) -> None:
        raise {"shut": ShutError, "late": LateError, "broken": BrokenHandlerError}[body]("door")

    @app.on_error(ShutError)
    def closed(error: ShutError) -> Problem:
        return Problem("room-closed", f"the {error} is shut")

    @app.on_error(LateError)
    async def late(error: LateError) -> Problem:
        await shortly()
        return Problem("too-late", str(error))

    @app.on_error(BrokenHandlerError)
    def broken(error: BrokenHandlerError) -> Problem:
        raise ZeroDivisionError

    @app.message("/bytes")
    async def as_bytes() -> bytes:
        return b"\xff\x00"

    @app.message("/whoami")
    async def whoami(
        session: StompSession,
        who: Principal | None,
        message: Message,
        lang: Annotated[str, Header("accept-language")] = "en",
    ) -> dict[str, Any]:
        return {"id": session.id, "who": who and who.name, "to": message.destination, "lang": lang}

    return app


async def test_a_value_goes_back_with_the_code_of_its_request(serve: Serve) -> None:
    served = await serve(an_app())
    client, other = await served.client(), await served.client()
    await client.replies()
    await other.replies()
    await client.send("SEND", {"destination": "/app/ping", "client-request-code": "17:a"}, '{"number": 4}')
    reply = await client.message()
    assert json.loads(reply.body) == {"the_number": 4}
    assert reply.headers["client-request-code"] == "17:a"
    assert reply.headers["destination"] == "/session/queue/replies"
    assert reply.headers["subscription"] == "replies"
    assert reply.headers["content-type"] == "application/json"
    assert await other.settle() == []


async def test_a_reply_without_a_code_has_none(serve: Serve) -> None:
    served = await serve(an_app())
    client = await served.client()
    await client.replies()
    await client.send("SEND", {"destination": "/app/ping"}, '{"number": 4}')
    assert "client-request-code" not in (await client.message()).headers


async def test_publish_and_reply_does_both_and_none_does_neither(serve: Serve) -> None:
    served = await serve(an_app())
    client, listener = await served.client(), await served.client()
    await client.replies()
    await listener.subscribe("/topic/orders/7")
    await client.request("SEND", {"destination": "/app/orders/7/take", "client-request-code": "1"}, "")
    assert client.frames == []
    await client.request("SEND", {"destination": "/app/orders/7/take", "client-request-code": "2"}, "soup")
    assert (await client.message()).text == "8 soup"
    published = await listener.message()
    assert (published.text, published.headers["destination"]) == ("8 soup", "/topic/orders/7")
    assert "client-request-code" not in published.headers
    await client.request("SEND", {"destination": "/app/silent"})
    assert await client.settle() == await listener.settle() == []


async def test_bytes_go_as_they_are_in_a_binary_message(serve: Serve) -> None:
    served = await serve(an_app())
    client = await served.client()
    await client.replies()
    client.messages.clear()
    await client.send("SEND", {"destination": "/app/bytes"})
    assert (await client.message()).body == b"\xff\x00"
    assert [text for text, payload in client.messages if payload.startswith(b"MESSAGE")] == [False]


async def test_a_handler_gets_session_principal_message_and_headers(serve: Serve) -> None:
    served = await serve(an_app())
    client = await served.member("cook")
    await client.replies()
    await client.send("SEND", {"destination": "/app/whoami", "accept-language": "fi"})
    expected = {"id": client.session, "who": "cook", "to": "/app/whoami", "lang": "fi"}
    assert json.loads((await client.message()).body) == expected


async def test_a_subscribe_is_answered_once_on_its_own_subscription(serve: Serve) -> None:
    served = await serve(an_app())
    client = await served.client()
    await client.send(
        "SUBSCRIBE", {"id": 5, "destination": "/app/rooms/kitchen/members", "client-request-code": "c"}
    )
    answer = await client.message()
    assert json.loads(answer.body) == ["kitchen", "cook"]
    assert answer.headers["subscription"] == "5"
    assert answer.headers["destination"] == "/app/rooms/kitchen/members"
    assert answer.headers["client-request-code"] == "c"
    assert await client.settle() == []
    await client.request("UNSUBSCRIBE", {"id": 5})
    await client.subscribe("/app/nothing", 5)
    assert await client.settle() == []


async def test_the_id_of_an_answered_subscribe_stays_taken_until_unsubscribe(serve: Serve) -> None:
    served = await serve(an_app())
    client = await served.client()
    await client.subscribe("/app/nothing", 5)
    await client.send("SUBSCRIBE", {"id": 5, "destination": "/topic/a"})
    assert "in use" in (await client.error()).headers["message"]


# Soft errors.


async def test_a_soft_error_has_code_detail_destination_request_code_and_an_id_that_is_in_the_log(
    serve: Serve,
) -> None:
    served = await serve(an_app())
    client = await served.client()
    await client.errors()
    await client.send("SEND", {"destination": "/app/ping", "client-request-code": "17"}, '{"number": "x"}')
    error = await client.message()
    body = json.loads(error.body)
    assert body["code"] == "invalid-body"
    assert "$.number" in body["detail"]
    assert body["destination"] == "/app/ping"
    assert body["clientRequestCode"] == error.headers["client-request-code"] == "17"
    assert body["errorId"] == error.headers["error-id"]
    assert error.headers["destination"] == "/session/queue/request-error"
    assert error.headers["content-type"] == "application/json"
    [line] = served.logged("refused", error_id=body["errorId"])
    assert (line["code"], line["session"]) == ("invalid-body", client.session)
    assert served.node.statistics().problems == {"invalid-body": 1}


async def test_an_unexpected_error_shows_no_internals_and_is_in_the_log_under_its_id(serve: Serve) -> None:
    served = await serve(an_app())
    served.may_fail = True
    client = await served.client()
    await client.errors()
    for body in ("now", "late"):
        await client.send("SEND", {"destination": "/app/fail"}, body)
        error = await client.message()
        assert json.loads(error.body)["code"] == "handler-failed"
        assert "secret" not in str(error)
        [line] = served.logged("handler failed", error_id=error.headers["error-id"])
        assert "RuntimeError: " in line["exception"]
    await client.request("SEND", {"destination": "/app/silent"})


async def test_on_error_says_what_the_client_is_told(serve: Serve) -> None:
    served = await serve(an_app())
    client = await served.client()
    await client.errors()
    await client.send("SEND", {"destination": "/app/shut", "client-request-code": "1"}, "shut")
    await client.send("SEND", {"destination": "/app/shut", "client-request-code": "2"}, "late")
    await client.send("SEND", {"destination": "/topic/x", "receipt": "after"}, "")
    first, second = await client.message(), await client.message()
    assert json.loads(first.body)["detail"] == "the door is shut"
    assert [json.loads(each.body)["code"] for each in (first, second)] == ["room-closed", "too-late"]
    assert second.headers["client-request-code"] == "2"
    assert (await client.frame()).headers["receipt-id"] == "after"


async def test_an_error_handler_that_fails_is_logged_and_the_client_still_answered(serve: Serve) -> None:
    served = await serve(an_app())
    served.may_fail = True
    client = await served.client()
    await client.errors()
    await client.send("SEND", {"destination": "/app/shut"}, "broken")
    assert json.loads((await client.message()).body)["code"] == "handler-failed"
    assert served.logged("error handler failed")
    assert served.logged("handler failed")


async def test_a_client_that_did_not_subscribe_to_its_errors_is_mentioned_once(serve: Serve) -> None:
    served = await serve(an_app())
    client = await served.client()
    for _ in range(3):
        await client.send("SEND", {"destination": "/app/unknown"})
    assert await client.settle() == []
    assert (
        len(
            served.logged(
                "the client has not subscribed to the error destination, so it does not learn of its errors"
            )
        )
        == 1
    )
    assert served.node.statistics().problems == {"not-found": 3}
    assert served.node.statistics().problems_unheard == 3


async def test_errors_of_one_session_are_not_seen_by_another(serve: Serve) -> None:
    served = await serve(an_app())
    client, other = await served.client(), await served.client()
    await other.errors()
    await client.errors()
    await client.send("SEND", {"destination": "/app/unknown"})
    await client.message()
    assert await other.settle() == []


async def test_every_refusal_leaves_the_session_alive(serve: Serve) -> None:
    served = await serve(an_app())
    client = await served.client()
    await client.errors()
    refused = {
        "/app/unknown": "not-found", "/app/rooms/1/members": "not-found", "/nowhere/x": "invalid-destination",
        "/topic/a*": "invalid-destination", "/user/queue/x": "invalid-destination",
        "/app/orders/seven/take": "invalid-path", "/topic/" + "x" * 600: "invalid-destination",
    }  # fmt: skip
    for destination, code in refused.items():
        await client.send("SEND", {"destination": destination}, "x")
        assert json.loads((await client.message()).body)["code"] == code
    assert await client.settle() == []


async def test_dependencies_with_yield_are_closed_before_the_result_is_published(serve: Serve) -> None:
    app = make_app()
    order: list[str] = []

    async def connection() -> Any:
        order.append("open")
        yield "connection"
        await shortly()
        order.append("committed")

    @app.message("/store", publish="/topic/stored")
    async def store(body: str, link: Annotated[str, Depends(connection)]) -> str:
        order.append(f"{body} by {link}")
        return body

    served = await serve(app)
    client = await served.client()
    await client.subscribe("/topic/stored")
    published = served.node.hub.publish
    served.node.hub.publish = lambda message: (order.append("published"), published(message))[1]  # type: ignore[assignment]
    await client.send("SEND", {"destination": "/app/store"}, "soup")
    await client.message()
    assert order == ["open", "soup by connection", "committed", "published"]
