"""Headers that an application gives its messages."""

from collections.abc import Mapping
from typing import Any

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
