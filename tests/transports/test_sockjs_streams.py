"""Streams, JSONP, WebSocket and the ends of all, as sockjs-protocol 0.3.3 asks for them."""

import asyncio
import json
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest

from serving import Served
from sockjsclient import Exchange, fetch, session_url, stream
from sockjsserving import (
    check_cors,
    check_not_cached,
    check_options,
    content_type,
    echoing,
)

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with echoing(allowed_origins=("*",)) as served:
        yield served


# Streaming.


async def test_xhr_streaming(echo: str) -> None:
    url = session_url(echo)
    await check_options(url + "/xhr_streaming", "OPTIONS, POST")
    response = await stream(url + "/xhr_streaming")
    assert content_type(response) == "application/javascript;charset=UTF-8"
    check_cors(response)
    check_not_cached(response)
    assert await response.chunk() == b"h" * 2048 + b"\n"
    assert await response.chunk() == b"o\n"
    assert (await fetch(url + "/xhr_send", "POST", '["x"]')).status == 204
    assert await response.chunk() == b'a["x"]\n'
    response.close()


async def test_xhr_streaming_ends_after_its_limit(echo: str) -> None:
    url = session_url(echo)
    response = await stream(url + "/xhr_streaming")
    await response.chunk()
    assert await response.chunk() == b"o\n"
    message = '"' + "x" * 128 + '"'
    for _ in range(31):
        await fetch(url + "/xhr_send", "POST", f"[{message}]")
        assert await response.chunk() == f"a[{message}]\n".encode()
    assert await response.chunk() == b""
    response.close()
    again = await stream(url + "/xhr_streaming")
    await again.chunk()
    await fetch(url + "/xhr_send", "POST", '["y"]')
    assert await again.chunk() == b'a["y"]\n', "the session goes on"
    again.close()


async def test_eventsource(echo: str) -> None:
    url = session_url(echo)
    response = await stream(url + "/eventsource", "GET")
    assert content_type(response) == "text/event-stream;charset=UTF-8"
    check_not_cached(response)
    assert await response.chunk() == b"\r\n"
    assert await response.chunk() == b"data: o\r\n\r\n"
    await fetch(url + "/xhr_send", "POST", '["x"]')
    assert await response.chunk() == b'data: a["x"]\r\n\r\n'
    await fetch(url + "/xhr_send", "POST", r'["  \u0000\n\r "]')
    assert await response.chunk() == rb'data: a["  \u0000\n\r "]' + b"\r\n\r\n"
    await fetch(url + "/xhr_send", "POST", json.dumps(["x" * 4096]))
    assert await response.chunk() == b'data: a["' + b"x" * 4096 + b'"]\r\n\r\n'
    assert await response.chunk() == b""
    response.close()


async def test_htmlfile(echo: str) -> None:
    url = session_url(echo)
    response = await stream(url + "/htmlfile?c=%63allback", "GET")
    assert content_type(response) == "text/html;charset=UTF-8"
    check_not_cached(response)
    head = await response.chunk()
    assert len(head) > 1024
    assert b"var c = parent.callback;" in head
    assert await response.chunk() == b'<script>\np("o");\n</script>\r\n'
    await fetch(url + "/xhr_send", "POST", '["x"]')
    assert await response.chunk() == b'<script>\np("a[\\"x\\"]");\n</script>\r\n'
    await fetch(url + "/xhr_send", "POST", json.dumps(["x" * 4096]))
    await response.chunk()
    assert await response.chunk() == b""
    response.close()


async def test_jsonp(echo: str) -> None:
    url = session_url(echo)
    answer = await fetch(url + "/jsonp?c=%63allback")
    assert (answer.text, content_type(answer)) == (
        'callback("o");\r\n',
        "application/javascript;charset=UTF-8",
    )
    check_not_cached(answer)
    answer = await fetch(url + "/jsonp_send", "POST", "d=%5B%22x%22%5D", FORM)
    assert (answer.status, answer.text, content_type(answer)) == (200, "ok", "text/plain;charset=UTF-8")
    check_not_cached(answer)
    assert (
        await fetch(url + "/jsonp_send", "POST", '["%61bc"]', {"Content-Type": "text/plain"})
    ).text == "ok"
    assert (await fetch(url + "/jsonp?c=callback")).text == 'callback("a[\\"x\\",\\"%61bc\\"]");\r\n'
    answer = await fetch(url + "/jsonp_send", "POST", "d=%5B%22x", FORM)
    assert (answer.status, answer.text) == (500, "Broken JSON encoding.")
    for body in ("", "d=", "p=p"):
        answer = await fetch(url + "/jsonp_send", "POST", body, FORM)
        assert (answer.status, answer.text) == (500, "Payload expected.")


async def test_jsonp_closes(close: str) -> None:
    url = session_url(close)
    said = [(await fetch(url + "/jsonp?c=x")).text for _ in range(3)]
    assert said == ['x("o");\r\n', *['x("c[3000,\\"Go away!\\"]");\r\n'] * 2]


@pytest.mark.parametrize("place", ["jsonp", "htmlfile"])
async def test_a_callback_is_needed_and_must_be_a_name(echo: str, place: str) -> None:
    answer = await fetch(f"{echo}/a/a/{place}")
    assert (answer.status, answer.text) == (500, '"callback" parameter required')
    for wrong in ("alert(1)", "%3Cscript%3E", "a%0Ab", "a" * 200):
        answer = await fetch(f"{echo}/a/a/{place}?c={wrong}")
        assert (answer.status, answer.text) == (500, 'invalid "callback" parameter')


# Ends.


async def test_a_stream_that_closes_sends_who_comes_back_away(close: str) -> None:
    url = session_url(close)
    first = await stream(url + "/xhr_streaming")
    assert [await first.chunk() for _ in range(4)][1:] == [b"o\n", b'c[3000,"Go away!"]\n', b""]
    second = await stream(url + "/xhr_streaming")
    assert [await second.chunk() for _ in range(3)][1:] == [b'c[3000,"Go away!"]\n', b""]
    first.close()
    second.close()


@pytest.mark.parametrize("place", ["xhr", "xhr_streaming"])
async def test_a_client_that_leaves_its_request_has_ended_its_session(echo: str, place: str) -> None:
    url = session_url(echo)
    await fetch(url + "/xhr", "POST")
    response = await Exchange.open(url)
    await response.ask("POST", f"{urlsplit(url).path}/{place}")
    assert (await fetch(url + "/xhr", "POST")).body == b'c[2010,"Another connection still open"]\n'
    response.close()
    assert (await fetch(url + "/xhr", "POST")).body == b'c[1002,"Connection interrupted"]\n'


async def test_a_raw_websocket_has_no_frames_of_sockjs(served: Served) -> None:
    client = await served.open(url=f"ws://127.0.0.1:{served.port}/echo/websocket")
    await client.send_ws("Hello world!\uffff".encode())
    while not client.messages:
        await client._receive()
    assert client.messages == [(True, "Hello world!\uffff".encode())]
    client = await served.open(url=f"ws://127.0.0.1:{served.port}/close/websocket")
    assert (await client.closed()).code == 3000


async def test_a_websocket_that_speaks_no_sockjs_is_ended_without_its_frames(served: Served) -> None:
    client = await served.open(url=f"ws://127.0.0.1:{served.port}/echo/0/0/websocket")
    await client.send_ws(b'["a')
    assert (await client.closed()).code == 1002
    assert client.messages == [(True, b"o")]


async def test_two_websockets_may_have_one_session_id(served: Served) -> None:
    url = f"ws://127.0.0.1:{served.port}/echo/0/0/websocket"
    for client in [await served.open(url=url) for _ in range(2)]:
        await client.send_ws(b'["a"]')
        while len(client.messages) < 2:
            await client._receive()
        assert client.messages == [(True, b"o"), (True, b'a["a"]')]


@pytest.mark.parametrize("version", ["7", "8", "13"])
async def test_older_drafts_of_websocket_are_served(served: Served, version: str) -> None:
    headers = {
        "Upgrade": "websocket", "Connection": "keep-alive, Upgrade", "Sec-WebSocket-Version": version,
        "Sec-WebSocket-Origin": "http://asd", "Sec-WebSocket-Key": "x3JJHMbDL1EzLkh9GBhXDw==",
    }  # fmt: skip
    response = await stream(served.http + "/echo/0/0/websocket", "GET", headers=headers)
    assert response.status == 101
    assert response.headers["sec-websocket-accept"] == "HSmrc0sMlYUkAGmm5OPpG2HaGWk="
    assert "content-length" not in response.headers
    response.close()


async def test_http_1_0_is_served_without_chunks(echo: str, close: str) -> None:
    answer = await fetch(echo, version="1.0", headers={"Connection": "Keep-Alive"})
    assert (answer.text, answer.headers["content-length"]) == ("Welcome to SockJS!\n", "19")
    answer = await fetch(session_url(close) + "/xhr_streaming", "POST", version="1.0")
    assert "transfer-encoding" not in answer.headers
    assert "content-length" not in answer.headers
    assert answer.body == b"h" * 2048 + b'\no\nc[3000,"Go away!"]\n'


# The other services.


async def test_amplify_and_broadcast(served: Served) -> None:
    url = session_url(served.http + "/amplify")
    await fetch(url + "/xhr", "POST")
    await fetch(url + "/xhr_send", "POST", '["3", "0", "word", "1e400"]')
    assert (await fetch(url + "/xhr", "POST")).body == b'a["xxxxxxxx","xx","xx","xx"]\n'
    one, two = session_url(served.http + "/broadcast"), session_url(served.http + "/broadcast")
    await asyncio.gather(fetch(one + "/xhr", "POST"), fetch(two + "/xhr", "POST"))
    await fetch(one + "/xhr_send", "POST", '["all"]')
    assert (
        (await fetch(one + "/xhr", "POST")).body == (await fetch(two + "/xhr", "POST")).body == b'a["all"]\n'
    )
