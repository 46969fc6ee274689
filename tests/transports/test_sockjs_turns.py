"""What one SockJS client sends at once is handed over in turns, in order; and nothing follows what cannot be said."""

import asyncio
import json
from collections import Counter
from typing import Any
from unittest.mock import Mock

import pytest

from serving import Serve, Served, shortly, until
from sockjsclient import SockJsStomp, session_url
from stompede.server.session.session import Session
from stompede.transports.sockjs.framing import MESSAGES_OF_A_TURN
from stompede.transports.sockjs.session import SockJsSession
from stompsocket import StompSocket, encode

CONNECT = encode("CONNECT", {"accept-version": "1.2", "host": "x"}).decode()


@pytest.fixture
def turns(monkeypatch: pytest.MonkeyPatch) -> Counter[int]:
    """How many messages sessions received, by turn of the loop."""
    found: Counter[int] = Counter()
    number = 0

    def count() -> None:
        nonlocal number
        number += 1
        asyncio.get_running_loop().call_soon(count)

    received = Session.received

    def counted(session: Session, data: bytes) -> None:
        if not number:
            count()
        found[number] += 1
        received(session, data)

    monkeypatch.setattr(Session, "received", counted)
    return found


async def over_websocket(served: Served) -> StompSocket:
    client = await served.open(url=session_url(served.url) + "/websocket")
    await said(client, lambda text: text == "o")
    return client


async def said(client: StompSocket, wanted: Any) -> str:
    """Waits for a SockJS frame."""

    def found() -> str | None:
        return next((data.decode() for _, data in client.messages if wanted(data.decode())), None)

    while found() is None:
        await client._receive()
    return found() or ""


def frames(count: int) -> list[str]:
    return [encode("SEND", {"destination": "/topic/a"}, str(number)).decode() for number in range(count)]


async def test_an_array_over_websocket_is_handed_over_in_turns(serve: Serve, turns: Counter[int]) -> None:
    served = await serve()
    other = await served.client()
    await other.subscribe("/topic/a")
    client = await over_websocket(served)
    await client.send_ws(json.dumps([CONNECT, *["\n"] * 5000]).encode())
    await client.send_ws(json.dumps(frames(500)).encode())
    assert [int((await other.message()).text) for _ in range(500)] == list(range(500))
    assert max(turns.values()) <= MESSAGES_OF_A_TURN
    assert sum(turns.values()) > 5500


async def test_an_array_over_websocket_is_handled_though_the_client_leaves(serve: Serve) -> None:
    served = await serve()
    other = await served.client()
    await other.subscribe("/topic/a")
    client = await over_websocket(served)
    await client.send_ws(json.dumps([CONNECT, *["\n"] * 5000, *frames(500)]).encode())
    client.drop()
    assert [int((await other.message()).text) for _ in range(500)] == list(range(500))
    await served.ended("connection-lost")
    await until(lambda: served.node.statistics().connections == 1)


async def test_a_session_that_ends_wants_nothing_of_what_waits(serve: Serve) -> None:
    served = await serve()
    client = await over_websocket(served)
    good_bye = encode("DISCONNECT", {}).decode()
    await client.send_ws(json.dumps([CONNECT, *["\n"] * 200, good_bye, *["\n"] * 5000]).encode())
    await served.ended("disconnect")
    await client.closed()
    await until(lambda: served.node.statistics().connections == 0)


@pytest.mark.parametrize("transport", ["picows"])
async def test_a_request_is_handed_over_in_turns(serve: Serve, turns: Counter[int]) -> None:
    served = await serve()
    other = await served.client()
    await other.subscribe("/topic/a")
    client = await SockJsStomp(served.http + "/stomp", "xhr").open()
    await client.connect()
    await client.send_raw(["\n"] * 5000 + frames(500))
    assert [int((await other.message()).text) for _ in range(500)] == list(range(500))
    assert max(turns.values()) <= MESSAGES_OF_A_TURN
    assert sum(turns.values()) > 5500


# What is not text.


async def publish(served: Served, together: bool) -> None:
    """Three messages, of which the second is not text."""
    other = await served.client()
    sent = [encode("SEND", {"destination": "/topic/a"}, body) for body in (b"first", b"\xff\xfe", b"last")]
    for part in [b"".join(sent)] if together else sent:
        await other.send_ws(part, text=False)
    await other.settle()


@pytest.mark.parametrize("together", [True, False])
async def test_nothing_follows_a_message_that_websocket_of_sockjs_cannot_carry(
    serve: Serve, together: bool
) -> None:
    served = await serve()
    client = await over_websocket(served)
    subscribe = encode("SUBSCRIBE", {"id": "1", "destination": "/topic/a", "receipt": "ready"}).decode()
    await client.send_ws(json.dumps([CONNECT, subscribe]).encode())
    await said(client, lambda text: "receipt-id:ready" in text)
    await publish(served, together)
    await served.ended("text-only")
    await said(client, lambda text: text.startswith("c["))
    text = "".join(data.decode() for _, data in client.messages)
    assert "first" in text
    assert "last" not in text
    assert "disconnect-reason:text-only" in text


@pytest.mark.parametrize("transport", ["picows"])
@pytest.mark.parametrize("way", ["xhr", "xhr_streaming"])
@pytest.mark.parametrize("together", [True, False])
async def test_nothing_follows_a_message_that_http_of_sockjs_cannot_carry(
    serve: Serve, way: str, together: bool
) -> None:
    served = await serve()
    client = SockJsStomp(served.http + "/stomp", way)
    served.clients.append(client)  # type: ignore[arg-type]  # it is dropped like the others
    await client.open()
    await client.connect()
    await client.subscribe("/topic/a")
    await publish(served, together)
    while client.closed is None:
        await client.receive()
    assert [(frame.command, frame.text) for frame in client.frames][:1] == [("MESSAGE", "first")]
    assert [frame.command for frame in client.frames] == ["MESSAGE", "ERROR"]
    assert client.frames[1].headers["disconnect-reason"] == "text-only"
    assert client.closed == (1003, "text-only")


async def test_a_session_ends_in_the_turn_in_which_a_requests_own_time_is_over() -> None:
    class Lost:
        def __init__(self) -> None:
            self.reasons: list[str] = []

        def lost(self, error: Exception | None, reason: str) -> None:
            self.reasons.append(reason)

    loop = asyncio.get_running_loop()
    receiver: Any = Lost()
    service: Any = Mock()
    session = SockJsSession(service, "key", "127.0.0.1")
    session.receiver = receiver

    async def request() -> None:
        async with session.while_it_lives() as scope:
            scope.reschedule(loop.time())
            loop.call_soon(session.end, None, "no request came")  # right behind the scope's own end
            await loop.create_future()

    with pytest.raises(TimeoutError):
        await request()
    assert session._gone
    await shortly()
    assert receiver.reasons == ["no request came"]
