"""Headers that an application gives its messages."""

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from serving import Serve, make_app
from stompede import Command, SendCommand, StompSession
from stompede.messaging.message import Message


async def test_the_application_gives_no_secret_and_no_protocol_header_to_a_message(serve: Serve) -> None:
    app = make_app()
    served = await serve(app)
    client = await served.client()
    for destination in ("/topic/a", "/queue/a", "/session/queue/a"):
        await client.subscribe(destination, destination)

    async def say(headers: Mapping[str, Any]) -> None:
        for destination in ("/topic/a", "/queue/a"):
            await app.publish(destination, "x", headers=headers)
        await app.send_to_session(client.session, "/queue/a", "x", headers=headers)
        await app.send_to_user("cook", "/queue/a", "x", headers=headers)

    for name in ("Authorization", "authorization", " Login", "passcode"):
        with pytest.raises(ValueError, match="is secret and never stands in a MESSAGE"):
            await say({name: "s3cret"})
    for name in ("receipt", "transaction", "message-id", "redelivered"):
        with pytest.raises(ValueError, match="has a meaning of its own in STOMP"):
            await say({name: "1"})
    with pytest.raises(TypeError, match="'n': 1 is no str"):
        await say({"n": 1})
    await say({"n": "1"})
    assert [(await client.message()).headers["n"] for _ in range(3)] == ["1"] * 3


@pytest.mark.parametrize("waits", [False, True])
async def test_neither_does_an_interceptor(serve: Serve, waits: bool) -> None:
    app = make_app()

    def change(command: SendCommand) -> SendCommand:
        message = command.message
        return SendCommand(
            Message(message.destination, message.body, None, {"passcode": "x"}), command.receipt
        )

    if waits:

        @app.intercept
        async def later(command: SendCommand, session: StompSession) -> Command:
            return change(command)

    else:

        @app.intercept
        def at_once(command: SendCommand, session: StompSession) -> Command:
            return change(command)

    served = await serve(app)
    served.may_fail = True
    client = await served.client()
    await client.errors()
    await client.subscribe("/topic/a")
    await client.send("SEND", {"destination": "/topic/a"})
    assert b"handler-failed" in (await client.message()).body


@pytest.mark.parametrize(
    ("headers", "content_type", "said"),
    [
        ({"name": "\ud800"}, None, "header name: .* cannot be written as UTF-8"),
        ({"\ud800": "x"}, None, "header: .* cannot be written as UTF-8"),
        ({"": "x"}, None, "a header without a name"),
        ({}, "text/\udc00", "content_type: .* cannot be written as UTF-8"),
    ],
)
async def test_what_cannot_be_written_is_refused_where_it_is_published(
    serve: Serve, headers: Mapping[str, str], content_type: str | None, said: str
) -> None:
    app = make_app()
    served = await serve(app)
    client = await served.client()
    await client.subscribe("/topic/other")
    for destination in ("/topic/a", "/queue/a"):
        with pytest.raises(ValueError, match=said):
            await app.publish(destination, "x", headers=headers, content_type=content_type)
    if headers:
        with pytest.raises(ValueError, match=said):
            await app.send_to_user("cook", "/queue/a", "x", headers=headers)
    await app.publish("/topic/other", "others notice nothing")
    assert (await client.message()).body == b"others notice nothing"


async def test_who_published_may_go_on_with_the_headers(serve: Serve) -> None:
    app = make_app()
    served = await serve(app)
    client = await served.client()
    await client.subscribe("/topic/a")
    headers: dict[str, str] = {}
    for number in range(3):
        headers["n"] = str(number)
        app.publish_nowait("/topic/a", "x", headers=headers)
    headers["authorization"] = "Bearer s3cret"
    came = [await client.message() for _ in range(3)]
    assert [message.headers["n"] for message in came] == ["0", "1", "2"]
    assert all("authorization" not in message.headers for message in came)


@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize(
    "change",
    [{"body": "a text"}, {"headers": {"n": "\ud800"}}, {"content_type": 7}, {"content_type": "\ud800"}],
)
async def test_an_interceptor_that_makes_something_unwritable_fails_by_itself(
    serve: Serve, waits: bool, change: Mapping[str, Any]
) -> None:
    app = make_app()

    def changed(command: SendCommand) -> SendCommand:
        if command.message.body != b"bad":
            return command
        return SendCommand(msgspec.structs.replace(command.message, **change), command.receipt)

    if waits:

        @app.intercept
        async def later(command: SendCommand, session: StompSession) -> Command:
            return changed(command)

    else:

        @app.intercept
        def at_once(command: SendCommand, session: StompSession) -> Command:
            return changed(command)

    served = await serve(app)
    served.may_fail = True
    client = await served.client()
    await client.errors()
    await client.subscribe("/topic/a")
    await client.send("SEND", {"destination": "/topic/a"}, b"bad")
    assert b"handler-failed" in (await client.message()).body
    await client.send("SEND", {"destination": "/topic/a"}, b"good")
    assert (await client.message()).body == b"good"
