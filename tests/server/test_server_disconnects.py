"""Every row of the table of disconnects, brought about by a client or the application over a real connection."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from serving import TRANSPORTS, Served, make_app, serving, until
from stompede import AuthenticationError, Principal, Problem, Stompede
from stompede.server.draining import DrainOrder
from stompede.server.session.disconnects import Disconnects
from stompsocket import Frame, StompSocket, encode

Scenario = Callable[[Served, StompSocket], Awaitable[object]]
SCENARIOS: dict[Disconnects, Scenario] = {}
CONNECT: dict[str, object] = {"accept-version": "1.2", "host": "x"}


def brings_about(row: Disconnects) -> Callable[[Scenario], Scenario]:
    def register(scenario: Scenario) -> Scenario:
        SCENARIOS[row] = scenario
        return scenario

    return register


def an_app() -> Stompede:
    app = make_app(
        connect_timeout_s=20, idle_timeout_s=60, outbound_age_s=20, max_message_bytes=5000, max_body_bytes=1000,
        close_timeout_s=5,
    )  # fmt: skip

    @app.authenticate
    def login(login: str, passcode: str) -> Principal:
        match login:
            case "broken":
                raise RuntimeError("internal")
            case "busy":
                raise Problem("unavailable", "the member list is away")
        raise AuthenticationError("login-failed", "no")

    @app.message("/stuck")
    async def stuck() -> None:
        for _ in range(2):
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()

    return app


@brings_about(Disconnects.HANDLER_STUCK)
async def _(served: Served, client: StompSocket) -> None:
    served.may_fail = True
    await client.connect()
    await client.send("SEND", {"destination": "/app/stuck"})
    runner = served.node.runner
    await until(lambda: runner.statistics().running)
    for late_s in (100, 1000):
        runner.expire(asyncio.get_running_loop().time() + late_s)


@brings_about(Disconnects.NORMAL)
async def _(served: Served, client: StompSocket) -> None:
    await client.connect()
    await client.send("DISCONNECT")


@brings_about(Disconnects.LOST)
async def _(served: Served, client: StompSocket) -> None:
    await client.connect()
    client.sock.shutdown(1)


@brings_about(Disconnects.PROTOCOL)
async def _(served: Served, client: StompSocket) -> None:
    await client.connect()
    await client.send("NONSENSE")


@brings_about(Disconnects.NOT_UTF8)
async def _(served: Served, client: StompSocket) -> None:
    await client.connect()
    await client.send_ws(b"\xff\xfe", text=True)


@brings_about(Disconnects.TOO_BIG)
async def _(served: Served, client: StompSocket) -> None:
    await client.connect()
    await client.send_ws(b"SEND\ndestination:/topic/a\n\n" + b"x" * 5000)


@brings_about(Disconnects.INTERNAL)
async def _(served: Served, client: StompSocket) -> None:
    served.may_fail = True
    await client.send("CONNECT", {**CONNECT, "login": "broken", "passcode": "x"})


@brings_about(Disconnects.RESTART)
async def _(served: Served, client: StompSocket) -> None:
    await client.connect()
    served.stopping = asyncio.create_task(served.node.stop())  # type: ignore[attr-defined]


@brings_about(Disconnects.OVERLOADED)
async def _(served: Served, client: StompSocket) -> None:
    await client.send("CONNECT", {**CONNECT, "login": "busy", "passcode": "x"})


@brings_about(Disconnects.HEART_BEAT_MISSED)
async def _(served: Served, client: StompSocket) -> None:
    await client.connect({"heart-beat": "5000,0"})
    served.clock.shift = 15


@brings_about(Disconnects.CONNECT_TIMEOUT)
async def _(served: Served, client: StompSocket) -> None:
    served.clock.shift = 25


@brings_about(Disconnects.IDLE)
async def _(served: Served, client: StompSocket) -> None:
    await client.connect()
    served.clock.shift = 65


@brings_about(Disconnects.SLOW_CONSUMER)
async def _(served: Served, client: StompSocket) -> None:
    await client.connect()
    await client.subscribe("/topic/a")
    session = served.session(client)
    outbox = session.outbox
    while outbox.queued_bytes < 300_000:  # it takes nothing, and does not come to take something
        await served.app.publish("/topic/a", "x" * 20_000)
    await until(lambda: outbox.unsent_bytes is not None)
    blocked = outbox.since
    served.clock.shift = 25
    # Its kernel may have made room for a little since it was looked at, which counts as taken.
    await until(lambda: session.closed or outbox.since > blocked)
    served.clock.shift = 50
    await until(lambda: session.closed)


@brings_about(Disconnects.MOVED)
async def _(served: Served, client: StompSocket) -> None:
    await client.connect()
    served.node.drain.begin(DrainOrder())


@brings_about(Disconnects.CLOSED_BY_SERVER)
async def _(served: Served, client: StompSocket) -> None:
    await client.connect()
    await served.app.close_session(client.session)


@brings_about(Disconnects.LOGIN_REFUSED)
async def _(served: Served, client: StompSocket) -> None:
    await client.send("CONNECT", {**CONNECT, "login": "x", "passcode": "x"})


@brings_about(Disconnects.LIMIT)
async def _(served: Served, client: StompSocket) -> None:
    await client.connect()
    await client.send_ws(encode("SEND", {"destination": "/topic/a"}, "x" * 1001))


# SockJS carries text alone: tests/transports/test_sockjs_stomp.py
OVER_SOCKJS = {Disconnects.NOT_TEXT}


def test_every_row_has_its_scenario() -> None:
    assert set(SCENARIOS) | OVER_SOCKJS == set(Disconnects)


def test_codes_and_reasons_are_unique_and_codes_say_whether_to_come_back() -> None:
    rows = [row.value for row in Disconnects]
    assert len({row.reason for row in rows}) == len({row.code for row in rows}) == len(rows)
    for row in rows:
        if row.code >= 4000:
            assert row.reconnect == (row.code < 4500)
        assert len(row.reason.encode()) <= 123


# An idle session is found by pings, which a plain ASGI server sends itself; and it does not tell a lost connection from
# a close frame without a code. What it closes for a broken rule of WebSocket, it closes with words of its own.
NOT_BY_ASGI = {Disconnects.IDLE, Disconnects.LOST}
NO_LAST_WORDS = {("picows", Disconnects.TOO_BIG), ("asgi", Disconnects.NOT_UTF8)}
CASES = [
    (transport, row)
    for transport in TRANSPORTS
    for row in SCENARIOS
    if transport == "picows" or row not in NOT_BY_ASGI
]


@pytest.mark.parametrize(
    ("transport", "row"), CASES, ids=[f"{transport}-{row.reason}" for transport, row in CASES]
)
async def test_row(transport: str, row: Disconnects) -> None:
    async with serving(an_app(), transport) as served:
        client = await served.open()
        await SCENARIOS[row](served, client)
        closed = await client.closed()
        line = await served.ended(row.reason)
        assert line["code"] == row.code
        assert served.node.ends == {row.reason: 1}
        if row is not Disconnects.LOST:
            assert closed.code == row.code
        if row in (Disconnects.NORMAL, Disconnects.LOST) or (transport, row) in NO_LAST_WORDS:
            return
        assert closed.reason == row.reason
        error: Frame = client.frames[-1]
        assert error.command == "ERROR"
        told: dict[str, Any] = error.headers
        assert told["disconnect-reason"] == row.reason
        assert told["reconnect"] == ("true" if row.reconnect else "false")
        if row is Disconnects.RESTART:
            await served.stopping  # type: ignore[attr-defined]
