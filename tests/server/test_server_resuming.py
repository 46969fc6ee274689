"""Suspended subscriptions that are taken up again with a new token: what happens meanwhile, and what prevents it."""

import asyncio
import json

import pytest

from serving import Serve, Served, make_app, until
from stompede import AccessError, BusError, History, Principal, Problem, Stompede
from stompede.server.session import suspending
from stompsocket import StompSocket


def an_app(**settings: object) -> Stompede:
    app = make_app(token_grace_s=0, **settings)

    @app.guard("/topic/members/{room}")
    def members_only(who: Principal) -> bool:
        return True

    return app


async def suspended(served: Served) -> StompSocket:
    """A member whose subscription to room a has id 1 and is suspended."""
    client = await served.member("cook", 10)
    await client.errors()
    await client.subscribe("/topic/members/a", "1")
    served.clock.shift = 60
    assert await client.told() == ("token-expired", "/topic/members/a")
    return client


async def prove(served: Served, client: StompSocket) -> None:
    """Brings a new token, with which what is suspended is taken up again."""
    headers = {"destination": "/topic/nobody", "Authorization": served.token("cook")}
    await client.request("SEND", headers, "x")


async def ended(client: StompSocket) -> tuple[str, str, str]:
    """Id of the subscription that the next soft error says has ended, its code and destination."""
    message = await client.message()
    body = json.loads(message.body)
    return message.headers["ended-subscription"], body["code"], body["destination"]


async def test_another_subscription_under_the_id_of_one_that_was_left_is_not_taken_for_it(
    serve: Serve,
) -> None:
    app = make_app(token_grace_s=0)
    asked, answer = asyncio.Event(), asyncio.Event()
    answer.set()

    @app.guard("/topic/members/{room}")
    async def members_only(who: Principal) -> bool:
        asked.set()
        await answer.wait()
        return True

    served = await serve(app)
    client = await suspended(served)
    asked.clear()
    answer.clear()
    await prove(served, client)
    await asked.wait()
    await client.request("UNSUBSCRIBE", {"id": "1"})
    await client.subscribe("/topic/open", "1")
    answer.set()
    await served.node.runner.wait_empty()
    await served.app.publish("/topic/members/a", "of the room that was left")
    await served.app.publish("/topic/open", "open")
    assert (await client.message()).text == "open"
    client.drop()
    await until(lambda: not served.node.transports)
    assert served.node.statistics().hub.subscriptions == 0, "nothing outlives the session"


async def test_what_there_is_no_room_for_any_more_ends_and_the_client_is_told(serve: Serve) -> None:
    served = await serve(an_app(max_topics=1))
    client = await suspended(served)
    other = await served.client()
    await other.subscribe("/topic/other")
    await prove(served, client)
    assert await ended(client) == ("1", "unavailable", "/topic/members/a")
    assert "1" not in served.session(client).subscriptions
    await other.request("UNSUBSCRIBE", {"id": 0})
    await client.subscribe("/topic/members/a", "1")
    await served.app.publish("/topic/members/a", "again")
    assert (await client.message()).text == "again"


@pytest.mark.parametrize("error", [BusError("the back end is away"), ValueError("a mistake of ours")])
@pytest.mark.parametrize("at_once", [True, False])
async def test_what_fails_to_be_taken_up_again_ends_and_the_client_is_told(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, error: Exception, at_once: bool
) -> None:
    async def later() -> None:
        raise error

    def attach(*_: object) -> object:
        if at_once:
            raise error
        return later()

    served = await serve(an_app())
    served.may_fail = isinstance(error, ValueError)
    client = await suspended(served)
    monkeypatch.setattr(suspending, "attach", attach)
    await prove(served, client)
    assert await ended(client) == ("1", "unavailable", "/topic/members/a")
    assert "1" not in served.session(client).subscriptions
    failed = served.logged("a subscription could not be taken up again", session=client.session)
    assert bool(failed) == served.may_fail
    await client.settle()


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Problem("room-closed"), "room-closed"),
        (AccessError("no more"), "forbidden"),
        (ValueError("a mistake in the guard"), "unavailable"),
    ],
)
@pytest.mark.parametrize(
    ("destination", "ack"),
    [("/topic/a", "auto"), ("/topic/a", "client"), ("/topic/kept", "client"), ("/queue/a", "client")],
)
async def test_what_a_guard_refuses_when_it_is_asked_again_ends_and_the_client_is_told_which(
    serve: Serve, destination: str, ack: str, error: Exception, code: str
) -> None:
    app = make_app(token_grace_s=0)
    app.destination("/topic/kept", history=History(count=10))
    refusing = False

    @app.guard(destination)
    def guard(who: Principal) -> bool:
        if refusing:
            raise error
        return True

    served = await serve(app)
    served.may_fail = isinstance(error, ValueError)
    client = await served.member("cook", 10)
    await client.errors()
    await client.request("SUBSCRIBE", {"id": "1", "destination": destination, "ack": ack})
    served.clock.shift = 60
    assert await client.told() == ("token-expired", destination)
    refusing = True
    await prove(served, client)
    assert await ended(client) == ("1", code, destination)
    assert "1" not in served.session(client).subscriptions
    refusing = False
    await client.request("SUBSCRIBE", {"id": "1", "destination": destination})
    await served.app.publish(destination, "again")
    assert (await client.message()).text == "again"
