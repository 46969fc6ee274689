"""``/session`` is one session's own, ``/user`` all sessions' of a member; nobody else's eyes are on either."""

import json
from typing import Any

import pytest

from serving import Serve, make_app
from stompede import Problem


async def test_send_to_session_reaches_one_session_only(serve: Serve) -> None:
    served = await serve()
    one, two = await served.member("cook"), await served.member("cook")
    for client in (one, two):
        await client.subscribe("/session/queue/offers", "mine")
    await served.app.send_to_session(one.session, "/queue/offers", {"soup": 1})
    message = await one.message()
    assert json.loads(message.body) == {"soup": 1}
    assert message.headers["destination"] == "/session/queue/offers"
    assert message.headers["subscription"] == "mine"
    assert await two.settle() == []


async def test_send_to_user_reaches_every_session_of_the_member_and_nobody_else(serve: Serve) -> None:
    served = await serve()
    cooks = [await served.member("cook") for _ in range(3)]
    others = [await served.member("baker"), await served.client()]
    for client in (*cooks, others[0]):
        await client.subscribe("/user/queue/offers")
    await others[1].subscribe("/session/queue/offers")
    await served.app.send_to_user("cook", "/queue/offers", "soup", headers={"k": "v"})
    for client in cooks:
        message = await client.message()
        assert (message.text, message.headers["k"]) == ("soup", "v")
        assert message.headers["destination"] == "/user/queue/offers"
    for client in others:
        assert await client.settle() == []


async def test_several_subscriptions_of_one_session_each_get_theirs(serve: Serve) -> None:
    served = await serve()
    client = await served.client()
    await client.subscribe("/session/queue/a", "1")
    await client.subscribe("/session/queue/a", "2")
    await served.app.send_to_session(client.session, "/queue/a", "x")
    assert {(await client.message()).headers["subscription"] for _ in range(2)} == {"1", "2"}
    await client.request("UNSUBSCRIBE", {"id": "1"})
    await served.app.send_to_session(client.session, "/queue/a", "y")
    assert (await client.message()).headers["subscription"] == "2"
    await client.request("UNSUBSCRIBE", {"id": "2"})
    await served.app.send_to_session(client.session, "/queue/a", "z")
    assert await client.settle() == []


async def test_an_anonymous_session_has_no_user_destinations(serve: Serve) -> None:
    served = await serve()
    client = await served.client()
    await client.errors()
    await client.send("SUBSCRIBE", {"id": 1, "destination": "/user/queue/offers"})
    assert json.loads((await client.message()).body)["code"] == "login-required"


@pytest.mark.parametrize(
    "destination", ["/user/cook/queue/offers", "/user/queue/offers-cook", "/session/{id}/queue/replies"]
)
async def test_naming_another_in_the_destination_reads_nothing_of_it(serve: Serve, destination: str) -> None:
    served = await serve()
    cook, spy = await served.member("cook"), await served.member("spy")
    await cook.subscribe("/user/queue/offers", "1")
    await cook.replies()
    await spy.subscribe(destination.replace("{id}", cook.session), "1")
    await served.app.send_to_user("cook", "/queue/offers", "secret")
    await served.app.send_to_session(cook.session, "/queue/replies", "secret")
    await cook.message()
    assert await spy.settle() == []


@pytest.mark.parametrize(
    "destination", ["/user/queue/offers", "/session/queue/replies", "/user/cook/queue/offers"]
)
async def test_clients_do_not_send_to_user_destinations(serve: Serve, destination: str) -> None:
    served = await serve()
    cook, spy = await served.member("cook"), await served.member("spy")
    await cook.subscribe("/user/queue/offers")
    await spy.errors()
    await spy.send("SEND", {"destination": destination}, "forged")
    assert json.loads((await spy.message()).body)["code"] == "invalid-destination"
    assert await cook.settle() == []


@pytest.mark.parametrize(
    ("destination", "value"), [("/topic/a", 1), ("/user/queue/x", 1), ("/app/x", 1), ("", 1)]
)
async def test_publish_takes_topics_and_queues_only(serve: Serve, destination: str, value: Any) -> None:
    served = await serve()
    if destination == "/topic/a":
        await served.app.publish(destination, value)
        return
    with pytest.raises(Problem, match="invalid-destination"):
        await served.app.publish(destination, value)


async def test_a_destination_without_a_slash_is_refused(serve: Serve) -> None:
    served = await serve()
    with pytest.raises(Problem, match="slash"):
        await served.app.send_to_user("cook", "offers", "x")


async def test_nobody_there_is_no_error(serve: Serve) -> None:
    served = await serve()
    await served.app.send_to_user("nobody", "/queue/offers", "x")
    await served.app.send_to_session("nothing", "/queue/offers", "x")


async def test_a_session_that_left_is_forgotten(serve: Serve) -> None:
    served = await serve()
    client = await served.member("cook")
    await client.subscribe("/user/queue/offers")
    await client.send("DISCONNECT")
    await client.closed()
    await served.ended("disconnect")
    assert served.node.users == {}
    assert served.node.sessions == {}
    await served.app.send_to_user("cook", "/queue/offers", "x")


async def test_prefixes_are_settings(serve: Serve) -> None:
    app = make_app(
        app_prefixes=("/do", "/rider"),
        topic_prefix="/t",
        queue_prefix="/q",
        session_prefix="/me",
        user_prefix="/us",
    )

    @app.message("/echo")
    async def echo(body: str) -> str:
        return body

    served = await serve(app)
    client = await served.member("cook")
    await client.subscribe("/me/q/replies", 1)
    await client.subscribe("/t/a", 2)
    await client.subscribe("/us/q/b", 3)
    await client.send("SEND", {"destination": "/do/echo"}, "1")
    await client.send("SEND", {"destination": "/rider/echo"}, "2")
    await client.send("SEND", {"destination": "/t/a", "receipt": "r"}, "3")
    frames = [await client.message() for _ in range(2)] + [await client.frame() for _ in range(2)]
    assert [frame.text for frame in frames if frame.command == "MESSAGE"] == ["1", "2", "3"]
    await served.app.send_to_user("cook", "/q/b", "4")
    assert (await client.message()).headers["destination"] == "/us/q/b"


@pytest.mark.parametrize("destination", ["/session/>", "/session/*", "/user/queue/#", "/session/queue/*"])
async def test_user_destinations_have_no_wildcards(serve: Serve, destination: str) -> None:
    served = await serve()
    member = await served.member()
    await member.errors()
    await member.send("SUBSCRIBE", {"id": 1, "destination": destination, "receipt": "r"})
    error = json.loads((await member.message()).body)
    assert error["code"] == "invalid-destination"
    assert "wildcards" in error["detail"]
