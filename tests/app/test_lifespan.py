"""Starting and stopping, in the process of the test: both lifespans, and what runs when."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request

from serving import Serve, make_app, serving, until
from stompede import (
    BusError,
    ConfigurationError,
    Disconnect,
    SessionClosedError,
    Settings,
    Stompede,
    StompSession,
)


def an_app(order: list[str], **settings: Any) -> Stompede:
    @contextlib.asynccontextmanager
    async def lifespan(fastapi: FastAPI) -> AsyncIterator[dict[str, str]]:
        order.append("fastapi up")
        yield {"pool": "open"}
        order.append("fastapi down")

    fastapi = FastAPI(lifespan=lifespan)
    app = Stompede(fastapi, settings=Settings(jwt_secret="x" * 40, close_timeout_s=0.5, **settings))
    app.gate = asyncio.Event()  # type: ignore[attr-defined]

    @fastapi.get("/state")
    def state(request: Request) -> str:
        pool: str = request.state.pool
        return pool

    @app.on_session_start
    def start(session: StompSession) -> None:
        order.append("session up")

    @app.on_session_end
    async def end(session: StompSession, why: Disconnect) -> None:
        await asyncio.sleep(0)
        order.append("session down")

    @app.message("/work", publish="/topic/done")
    async def work(body: str) -> str:
        order.append("handler begins")
        await app.gate.wait()  # type: ignore[attr-defined]
        order.append("handler ends")
        return body

    return app


async def test_handlers_end_before_the_lifespan_of_fastapi_does(serve: Serve) -> None:
    order: list[str] = []
    app = an_app(order)
    served = await serve(app)
    client = await served.client()
    assert (await _get(f"{served.http}/state")) == "open"
    await client.send("SEND", {"destination": "/app/work", "receipt": "r"}, "x")
    await until(lambda: "handler begins" in order)
    stopping = asyncio.create_task(served.node.stop())
    await until(lambda: not served.node.accepting)
    app.gate.set()  # type: ignore[attr-defined]
    assert (await client.frame()).headers["receipt-id"] == "r"
    error = await client.error()
    assert (error.headers["disconnect-reason"], error.headers["reconnect"]) == ("service-restart", "true")
    assert (await client.closed()).code == 1012
    await stopping
    await until(lambda: "session down" in order)
    assert order == ["fastapi up", "session up", "handler begins", "handler ends", "session down"]


async def _get(url: str) -> Any:
    async with httpx.AsyncClient() as http:
        return (await http.get(url)).json()


@pytest.mark.parametrize("transport_name", ["picows", "asgi"])
async def test_both_lifespans_run_in_the_right_order(transport_name: str) -> None:
    order: list[str] = []
    async with serving(an_app(order), transport_name) as served:
        await served.client()
        await until(lambda: "session up" in order)
    assert order == ["fastapi up", "session up", "session down", "fastapi down"]


async def test_without_a_server_the_application_runs_too() -> None:
    order: list[str] = []
    app = an_app(order)
    async with app.running() as state:
        assert state == {"pool": "open"}
        await app.publish("/topic/a", "nobody hears it")
        with pytest.raises(ConfigurationError, match="runs already"):
            async with app.running():
                pass
    assert order == ["fastapi up", "fastapi down"]
    async with app.running():
        pass
    assert order == ["fastapi up", "fastapi down"] * 2


async def test_what_needs_a_running_node_says_so_where_none_runs() -> None:
    app = make_app()
    with pytest.raises(SessionClosedError, match="does not run"):
        await app.publish("/topic/a", "x")
    with pytest.raises(SessionClosedError, match="does not run"):
        app.publish_threadsafe("/topic/a", "x")
    assert app.refuse() is not None
    async with app.running():
        node = app.node
    with pytest.raises(BusError):
        node.publisher.publish("/topic/a", "x")


async def test_an_error_of_the_block_is_raised_as_it_is_and_the_node_stopped() -> None:
    app = make_app()
    with pytest.raises(ZeroDivisionError):
        async with app.running():
            raise ZeroDivisionError
    assert app.refuse() is not None


async def test_a_lifespan_of_fastapi_that_fails_fails_the_start() -> None:
    @contextlib.asynccontextmanager
    async def lifespan(fastapi: FastAPI) -> AsyncIterator[None]:
        raise LookupError("no database")
        yield

    with pytest.raises(LookupError, match="no database"):
        async with Stompede(FastAPI(lifespan=lifespan), settings=Settings(jwt_secret="x" * 40)).running():
            pass


async def test_a_handler_that_never_ends_is_cancelled_after_the_time_limit(serve: Serve) -> None:
    app = make_app(shutdown_timeout_s=0.2)
    events: list[str] = []

    @app.message("/for-ever")
    async def for_ever() -> None:
        events.append("begins")
        try:
            await asyncio.Event().wait()
        finally:
            events.append("cancelled")

    served = await serve(app)
    client = await served.client()
    await client.send("SEND", {"destination": "/app/for-ever"})
    await until(lambda: events)
    stopping = asyncio.create_task(served.node.stop())
    assert (await client.closed()).code == 1012
    async with asyncio.timeout(5):
        await stopping
    assert events == ["begins", "cancelled"]


async def test_what_was_received_before_the_stop_is_served_and_nothing_after_it() -> None:
    app = make_app()
    seen: list[str] = []
    go = asyncio.Event()

    @app.message("/work")
    async def work(body: str) -> None:
        seen.append(body)
        await go.wait()

    async with serving(app) as served:
        client = await served.client()
        for number in range(3):
            await client.send("SEND", {"destination": "/app/work", "receipt": number}, str(number))
        session = served.session(client)
        await until(lambda: seen == ["0"] and session.wire.buffered_bytes > 60)
        stopping = asyncio.create_task(served.node.stop())
        await until(lambda: not served.node.accepting)
        await client.send("SEND", {"destination": "/app/work", "receipt": "late"}, "late")
        go.set()
        closed = await client.closed()
        await stopping
        assert closed.code == 1012
        assert [frame.headers.get("receipt-id") for frame in client.frames] == ["0", "1", "2", None]
        assert seen == ["0", "1", "2"]


async def test_a_connection_that_has_not_connected_is_closed_by_the_stop(serve: Serve) -> None:
    served = await serve()
    client = await served.open()
    stopping = asyncio.create_task(served.node.stop())
    closed = await client.closed()
    assert (closed.code, closed.reason) == (1012, "service-restart")
    await stopping


async def test_stopping_twice_is_no_harm(serve: Serve) -> None:
    served = await serve()
    client = await served.client()
    stops = [asyncio.create_task(served.node.stop()) for _ in range(2)]
    assert (await client.closed()).code == 1012
    await asyncio.gather(*stops)
    await served.node.stop()


async def test_a_listener_of_a_session_end_finishes_before_the_node_has_stopped() -> None:
    app = make_app()
    begun: list[str] = []
    told: list[str] = []
    gate = asyncio.Event()

    @app.on_session_end
    async def end(session: StompSession, why: Disconnect) -> None:
        begun.append(why.reason)
        await gate.wait()
        told.append(why.reason)

    async with serving(app) as served:
        await served.client()
        await served.client()
        stopping = asyncio.create_task(served.node.stop())
        await until(lambda: len(begun) == 2)
        assert not stopping.done()
        gate.set()
        await stopping
        assert told == ["service-restart", "service-restart"]
