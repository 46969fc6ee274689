"""Guards and interceptors over the wire, and by HTTP."""

import asyncio
import json
from typing import Annotated, Any

import msgspec
import pytest
from fastapi import Depends

from serving import Serve, make_app, shortly, until
from stompede import (
    Answer,
    Command,
    ConnectCommand,
    Disconnect,
    DisconnectCommand,
    Principal,
    Problem,
    SendCommand,
    Stompede,
    StompSession,
    SubscribeCommand,
    UnsubscribeCommand,
)
from stompsocket import StompSocket


async def code(client: StompSocket) -> str:
    """The code of the soft error that comes next."""
    message = await client.message()
    assert message.headers["destination"] == "/session/queue/request-error", message
    found: str = json.loads(message.body)["code"]
    return found


def guarded(asynchronous: bool = False) -> Stompede:
    app = make_app()

    async def later() -> None:
        await shortly()

    def at_once() -> None: ...

    Pause = Annotated[None, Depends(later if asynchronous else at_once)]  # noqa: N806 - a type

    @app.guard("/topic/rooms/{room}", on="subscribe")
    def may_enter(room: str, who: Principal, pause: Pause) -> bool:
        return who.name == "cook" or room == "lobby"

    @app.guard("/topic/both/{room}")
    def for_cooks(who: Principal, pause: Pause) -> bool:
        return who.name == "cook"

    @app.guard("/topic/both/{room}")
    def not_the_cellar(room: str, pause: Pause) -> bool:
        return room != "cellar"

    @app.guard("/app/orders")
    def raises(pause: Pause) -> bool:
        raise Problem("closed-today", "come back tomorrow")

    @app.guard("/app/vault")
    def breaks(pause: Pause) -> bool:
        raise RuntimeError("internal")

    @app.message("/orders", publish="/topic/orders")
    async def orders(body: str) -> str:
        return body

    @app.message("/vault", publish="/topic/vault")
    async def vault(body: str) -> str:
        return body

    @app.message("/rooms/{room}/say", publish="/topic/rooms/{room}")
    async def say(room: str, body: str) -> str:
        return body

    return app


@pytest.fixture(params=[False, True], ids=["sync", "async"])
def app(request: pytest.FixtureRequest) -> Stompede:
    return guarded(request.param)


async def test_a_guard_decides_by_principal_and_path(serve: Serve, app: Stompede) -> None:
    served = await serve(app)
    cook, baker, guest = await served.member("cook"), await served.member("baker"), await served.client()
    for client in (cook, baker, guest):
        await client.errors()
    await cook.subscribe("/topic/rooms/kitchen", 1)
    await baker.subscribe("/topic/rooms/lobby", 1)
    await baker.send("SUBSCRIBE", {"id": 2, "destination": "/topic/rooms/kitchen"})
    assert await code(baker) == "forbidden"
    await guest.send("SUBSCRIBE", {"id": 1, "destination": "/topic/rooms/lobby"})
    assert await code(guest) == "login-required"
    await baker.send("SEND", {"destination": "/app/rooms/kitchen/say"}, "hello")
    assert (await cook.message()).text == "hello", "what a handler publishes is the application's own"
    assert await baker.settle() == []


async def test_an_operation_that_no_guard_allows_is_denied(serve: Serve, app: Stompede) -> None:
    served = await serve(app)
    cook = await served.member("cook")
    await cook.errors()
    await cook.subscribe("/topic/rooms/kitchen")
    await cook.send("SEND", {"destination": "/topic/rooms/kitchen", "receipt": "r"}, "x")
    assert await code(cook) == "forbidden"
    await cook.request("SEND", {"destination": "/topic/open"}, "x")
    assert await cook.settle() == []


async def test_all_guards_that_match_must_agree(serve: Serve, app: Stompede) -> None:
    served = await serve(app)
    cook, baker = await served.member("cook"), await served.member("baker")
    for client in (cook, baker):
        await client.errors()
    await cook.subscribe("/topic/both/kitchen", 1)
    await cook.request("SEND", {"destination": "/topic/both/kitchen"}, "x")
    assert (await cook.message()).text == "x"
    for client, room in ((cook, "cellar"), (baker, "kitchen"), (baker, "cellar")):
        await client.send("SUBSCRIBE", {"id": 2, "destination": f"/topic/both/{room}"})
        assert await code(client) == "forbidden"
        await client.send("SEND", {"destination": f"/topic/both/{room}"}, "x")
        assert await code(client) == "forbidden"
    assert served.node.statistics().hub.subscriptions == 1


async def test_what_a_guard_raises_is_told(serve: Serve, app: Stompede) -> None:
    served = await serve(app)
    served.may_fail = True
    client = await served.client()
    await client.errors()
    await client.send("SEND", {"destination": "/app/orders"}, "x")
    assert await code(client) == "closed-today"
    await client.send("SEND", {"destination": "/app/vault"}, "x")
    assert await code(client) == "handler-failed"
    assert served.node.statistics().bus.published == 0


async def test_a_wildcard_is_no_way_around_a_guard(serve: Serve, app: Stompede) -> None:
    served = await serve(app)
    client = await served.client()
    await client.errors()
    for destination in ("/topic/rooms/*", "/topic/>", "/topic/**", "/topic/#", "/topic/rooms/kit*"):
        await client.send("SUBSCRIBE", {"id": 2, "destination": destination})
        assert await code(client) in ("invalid-destination", "forbidden")
    assert served.node.statistics().hub.subscriptions == 0


async def test_rest_passes_the_same_guards(serve: Serve, app: Stompede) -> None:
    served = await serve(app)
    await served.app.check_access("subscribe", "/topic/rooms/kitchen", Principal("cook"))
    await served.app.check_access("subscribe", "/topic/open", None)
    for operation, destination, principal, expected in (
        ("subscribe", "/topic/rooms/kitchen", Principal("baker"), "forbidden"),
        ("subscribe", "/topic/rooms/kitchen", None, "login-required"),
        ("send", "/topic/rooms/kitchen", Principal("cook"), "forbidden"),
        ("send", "/app/orders", None, "closed-today"),
        ("subscribe", "/elsewhere", None, "invalid-destination"),
    ):
        with pytest.raises(Problem) as refused:
            await served.app.check_access(operation, destination, principal)  # type: ignore[arg-type]
        assert refused.value.code == expected


# Interceptors.


def intercepted(asynchronous: bool) -> tuple[Stompede, list[str]]:
    app = make_app()
    seen: list[str] = []

    def decide(command: Command, session: StompSession) -> Any:
        seen.append(type(command).__name__.removesuffix("Command"))
        match command:
            case SendCommand(message) if message.destination == "/topic/refuse":
                raise Problem("no-soup", "today")
            case SendCommand(message) if message.destination == "/app/answer":
                return Answer({"answered": message.body.decode()})
            case SendCommand(message) if message.destination == "/topic/old":
                changed = msgspec.structs.replace(
                    message, destination="/topic/new", headers={**message.headers, "stamp": session.id}
                )
                return msgspec.structs.replace(command, message=changed)
            case SubscribeCommand(destination="/topic/old"):
                return msgspec.structs.replace(command, destination="/topic/new")
            case (
                SubscribeCommand(destination="/topic/refuse") | UnsubscribeCommand(destination="/topic/stay")
            ):
                raise Problem("no-soup", "today")
            case SubscribeCommand(destination="/topic/answer"):
                return Answer("at once")
            case SendCommand(message) if message.destination == "/topic/explode":
                raise RuntimeError("internal")
            case ConnectCommand():
                return msgspec.structs.replace(command, headers={**command.headers, "seen": "yes"})
            case DisconnectCommand():
                raise Problem("please-stay")
        return None

    if asynchronous:

        @app.intercept
        async def decide_slowly(command: Command, session: StompSession) -> Command | Answer | None:
            await shortly()
            result: Command | Answer | None = decide(command, session)
            return result

    else:
        app.intercept(decide)

    @app.intercept
    def second(command: SendCommand, session: StompSession) -> None:
        seen.append(f"second saw {command.destination}")

    @app.message("/session")
    async def session_headers(session: StompSession) -> dict[str, str]:
        return dict(session.headers)

    return app, seen


@pytest.fixture(params=[False, True], ids=["sync", "async"])
def interception(request: pytest.FixtureRequest) -> tuple[Stompede, list[str]]:
    return intercepted(request.param)


Interception = tuple[Stompede, list[str]]


async def test_every_command_is_seen(serve: Serve, interception: Interception) -> None:
    app, seen = interception
    served = await serve(app)
    client = await served.client()
    await client.subscribe("/topic/a", 1)
    await client.request("SEND", {"destination": "/topic/a"}, "x")
    await client.request("UNSUBSCRIBE", {"id": 1})
    await client.request("DISCONNECT")
    assert (await client.closed()).code == 1000
    assert seen == ["Connect", "Subscribe", "Send", "second saw /topic/a", "Unsubscribe", "Disconnect"]


async def test_a_changed_command_goes_on_instead(serve: Serve, interception: Interception) -> None:
    app, seen = interception
    served = await serve(app)
    client = await served.client()
    await client.subscribe("/topic/old", 1)
    await client.request("SEND", {"destination": "/topic/old", "k": "v"}, "x")
    message = await client.message()
    assert message.headers["destination"] == "/topic/new"
    assert (message.headers["stamp"], message.headers["k"]) == (client.session, "v")
    assert "second saw /topic/new" in seen
    await client.replies()
    await client.send("SEND", {"destination": "/app/session"})
    assert json.loads((await client.message()).body)["seen"] == "yes"


async def test_an_answer_goes_to_the_asking_session_and_no_further(
    serve: Serve, interception: Interception
) -> None:
    app, seen = interception
    served = await serve(app)
    client = await served.client()
    await client.replies()
    await client.request("SEND", {"destination": "/app/answer", "client-request-code": "7"}, "soup")
    reply = await client.message()
    assert json.loads(reply.body) == {"answered": "soup"}
    assert reply.headers["client-request-code"] == "7"
    await client.subscribe("/topic/answer", "now")
    answer = await client.message()
    assert (answer.text, answer.headers["subscription"]) == ("at once", "now")
    assert served.node.statistics().hub.subscriptions == 0
    assert "second saw /app/answer" not in seen


async def test_a_refusal_is_a_soft_error(serve: Serve, interception: Interception) -> None:
    app, _ = interception
    served = await serve(app)
    served.may_fail = True
    client = await served.client()
    await client.errors()
    await client.send("SEND", {"destination": "/topic/refuse"}, "x")
    assert await code(client) == "no-soup"
    await client.send("SUBSCRIBE", {"id": 1, "destination": "/topic/refuse"})
    assert await code(client) == "no-soup"
    await client.subscribe("/topic/stay", 2)
    await client.send("UNSUBSCRIBE", {"id": 2})
    assert await code(client) == "no-soup"
    await client.request("SEND", {"destination": "/topic/stay"}, "still here")
    assert (await client.message()).text == "still here"
    await client.send("SEND", {"destination": "/topic/explode"}, "x")
    assert await code(client) == "handler-failed"
    assert served.node.statistics().bus.published == 1


async def test_who_disconnects_cannot_be_kept(serve: Serve, interception: Interception) -> None:
    app, seen = interception
    served = await serve(app)
    client = await served.client()
    await client.send("DISCONNECT", {"receipt": "bye"})
    assert (await client.frame()).headers["receipt-id"] == "bye"
    assert (await client.closed()).code == 1000
    assert seen[-1] == "Disconnect"


# Events.


async def test_events_tell_of_sessions_and_subscriptions_as_they_come_and_go(serve: Serve) -> None:
    app = make_app()
    events: list[tuple[Any, ...]] = []

    @app.on_session_start
    async def start(session: StompSession) -> None:
        await asyncio.sleep(0)
        events.append(("start", session.id, session.principal and session.principal.name))

    @app.on_session_end
    async def end(session: StompSession, why: Disconnect) -> None:
        events.append(("end", session.id, why.reason, why.code))

    @app.on_subscribe
    def subscribed(session: StompSession, destination: str) -> None:
        events.append(("subscribe", session.id, destination))

    @app.on_unsubscribe
    def unsubscribed(session: StompSession, destination: str) -> None:
        events.append(("unsubscribe", session.id, destination))

    served = await serve(app)
    client = await served.member("cook")
    await client.subscribe("/topic/a", 1)
    await client.subscribe("/topic/b", 2)
    await client.request("UNSUBSCRIBE", {"id": 1})
    await client.send("DISCONNECT")
    await client.closed()
    me = client.session
    await until(lambda: len(events) == 6, f"six events; {events}")
    assert sorted(events) == sorted(
        [
            ("start", me, "cook"), ("subscribe", me, "/topic/a"), ("subscribe", me, "/topic/b"),
            ("unsubscribe", me, "/topic/a"), ("unsubscribe", me, "/topic/b"), ("end", me, "disconnect", 1000),
        ]
    )  # fmt: skip


async def test_a_connection_that_never_got_connected_is_no_session_of_the_events(serve: Serve) -> None:
    app = make_app(anonymous=False)
    events: list[str] = []
    app.on_session_start(lambda session: events.append("start"))
    app.on_session_end(lambda session, why: events.append("end"))
    served = await serve(app)
    client = await served.open()
    await client.send("CONNECT", {"accept-version": "1.2", "host": "x"})
    await client.closed()
    await served.ended("login-refused")
    assert events == []


async def test_a_listener_that_fails_is_logged_and_harms_nobody(serve: Serve) -> None:
    app = make_app()

    @app.on_session_start
    async def start(session: StompSession) -> None:
        raise RuntimeError("listener")

    served = await serve(app)
    served.may_fail = True
    client = await served.client()
    await client.settle()
    await until(lambda: served.logged("a listener of session-start failed"))


async def test_a_session_may_be_closed_by_the_application_also_from_its_own_handler(serve: Serve) -> None:
    app = make_app()

    @app.message("/leave")
    async def leave(session: StompSession) -> str:
        await app.close_session(session.id)
        return "gone"

    served = await serve(app)
    one, two = await served.client(), await served.client()
    assert await served.app.close_session(one.session)
    assert not await served.app.close_session("nobody")
    await two.send("SEND", {"destination": "/app/leave", "receipt": "r"})
    for client in (one, two):
        error = await client.error()
        assert (error.headers["reconnect"], error.headers["disconnect-reason"]) == (
            "false",
            "closed-by-server",
        )
        assert (await client.closed()).code == 4500
    assert len(served.logged("session ended", why="closed-by-server")) == 2
