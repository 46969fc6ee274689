import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from fastapi import FastAPI
from msgspec import Struct

from stompede import Principal, Problem, Settings, Stompede, testing
from stompede.client import Backoff, Overflow, Subscription
from stompede.errors import ConfigurationError, LocalProtocolError, RequestError, SessionClosedError
from stompede.messaging.session import StompSession


class Say(Struct):
    text: str


class Said(Struct):
    who: str
    text: str


class Seen(Struct):
    scopes: list[str]
    address: str


def make_app(fastapi: FastAPI | None = None, **settings: object) -> Stompede:
    known = {"jwt_secret": "a secret of the tests that is long enough", "close_timeout_s": 0.5, **settings}
    app = Stompede(fastapi, settings=Settings(**known))

    @app.message("/rooms/{room}/say", publish="/topic/rooms/{room}")
    async def say(room: str, body: Say, who: Principal | None) -> Said:
        return Said(who.name if who else "guest", body.text)

    @app.message("/ping")
    def ping(body: Say) -> Say:
        return body

    @app.message("/whoami")
    async def whoami(who: Principal, session: StompSession) -> Seen:
        return Seen(sorted(who.scopes), session.client_address)

    @app.message("/broken")
    async def broken() -> None:
        raise Problem("room-closed", "come tomorrow")

    @app.subscribe("/rooms/{room}/members")
    async def members(room: str) -> list[str]:
        return [room, "cook"]

    @app.guard("/topic/secret", on="subscribe")
    async def may_read(who: Principal) -> bool:
        return who.name == "cook"

    return app


async def test_what_one_says_the_others_hear() -> None:
    app = make_app()
    async with testing.connect(app, member="cook") as cook, testing.connect(app) as guest:
        async with guest.subscribe("/topic/rooms/kitchen", Said) as messages:
            await cook.send("/app/rooms/kitchen/say", Say("soup"))
            assert (await messages.next()).body == Said("cook", "soup")
            await guest.send("/app/rooms/kitchen/say", Say("more"))
            assert (await messages.next()).body == Said("guest", "more")


async def test_requests_are_answered_and_problems_raised() -> None:
    app = make_app()
    async with testing.connect(app) as client:
        assert await client.request("/app/ping", Say("x"), Say) == Say("x")
        with pytest.raises(RequestError) as caught:
            await client.send("/app/broken")
        assert (caught.value.code, caught.value.detail) == ("room-closed", "come tomorrow")
        assert caught.value.error_id
        with pytest.raises(RequestError) as caught:
            await client.request("/app/ping", {"text": 7}, Say)
        assert caught.value.code == "invalid-body"
        with pytest.raises(RequestError) as caught:
            await client.request("/app/nowhere", b"")
        assert caught.value.code == "not-found"


async def test_a_subscribe_handler_answers_once_on_the_subscription() -> None:
    app = make_app()
    async with (
        testing.connect(app) as client,
        client.subscribe("/app/rooms/kitchen/members", list[str]) as answer,
    ):
        assert (await answer.next()).body == ["kitchen", "cook"]


async def test_a_member_has_the_scopes_and_the_address_that_the_test_gives() -> None:
    app = make_app()
    async with testing.connect(
        app, member="cook", scopes=["admin", "chef"], client_address="10.0.0.7"
    ) as cook:
        assert await cook.request("/app/whoami", b"", Seen) == Seen(["admin", "chef"], "10.0.0.7")
        assert cook.user_name == "cook"


async def test_guards_are_asked() -> None:
    app = make_app()
    async with testing.connect(app, member="cook") as cook, testing.connect(app) as guest:
        async with cook.subscribe("/topic/secret"):
            with pytest.raises(RequestError) as caught:
                async with guest.subscribe("/topic/secret"):
                    pytest.fail("entered")
            assert caught.value.code == "login-required"


async def test_a_token_that_does_not_count_is_refused_at_connect() -> None:
    app = make_app()
    with pytest.raises(SessionClosedError) as caught:
        async with testing.connect(app, token="nonsense"):
            pass
    assert caught.value.reason == "login-refused"


async def test_the_application_runs_as_long_as_any_client_is_connected() -> None:
    moments: list[str] = []

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        moments.append("start")
        yield
        moments.append("stop")

    app = make_app(FastAPI(lifespan=lifespan))
    first = testing.connect(app)
    second = testing.connect(app)
    one = await first.__aenter__()
    node = app.node
    two = await second.__aenter__()
    assert app.node is node
    await first.__aexit__(None, None, None)
    assert (one.connected, two.connected, moments) == (False, True, ["start"])
    await second.__aexit__(None, None, None)
    assert moments == ["start", "stop"]
    async with testing.connect(app):
        assert app.node is not node
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_clients_of_several_tasks_share_one_node() -> None:
    app = make_app()

    async def talk(number: int) -> None:
        async with testing.connect(app) as client:
            assert await client.request("/app/ping", Say(str(number)), Say) == Say(str(number))

    async with asyncio.TaskGroup() as group:
        for number in range(10):
            group.create_task(talk(number))


async def test_an_application_that_somebody_else_runs_is_left_running() -> None:
    app = make_app()
    async with app.running():
        node = app.node
        async with testing.connect(app) as client:
            await client.send("/topic/a", b"x")
        assert app.node is node
        async with (
            testing.running(app),
            testing.connect(app) as client,
            client.subscribe("/topic/a", str) as messages,
        ):
            await app.publish("/topic/a", "from outside")
            assert (await messages.next()).body == "from outside"


async def test_a_lifespan_that_fails_is_raised_by_connect() -> None:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        raise OSError("no database")
        yield

    with pytest.raises(OSError, match="no database"):
        async with testing.connect(make_app(FastAPI(lifespan=lifespan))):
            pass


async def test_a_full_node_refuses_as_it_would_refuse_a_handshake() -> None:
    app = make_app(max_sessions=1)
    async with testing.connect(app):
        with pytest.raises(SessionClosedError, match=r"HTTP 503.*max_sessions"):
            async with testing.connect(app):
                pass


async def test_a_slow_consumer_is_cut_and_told_why() -> None:
    app = make_app(outbound_bytes=20_000)
    async with (
        testing.connect(app, capacity_bytes=10_000) as slow,
        testing.connect(app) as fast,
        slow.subscribe("/topic/a") as missed,
        fast.subscribe("/topic/a") as seen,
    ):
        link = testing.link_of(slow)
        link.pause_reading()
        for _ in range(20):
            await fast.send("/topic/a", bytes(5_000))
        assert link.unread_bytes > 10_000
        link.resume_reading()
        await slow.wait_closed()
        with pytest.raises(SessionClosedError) as caught:
            await read_to_the_end(missed)
        assert caught.value.reason == "slow-consumer"
        assert seen.statistics().received == 20


async def read_to_the_end(messages: Subscription[bytes]) -> None:
    while True:
        await messages.next()


async def test_a_client_that_stops_reading_for_a_while_misses_nothing() -> None:
    app = make_app()
    async with testing.connect(app, capacity_bytes=1000) as client, testing.connect(app) as other:
        async with client.subscribe("/topic/a", int) as messages:
            testing.link_of(client).pause_reading()
            for number in range(50):
                await other.send("/topic/a", str(number), content_type="application/json")
            testing.link_of(client).resume_reading()
            assert [(await messages.next()).body for _ in range(50)] == list(range(50))


async def test_a_cut_line_is_made_again_with_its_subscriptions() -> None:
    app = make_app()
    soon = Backoff(initial_s=0.001)
    async with testing.connect(app, member="cook", reconnect=soon) as client, testing.connect(app) as other:
        async with client.subscribe("/topic/a", str, overflow=Overflow.DROP_OLDEST) as messages:
            testing.link_of(client).cut()
            await client.wait_disconnected()
            await client.wait_connected()
            await other.send("/topic/a", "again")
            message = await messages.next()
            assert (message.body, message.recovered) == ("again", False)


async def test_an_application_that_stops_tells_its_clients_to_come_back() -> None:
    app = make_app()
    async with app.running():
        client_context = testing.connect(app)
        client = await client_context.__aenter__()
    await client.wait_closed()
    with pytest.raises(SessionClosedError) as caught:
        await client.send("/topic/a", b"")
    assert caught.value.code == 1012
    await client_context.__aexit__(None, None, None)


async def test_an_exception_of_the_test_comes_out_as_it_is() -> None:
    with pytest.raises(KeyError, match="mine"):
        async with testing.connect(make_app()):
            raise KeyError("mine")
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_mistakes_in_the_arguments_are_said() -> None:
    app = make_app()
    with pytest.raises(ConfigurationError, match="not both"):
        async with testing.connect(app, member="cook", token="x"):
            pass
    with pytest.raises(ConfigurationError, match="scopes="):
        async with testing.connect(app, scopes=["admin"]):
            pass


async def test_only_connections_in_memory_have_a_link_to_play_with() -> None:
    app = make_app()
    async with testing.connect(app) as client:
        assert testing.link_of(client).unread_bytes == 0

    class Elsewhere:
        dialer = None

    with pytest.raises(LocalProtocolError, match="in memory"):
        testing.link_of(Elsewhere())  # type: ignore[arg-type]


async def test_a_token_that_expires_is_renewed_without_a_new_session() -> None:
    app = make_app()
    clock = testing.ManualClock()
    with clock.driving():
        async with testing.connect(app, member="cook", clock=clock) as cook:
            session = cook.session_id
            await clock.advance(3700, step_s=10)
            assert await cook.request("/app/whoami", b"", Seen)
            assert cook.session_id == session
            assert cook.statistics().tokens_fetched == 2


async def test_a_silent_subscriber_of_a_guarded_topic_renews_when_it_is_told() -> None:
    app = make_app()
    clock = testing.ManualClock()
    with clock.driving():
        async with testing.connect(app, member="cook", clock=clock) as cook:
            async with cook.subscribe("/topic/secret", str) as messages:
                await clock.advance(3600 + 40, step_s=1)
                assert cook.statistics().tokens_fetched == 2
                await app.publish("/topic/secret", "still here")
                message = await messages.next()
                assert (message.body, message.recovered) == ("still here", False)


async def test_heart_beats_keep_a_session_alive_for_hours_of_virtual_time() -> None:
    app = make_app()
    clock = testing.ManualClock()
    with clock.driving():
        async with testing.connect(app, clock=clock, heart_beat_ms=(10_000, 10_000)) as client:
            session = client.session_id
            await clock.advance(3600, step_s=0.5)
            await client.send("/topic/a", b"x")
            assert client.session_id == session
            testing.link_of(client).pause_reading()
            await clock.advance(60, step_s=0.5)
            assert not client.connected
