"""Handlers that do not end in time, or take no notice of their cancellation, or want to end the process."""

import asyncio
import contextlib
import json
import threading

import pytest

from serving import Serve, make_app, shortly, until


async def test_a_handler_that_swallows_its_cancellation_ends_its_session_and_no_other(serve: Serve) -> None:
    app = make_app(handler_timeout_s=0.05)
    go = asyncio.Event()
    begun: list[str] = []

    @app.message("/retry")
    async def retry(body: str) -> str:
        begun.append(body)
        while not go.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await go.wait()
        return body

    served = await serve(app)
    served.may_fail = True
    client, other = await served.client(), await served.client()
    await client.errors()
    await client.send("SEND", {"destination": "/app/retry", "receipt": "r"}, "1")
    await client.send("SEND", {"destination": "/app/retry"}, "2")
    error = await client.message()
    assert json.loads(error.body)["code"] == "unavailable"
    assert error.headers["receipt-id"] == "r"
    told = await client.error()
    assert (told.headers["disconnect-reason"], told.headers["reconnect"]) == ("handler-stuck", "true")
    closed = await client.closed()
    assert (closed.code, closed.reason) == (4004, "handler-stuck")
    assert begun == ["1"], "order holds: nothing of this session is handled while that one runs"
    [line] = [line for line in served.logs if line["event"].startswith("a handler has not ended")]
    assert (line["destination"], line["session"]) == ("/app/retry", client.session)
    assert "retry() at test_server_stubborn.py" in line["handler"]
    await other.settle()
    assert served.node.statistics().handlers.given_up == 1
    go.set()


async def test_what_follows_a_plain_function_beyond_its_time_waits_for_its_thread(serve: Serve) -> None:
    app = make_app(handler_timeout_s=1)
    go = threading.Event()
    order: list[str] = []

    @app.message("/work")
    def work(body: str) -> str:
        order.append(f"begin {body}")
        if body == "1":
            assert go.wait(10)
        order.append(f"end {body}")
        return body

    served = await serve(app)
    client = await served.client()
    await client.errors()
    await client.replies()
    await client.send("SEND", {"destination": "/app/work"}, "1")
    await client.send("SEND", {"destination": "/app/work"}, "2")
    await until(lambda: order)
    served.node.runner.expire(asyncio.get_running_loop().time() + 2)
    for _ in range(10):
        await shortly()
    assert order == ["begin 1"]
    go.set()
    assert json.loads((await client.message()).body)["code"] == "unavailable"
    assert (await client.message()).text == "2"
    assert order == ["begin 1", "end 1", "begin 2", "end 2"]


@pytest.mark.parametrize("kind", ["at-once", "later", "thread", "guard"])
async def test_a_handler_that_exits_has_failed_and_the_node_goes_on(serve: Serve, kind: str) -> None:
    app = make_app()

    @app.message("/at-once")
    async def at_once() -> None:
        raise SystemExit(3)

    @app.message("/later")
    async def later() -> None:
        await shortly()
        raise SystemExit(3)

    @app.message("/thread")
    def thread() -> None:
        raise SystemExit(3)

    @app.guard("/topic/guard", on="send")
    def guard() -> bool:
        raise SystemExit(3)

    served = await serve(app)
    served.may_fail = True
    client = await served.client()
    await client.errors()
    destination = "/topic/guard" if kind == "guard" else f"/app/{kind}"
    await client.send("SEND", {"destination": destination, "receipt": "r"})
    error = await client.message()
    assert json.loads(error.body)["code"] == "handler-failed"
    [line] = served.logged("handler failed", error_id=error.headers["error-id"])
    assert "SystemExit" in line["exception"]
    await client.settle()
