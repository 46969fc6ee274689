"""Sessions that have ended leave nothing behind."""

import gc
import weakref

import pytest

from serving import Serve, make_app, shortly, until
from stompede import Problem
from stompsocket import StompSocket


async def refused(client: StompSocket) -> None:
    await client.errors()
    for destination in ("/nowhere/x", "/app/unknown", "/app/refuse", "/topic/a*", "/user/x"):
        await client.send("SEND", {"destination": destination}, "x")
        await client.message()
        await client.send("SUBSCRIBE", {"id": 7, "destination": destination.replace("/user/x", "/nowhere/y")})
        await client.message()


async def member(client: StompSocket) -> None:
    await client.subscribe("/topic/a", 1)
    await client.subscribe("/session/queue/x", 2)
    await client.request("SEND", {"destination": "/topic/a"}, "x")
    await client.request("SEND", {"destination": "/app/wait"}, "x")


async def broken(client: StompSocket) -> None:
    await client.send("NONSENSE")
    await client.closed()


async def goodbye(client: StompSocket) -> None:
    await client.send("DISCONNECT")
    await client.closed()


@pytest.mark.parametrize("life", [refused, member, broken, goodbye])
async def test_a_session_that_ended_is_garbage(serve: Serve, life: object) -> None:
    app = make_app()

    @app.message("/refuse")
    async def refuse() -> None:
        raise Problem("refused")

    @app.message("/wait")
    async def wait() -> None:
        await shortly()

    served = await serve(app)
    client = await served.client()
    session = weakref.ref(served.session(client))
    await life(client)  # type: ignore[operator]
    client.drop()
    await until(lambda: served.node.statistics().connections == 0)

    def is_gone() -> bool:
        gc.collect()
        return session() is None

    await until(is_gone, "the end of the session's memory")
    node = served.node
    left = [node.sessions, node.transports, node.users, node.blocked, node.hub, node.deadlines]
    assert [len(each) for each in left] == [0] * 6  # type: ignore[arg-type]


async def test_a_session_that_ended_is_freed_without_the_garbage_collector(serve: Serve) -> None:
    served = await serve(make_app())
    client = await served.client()
    session = weakref.ref(served.session(client))
    await client.subscribe("/topic/a")
    await client.request("SEND", {"destination": "/topic/a"}, "x")
    gc.collect()
    gc.disable()
    try:
        client.drop()
        await until(lambda: session() is None, "the end of the session's memory")
    finally:
        gc.enable()
