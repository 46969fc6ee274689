"""STOMP over each of SockJS's HTTP transports: the sessions are those that WebSocket has."""

import json

import pytest

from serving import Serve, Served, make_app, until
from sockjsclient import SockJsStomp
from stompsocket import StompSocket

ALL = ("websocket", "xhr-streaming", "xhr-polling", "eventsource", "htmlfile", "jsonp-polling")
TRANSPORTS = ("xhr", "xhr_streaming", "eventsource", "htmlfile", "jsonp")


@pytest.fixture
def transport() -> str:
    """HTTP goes the same way under any server; what does not runs with both."""
    return "picows"


@pytest.fixture(params=TRANSPORTS)
def sockjs(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def join(served: Served, transport: str, endpoint: str = "/stomp") -> SockJsStomp:
    """A client that got its open frame."""
    client = SockJsStomp(served.http + endpoint, transport)
    served.clients.append(client)  # type: ignore[arg-type]  # it is dropped like the others
    return await client.open()


@pytest.mark.parametrize("transport", ["picows", "asgi"])
async def test_a_client_connects_subscribes_and_gets_what_is_published(serve: Serve, sockjs: str) -> None:
    served = await serve(make_app(sockjs_transports=ALL))
    client = await join(served, sockjs)
    await client.connect()
    await client.subscribe("/topic/a")
    other = await served.client()
    await other.subscribe("/topic/a")
    for number in range(20):
        await other.request("SEND", {"destination": "/topic/a"}, f"{number} 안녕 😀 \u2028")
    bodies = [(await client.frame("MESSAGE")).text for _ in range(20)]
    assert bodies == [f"{number} 안녕 😀 \u2028" for number in range(20)]
    await client.request("SEND", {"destination": "/topic/a"}, "from SockJS")
    assert (await client.frame("MESSAGE")).text == "from SockJS"
    assert [(await other.message()).text for _ in range(21)][-1] == "from SockJS"


async def test_a_good_bye_ends_with_a_close_frame_that_says_so(serve: Serve, sockjs: str) -> None:
    served = await serve(make_app(sockjs_transports=ALL))
    client = await join(served, sockjs)
    await client.connect()
    await client.request("DISCONNECT")
    while client.closed is None:
        await client.receive()
    assert client.closed == (1000, "disconnect")
    await served.ended("disconnect")
    await until(lambda: served.node.statistics().connections == 0)
    client.closed = None
    await client.receive()
    assert client.closed == (1000, "disconnect"), "who asks again is told again"


async def test_frames_as_large_as_the_limit_pass_both_ways(serve: Serve, sockjs: str) -> None:
    served = await serve(make_app(sockjs_transports=ALL))
    client = await join(served, sockjs)
    await client.connect()
    await client.subscribe("/topic/a")
    body = "안" * (served.app.settings.max_body_bytes // 3)
    await client.send("SEND", {"destination": "/topic/a"}, body)
    assert (await client.frame("MESSAGE")).text == body


async def test_a_frame_may_come_in_parts(serve: Serve, sockjs: str) -> None:
    served = await serve(make_app(sockjs_transports=ALL))
    client = await join(served, sockjs)
    await client.send_raw(["CONN", "ECT\naccept-", "version:1.2\n"])
    await client.send_raw(["host:x\n\n\0"])
    assert (await client.frame("CONNECTED")).headers["version"] == "1.2"


async def test_the_order_of_many_messages_is_kept(serve: Serve, sockjs: str) -> None:
    served = await serve(make_app(sockjs_transports=ALL))
    client = await join(served, sockjs)
    await client.connect()
    await client.subscribe("/topic/a")
    for number in range(2000):
        await served.app.publish("/topic/a", f"{number} " + "x" * 200)
    assert [int((await client.frame("MESSAGE")).text.split()[0]) for _ in range(2000)] == list(range(2000))


async def test_what_is_not_text_ends_the_session_with_a_sentence(serve: Serve, sockjs: str) -> None:
    served = await serve(make_app(sockjs_transports=ALL))
    client = await join(served, sockjs)
    await client.connect()
    await client.subscribe("/topic/a")
    await served.app.publish("/topic/a", b"\xff\xfe")
    assert "SockJS carries text only" in (await client.frame("ERROR")).headers["message"]
    while client.closed is None:
        await client.receive()
    assert client.closed == (1003, "text-only")


async def test_a_refused_connect_tells_why(serve: Serve, sockjs: str) -> None:
    served = await serve(make_app(sockjs_transports=ALL, anonymous=False))
    client = await join(served, sockjs)
    await client.send("CONNECT", {"accept-version": "1.2", "host": "x"})
    await client.frame("ERROR")
    while client.closed is None:
        await client.receive()
    assert client.closed == (4501, "login-refused")


@pytest.mark.parametrize("transport", ["picows", "asgi"])
async def test_over_websocket_frames_are_those_of_sockjs(serve: Serve) -> None:
    served = await serve()
    url = served.url + "/000/x/websocket"
    client = await served.open(url=url)
    await client.send_ws(b"")
    await client.send_ws(json.dumps(["CONNECT\naccept-version:1.2\n", "host:x\n\n\0"]).encode())
    await client.send_ws(json.dumps("SUBSCRIBE\nid:1\ndestination:/topic/a\nreceipt:1\n\n\0").encode())
    assert await message(client) == "o"
    got: list[str] = []
    while len(got) < 2:  # what is sent in one turn of the loop comes in one frame
        got += json.loads((await message(client)).removeprefix("a"))
    assert [frame.partition("\n")[0] for frame in got] == ["CONNECTED", "RECEIPT"]
    await served.app.publish("/topic/a", "é\u2028")
    assert "\\u2028" in (await message(client))
    await served.app.publish("/topic/a", b"\xff")
    error, close = await message(client), await message(client)
    assert "SockJS carries text only" in error
    assert close == 'c[1003,"text-only"]'
    assert (await client.closed()).code == 1003


async def message(client: StompSocket) -> str:
    """The next WebSocket message."""
    while not client.messages:
        await client._receive()
    return client.messages.pop(0)[1].decode()


@pytest.mark.parametrize("transport", ["picows", "asgi"])
async def test_the_raw_websocket_is_that_of_the_endpoint(serve: Serve) -> None:
    served = await serve()
    client = await served.client(url=served.url + "/websocket")
    await client.subscribe("/topic/a")
    await served.app.publish("/topic/a", "x")
    assert (await client.message()).text == "x"


async def test_several_endpoints_have_sessions_of_their_own(serve: Serve) -> None:
    served = await serve(make_app(endpoints=("/stomp", "/ws")))
    one = await SockJsStomp(served.http + "/stomp", "xhr").open()
    two = SockJsStomp(served.http + "/ws", "xhr")
    two.url = one.url.replace("/stomp", "/ws")
    await two.open()
    await one.connect()
    await two.connect()
    assert one.session != two.session
