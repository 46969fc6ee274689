"""What interceptors make of a SUBSCRIBE reaches guards and handlers."""

import msgspec
import pytest

from serving import Serve, make_app
from stompede import Command, Message, Stompede, StompSession, SubscribeCommand


def an_app(asynchronous: bool) -> tuple[Stompede, list[str]]:
    app = make_app()
    seen: list[str] = []

    def stamp(command: SubscribeCommand, session: StompSession) -> Command:
        return msgspec.structs.replace(command, headers={**command.headers, "tenant": "t1"})

    async def stamp_slowly(command: SubscribeCommand, session: StompSession) -> Command:
        return stamp(command, session)

    app.intercept(stamp_slowly if asynchronous else stamp)

    @app.guard("/topic/plain", on="subscribe")
    def plain(message: Message) -> bool:
        seen.append(f"plain guard: {message.headers['tenant']} {message.headers['own']}")
        return True

    @app.guard("/topic/async", on="subscribe")
    async def slow(message: Message) -> bool:
        seen.append(f"async guard: {message.headers['tenant']} {message.headers['own']}")
        return True

    @app.subscribe("/tenant")
    async def tenant(message: Message) -> str:
        return f"{message.headers['tenant']} {message.headers['own']}"

    return app, seen


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
async def test_headers_that_an_interceptor_changed_reach_guards_and_subscribe_handlers(
    serve: Serve, asynchronous: bool
) -> None:
    app, seen = an_app(asynchronous)
    served = await serve(app)
    client = await served.client()
    for name in ("plain", "async"):
        await client.subscribe(f"/topic/{name}", name, own="kept")
    assert seen == ["plain guard: t1 kept", "async guard: t1 kept"]
    await client.subscribe("/app/tenant", "asked", own="kept")
    assert (await client.message()).text == "t1 kept"
