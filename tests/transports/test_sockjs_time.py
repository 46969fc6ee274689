"""Heart-beats, the disconnect delay, and signs of life."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from serving import Served, until
from sockjsclient import fetch, session_url, stream
from sockjsserving import ask, echoing, only, service_of
from stompede.testing import ManualClock


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with echoing() as served:
        yield served


async def test_a_heart_beat_is_sent_when_nothing_else_was(served: Served) -> None:
    clock = ManualClock()
    with clock.driving():
        url = session_url(served.http + "/echo")
        response = await stream(url + "/xhr_streaming")
        await response.chunk()
        assert await response.chunk() == b"o\n"
        await clock.advance(26)
        assert await response.chunk() == b"h\n"
        await clock.advance(20)
        await fetch(url + "/xhr_send", "POST", '["x"]')
        assert await response.chunk() == b'a["x"]\n'
        await clock.advance(20)
        await fetch(url + "/xhr_send", "POST", '["y"]')
        assert await response.chunk() == b'a["y"]\n', "no heart-beat: something else was sent"
        await clock.advance(26)
        assert await response.chunk() == b"h\n"
        response.close()


async def test_a_waiting_poll_is_answered_by_a_heart_beat(served: Served) -> None:
    url = session_url(served.http + "/echo")
    await fetch(url + "/xhr", "POST")
    poll = await ask(url, "xhr")
    await only(served, "/echo")
    clock = ManualClock()
    with clock.driving():
        await clock.advance(26)
    await poll.head()
    assert await poll.body() == b"h\n"
    poll.close()


async def test_a_websocket_beats_too(served: Served) -> None:
    client = await served.open(url=f"ws://127.0.0.1:{served.port}/echo/0/0/websocket")
    clock = ManualClock()
    with clock.driving():
        await clock.advance(26)
    while len(client.messages) < 2:
        await client._receive()
    assert client.messages == [(True, b"o"), (True, b"h")]
    assert service_of(served, "/echo").statistics().websockets == 1
    client.drop()
    await until(lambda: service_of(served, "/echo").statistics().websockets == 0)


async def test_a_session_without_a_response_lives_for_the_disconnect_delay(served: Served) -> None:
    url = session_url(served.http + "/stomp")
    await fetch(url + "/xhr", "POST")
    assert served.node.statistics().connections == 1
    clock = ManualClock()
    with clock.driving():
        await clock.advance(4.5)
        assert served.node.statistics().connections == 1
        await clock.advance(1)
        assert served.node.statistics().connections == 0
    assert (await fetch(url + "/xhr_send", "POST", '["x"]')).status == 404
    assert (await fetch(url + "/xhr", "POST")).body == b"o\n", "a new session"


async def test_a_poll_in_time_keeps_the_session(served: Served) -> None:
    clock = ManualClock()
    with clock.driving():
        url = session_url(served.http + "/echo")
        await fetch(url + "/xhr", "POST")
        for _ in range(3):
            await clock.advance(4.5)
            await fetch(url + "/xhr_send", "POST", '["x"]')
            assert (await fetch(url + "/xhr", "POST")).body == b'a["x"]\n'


async def test_an_end_is_remembered_for_the_disconnect_delay(served: Served) -> None:
    url = session_url(served.http + "/close")
    await fetch(url + "/xhr", "POST")
    assert (await fetch(url + "/xhr", "POST")).body == b'c[3000,"Go away!"]\n'
    service = service_of(served, "/close")
    clock = ManualClock()
    with clock.driving():
        assert service.statistics().ended == 1
        await clock.advance(6)
        assert service.statistics().ended == 0


async def test_all_endpoints_live_by_the_one_clock_of_the_node(served: Served) -> None:
    responses = []
    for path in ("/echo", "/stomp"):
        responses.append(await stream(session_url(served.http + path) + "/xhr_streaming"))
        await only(served, path)
    loop: Any = asyncio.get_running_loop()
    owners = [getattr(each._callback, "__self__", None) for each in loop._scheduled if not each.cancelled()]
    assert owners.count(served.node.ticker) == 1
    assert not [each for each in owners if type(each).__module__.startswith("stompede.transports.sockjs")]
    clock = ManualClock()
    with clock.driving():
        await clock.advance(26)
    for response in responses:
        chunks = [await response.chunk() for _ in range(3)]
        assert chunks[1:] == [b"o\n", b"h\n"]
        response.close()


async def test_a_close_frame_that_nobody_fetches_ends_with_the_delay(served: Served) -> None:
    url = session_url(served.http + "/close")
    await fetch(url + "/xhr", "POST")
    service = service_of(served, "/close")
    await until(lambda: next(iter(service.sessions.values()))._close is not None)
    clock = ManualClock()
    with clock.driving():
        await clock.advance(6)
    assert not service.sessions


async def test_who_is_asked_for_a_sign_of_life_asks_for_the_next_response(served: Served) -> None:
    url = session_url(served.http + "/stomp")
    response = await stream(url + "/xhr_streaming")
    await response.chunk()
    assert await response.chunk() == b"o\n"
    session = await only(served)
    before = served.clock.shift = 30.0
    assert session.ping()
    assert [await response.chunk(), await response.chunk()] == [b"h\n", b""]
    (stomp,) = served.node.transports
    assert stomp.answered < served.clock.now() - before + 1, "our own frame is no sign of life"
    again = await stream(url + "/xhr_streaming")
    await until(lambda: stomp.answered > served.clock.now() - 10, "a sign of life")
    response.close()
    again.close()
