"""What goes wrong in handlers, dependencies, interceptors and logins costs one answer, and nothing else."""

import asyncio
import math
import threading
from collections.abc import Iterator
from typing import Annotated

from fastapi import Depends
from test_server_guards import code

from serving import Serve, make_app, until
from stompede import Answer, Command, Principal, Problem, SendCommand, StompSession
from stompsocket import StompSocket


async def test_a_plain_handler_that_raises_stop_iteration_has_failed_and_the_session_goes_on(
    serve: Serve,
) -> None:
    app = make_app()

    @app.message("/first")
    def first(body: str) -> str:
        return next(line for line in () if line == body)

    @app.message("/echo")
    def echo(body: str) -> str:
        return body

    served = await serve(app)
    served.may_fail = True
    client = await served.client()
    await client.errors()
    await client.replies()
    await client.send("SEND", {"destination": "/app/first", "receipt": "r"}, "x")
    assert await code(client) == "handler-failed"
    await client.send("SEND", {"destination": "/app/echo"}, "soup")
    assert (await client.message()).text == "soup"


async def test_an_answer_of_an_async_interceptor_that_cannot_be_encoded_has_failed_and_the_session_goes_on(
    serve: Serve,
) -> None:
    app = make_app()

    @app.intercept
    async def answer(command: SendCommand, session: StompSession) -> Command | Answer | None:
        await asyncio.sleep(0)
        return Answer(object() if command.destination == "/topic/odd" else "soup")

    served = await serve(app)
    served.may_fail = True
    client = await served.client()
    await client.errors()
    await client.replies()
    await client.send("SEND", {"destination": "/topic/odd", "receipt": "r"}, "x")
    assert await code(client) == "handler-failed"
    await client.send("SEND", {"destination": "/topic/good"}, "x")
    assert (await client.message()).text == "soup"


async def test_a_session_that_drops_during_a_slow_login_leaves_no_member_behind(serve: Serve) -> None:
    app = make_app()
    proven = asyncio.Event()
    logging_in: list[str] = []
    logged_in: list[str] = []

    @app.authenticate
    async def log_in(login: str, passcode: str) -> Principal:
        logging_in.append(login)
        await proven.wait()
        logged_in.append(login)
        return Principal(login)

    served = await serve(app)
    for number in range(3):
        client = await served.open()
        await client.send("CONNECT", {"accept-version": "1.2", "host": "x", "login": "cook", "passcode": "y"})
        await until(lambda wanted=number + 1: len(logging_in) == wanted)  # type: ignore[misc]
        client.drop()
    await until(lambda: not served.node.transports, "the end of all three")
    proven.set()
    await until(lambda: len(logged_in) == 3)
    await served.node.runner.wait_empty()
    assert served.node.users == {}
    assert served.node.statistics().members == 0


async def test_a_plain_dependency_whose_opening_outlives_the_time_limit_is_closed(serve: Serve) -> None:
    app = make_app()
    go_on, opening, closed = threading.Event(), threading.Event(), threading.Event()

    def resource() -> Iterator[str]:
        opening.set()
        go_on.wait(10)
        try:
            yield "resource"
        finally:
            closed.set()

    @app.message("/use")
    async def use(it: Annotated[str, Depends(resource)]) -> str:
        return it

    served = await serve(app)
    served.may_fail = True
    client = await served.client()
    await client.errors()
    await client.send("SEND", {"destination": "/app/use"}, "x")
    await until(opening.is_set)
    served.node.runner.expire(math.inf)
    go_on.set()  # the thread cannot be cancelled, so its end is waited for
    assert await code(client) == "unavailable"
    await until(closed.is_set, "the resource's end")
    await client.settle()


async def test_a_subscribe_handler_that_fails_softly_frees_the_id(serve: Serve) -> None:
    app = make_app()
    values: Iterator[object] = iter([object(), Problem("not-yet"), RuntimeError("internal"), ["cook"]])

    @app.subscribe("/members")
    async def members() -> object:
        value = next(values)
        if isinstance(value, Exception):
            raise value
        return value

    served = await serve(app)
    served.may_fail = True
    client = await served.client()
    await client.errors()
    for expected in ("handler-failed", "not-yet", "handler-failed"):
        await subscribe(client)
        assert await code(client) == expected
    await subscribe(client)
    assert (await client.message()).text == '["cook"]'
    assert (await client.frame()).command == "RECEIPT"


async def subscribe(client: StompSocket) -> None:
    await client.send("SUBSCRIBE", {"id": "same", "destination": "/app/members", "receipt": "r"})
