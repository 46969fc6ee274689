"""The client against the real server, over real sockets, by both transports."""

import asyncio

import pytest
from msgspec import Struct

import stompede
from serving import Serve, make_app, until
from stompede import History, Principal, RequestError, SessionClosedError, Stompede
from stompede.client import Backoff
from stompede.client.acks import AckMode

SOON = Backoff(initial_s=0.01, max_s=0.05)


class Say(Struct):
    text: str


class Said(Struct):
    who: str
    text: str


def chat(**settings: object) -> Stompede:
    app = make_app(**settings)

    @app.message("/rooms/{room}/say", publish="/topic/rooms/{room}")
    async def say(room: str, body: Say, who: Principal | None) -> Said:
        return Said(who.name if who else "guest", body.text)

    @app.message("/ping")
    async def ping(body: Say) -> Say:
        return body

    @app.guard("/topic/secret")
    async def may_read(who: Principal) -> bool:
        return who.name == "cook"

    return app


async def test_the_example_of_the_client_runs(serve: Serve) -> None:
    served = await serve(chat())

    async def fetch_token() -> str:
        return served.token("cook").removeprefix("Bearer ")

    async with stompede.connect(served.url, token=fetch_token) as client:
        assert client.user_name == "cook"
        assert await client.request("/app/ping", Say("1"), Say) == Say("1")
        async with client.subscribe("/topic/rooms/kitchen", Said) as messages:
            await client.send("/app/rooms/kitchen/say", Say("soup"))
            async for message in messages:
                assert (message.body, message.recovered) == (Said("cook", "soup"), None)
                break


async def test_many_requests_at_once_get_their_own_answers(serve: Serve) -> None:
    served = await serve(chat())
    async with stompede.connect(served.url) as client:
        answers = await asyncio.gather(*(client.request("/app/ping", Say(str(n)), Say) for n in range(200)))
    assert answers == [Say(str(n)) for n in range(200)]


async def test_large_and_binary_bodies_travel_both_ways(serve: Serve) -> None:
    served = await serve(chat())
    payload = bytes(range(256)) * 800
    async with stompede.connect(served.url) as client, client.subscribe("/topic/files") as files:
        await client.send("/topic/files", payload)
        assert (await files.next()).body == payload


async def test_a_body_beyond_the_servers_limit_ends_the_session_with_its_name(serve: Serve) -> None:
    served = await serve(chat(max_body_bytes=1000))
    async with stompede.connect(served.url, reconnect=SOON) as client:
        with pytest.raises(SessionClosedError) as caught:
            await client.send("/topic/files", bytes(2000))
        assert caught.value.reason == "limit-exceeded"
        await client.wait_closed()


async def test_an_expired_token_is_replaced_and_the_session_stays(serve: Serve) -> None:
    served = await serve(chat())
    fetched: list[str] = []

    def fetch() -> str:
        fetched.append(served.token("cook", ttl_s=60).removeprefix("Bearer "))
        return fetched[-1]

    async with stompede.connect(served.url, token=fetch) as client:
        async with client.subscribe("/topic/secret", str) as messages:
            session = client.session_id
            served.clock.shift += 61
            await client.send("/topic/secret", "fresh")
            assert (await messages.next()).body == "fresh"
            served.clock.shift += 61
            for text in ("a", "b"):
                await client.send("/topic/secret", text, receipt=False)
            assert [(await messages.next(timeout_s=5)).body for _ in range(2)] == ["a", "b"]
        assert (client.session_id, len(fetched)) == (session, 3)


@pytest.mark.parametrize(
    ("destination", "ack"),
    [("/topic/a", "auto"), ("/topic/kept", "client-individual"), ("/queue/a", "client")],
)
async def test_a_subscription_that_a_new_token_does_not_open_again_ends_for_who_iterates(
    serve: Serve, destination: str, ack: AckMode
) -> None:
    app = make_app(token_grace_s=0)
    app.destination("/topic/kept", history=History(count=10))
    admitted = ["cook"]

    @app.guard(destination)
    async def guard(who: Principal) -> bool:
        return who.name in admitted

    served = await serve(app)
    told: list[RequestError] = []

    def fetch() -> str:
        return served.token("cook", ttl_s=60).removeprefix("Bearer ")

    async with stompede.connect(served.url, token=fetch, on_error=told.append) as client:
        async with client.subscribe(destination, str, ack=ack) as messages:
            await app.publish(destination, "first")
            assert (await messages.next(timeout_s=5)).body == "first"
            admitted.clear()
            served.clock.shift += 61
            with pytest.raises(RequestError, match="forbidden"):
                await messages.next(timeout_s=5)
        await client.send("/topic/others", "the session goes on")
    assert told == []


async def test_a_wrong_token_is_refused_for_good(serve: Serve) -> None:
    served = await serve(chat())
    with pytest.raises(SessionClosedError) as caught:
        async with stompede.connect(served.url, token="nonsense", reconnect=SOON):
            pass
    assert (caught.value.code, caught.value.reason) == (4501, "login-refused")


async def test_a_guard_refuses_a_subscription_softly(serve: Serve) -> None:
    served = await serve(chat())
    token = served.token("thief").removeprefix("Bearer ")
    async with stompede.connect(served.url, token=token) as client:
        with pytest.raises(RequestError, match="forbidden"):
            async with client.subscribe("/topic/secret"):
                pytest.fail("entered")
        assert await client.request("/app/ping", Say("still here"), Say) == Say("still here")


async def test_a_session_that_the_application_closes_stays_away(serve: Serve) -> None:
    served = await serve(chat())
    async with stompede.connect(served.url, reconnect=SOON) as client:
        assert client.session_id is not None
        assert await served.app.close_session(client.session_id)
        await client.wait_closed()
        with pytest.raises(SessionClosedError) as caught:
            await client.send("/topic/a", b"")
        assert (caught.value.code, caught.value.reason) == (4500, "closed-by-server")


async def test_a_lost_connection_comes_back_with_its_subscriptions(serve: Serve) -> None:
    served = await serve(chat())
    async with (
        stompede.connect(served.url, reconnect=SOON) as client,
        client.subscribe("/topic/a", str) as messages,
    ):
        first = client.session_id
        served.node.sessions[first].transport.abort()
        await client.wait_disconnected()
        await client.send("/topic/a", "again")
        message = await messages.next()
        assert (message.body, message.recovered) == ("again", False)
        assert client.session_id != first


async def test_leaving_ends_the_session_in_order(serve: Serve) -> None:
    served = await serve(chat())
    async with stompede.connect(served.url) as client:
        await client.send("/topic/a", b"")
    line = await served.ended("disconnect")
    assert line["session"] == client.session_id
    await until(lambda: not served.node.sessions)


async def test_heart_beats_are_negotiated_and_kept(serve: Serve) -> None:
    served = await serve(chat(heart_beat_send_ms=100, heart_beat_receive_ms=100))
    async with stompede.connect(served.url, heart_beat_ms=(100, 100), reconnect=None) as client:
        before = served.node.heart_beats_out
        await until(lambda: served.node.heart_beats_out >= before + 8, "eight heart-beats of the node")
        assert client.connected
        assert await client.request("/app/ping", Say("alive"), Say) == Say("alive")
