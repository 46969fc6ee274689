"""Status codes, heads and bodies, as sockjs-protocol 0.3.3 asks for them; the chapters are its own."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest

from serving import Served, make_app, serving
from sockjsclient import Answer, Exchange, fetch, session_url, stream
from stompede.testing.echoes import mount_echoes

YEAR = "public, max-age=31536000"
NEVER = "no-store, no-cache, must-revalidate, max-age=0"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    app = make_app(allowed_origins=("*",))
    mount_echoes(app)
    async with serving(app) as served:
        yield served


@pytest.fixture
def echo(served: Served) -> str:
    return served.http + "/echo"


@pytest.fixture
def close(served: Served) -> str:
    return served.http + "/close"


def content_type(answer: Answer | Exchange) -> str:
    return answer.headers["content-type"].replace(" ", "")


def check_cors(answer: Answer | Exchange, origin: str = "*") -> None:
    assert answer.headers["access-control-allow-origin"] == origin
    assert answer.headers["access-control-allow-credentials"] == "true"


def check_not_cached(answer: Answer | Exchange) -> None:
    assert answer.headers["cache-control"] == NEVER
    assert "expires" not in answer.headers
    assert "last-modified" not in answer.headers


async def check_options(url: str, methods: str) -> None:
    for sent, allowed in ((None, "*"), ("test", "test"), ("null", "*")):
        answer = await fetch(url, "OPTIONS", headers={} if sent is None else {"Origin": sent})
        assert (answer.status, answer.body) == (204, b"")
        assert answer.headers["cache-control"] == YEAR
        assert answer.headers["expires"]
        assert int(answer.headers["access-control-max-age"]) > 1_000_000
        assert answer.headers["access-control-allow-methods"] == methods
        check_cors(answer, allowed)


# Greeting.


@pytest.mark.parametrize("suffix", ["", "/"])
@pytest.mark.parametrize("base", ["/echo", "/stomp"])
async def test_greeting(served: Served, base: str, suffix: str) -> None:
    answer = await fetch(served.http + base + suffix)
    assert (answer.status, answer.text, content_type(answer)) == (
        200, "Welcome to SockJS!\n", "text/plain;charset=UTF-8",
    )  # fmt: skip
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "suffix", ["/a", "/a.html", "//", "///", "/a/a", "/a/a/", "/a/", "///xhr", "/a./a/xhr", "/./."]
)
async def test_elsewhere_is_nothing(echo: str, suffix: str) -> None:
    for method in ("GET", "POST"):
        assert (await fetch(echo + suffix, method)).status == 404


# Iframe page.


@pytest.mark.parametrize(
    "suffix", ["iframe.html", "iframe-a.html", "iframe-.html", "iframe-0.1.2abc-dirty.2144.html?t=q"]
)
async def test_iframe_page_is_cached_for_long(echo: str, suffix: str) -> None:
    answer = await fetch(f"{echo}/{suffix}")
    assert (answer.status, content_type(answer)) == (200, "text/html;charset=UTF-8")
    assert answer.headers["cache-control"] == YEAR
    assert answer.headers["expires"]
    assert "last-modified" not in answer.headers
    assert re.search(r'<script src="https?://[^"]+"></script>', answer.text)
    again = await fetch(f"{echo}/{suffix}", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status, again.body, again.headers.get("content-type")) == (304, b"", None)


@pytest.mark.parametrize("suffix", ["iframe.htm", "iframe", "IFRAME.HTML", "iframe.xml", "iframe-/.html"])
async def test_other_names_are_no_iframe_page(echo: str, suffix: str) -> None:
    assert (await fetch(f"{echo}/{suffix}")).status == 404


async def test_only_pages_of_allowed_origins_may_hold_the_iframe() -> None:
    app = make_app(allowed_origins=("https://shop.example",), sockjs_transports=("iframe",))
    async with serving(app) as served:
        answer = await fetch(served.http + "/stomp/iframe.html")
        assert answer.headers["content-security-policy"] == "frame-ancestors 'self' https://shop.example"


# Info.


async def test_info(served: Served, echo: str) -> None:
    answer = await fetch(echo + "/info")
    assert (answer.status, content_type(answer)) == (200, "application/json;charset=UTF-8")
    assert "set-cookie" not in answer.headers
    check_not_cached(answer)
    check_cors(answer)
    info = json.loads(answer.body)
    entropy = info.pop("entropy")
    assert info == {"websocket": True, "cookie_needed": False, "origins": ["*:*"]}
    assert 0 <= entropy < 2**32
    assert json.loads((await fetch(echo + "/info")).body)["entropy"] != entropy
    await check_options(echo + "/info", "OPTIONS, GET")
    other = json.loads((await fetch(served.http + "/disabled_websocket_echo/info")).body)
    assert other["websocket"] is False
    other = json.loads((await fetch(served.http + "/cookie_needed_echo/info")).body)
    assert other["cookie_needed"] is True


# Session URLs and framing.


@pytest.mark.parametrize("part", ["/a/a", "/_/_", "/1/1", "/abcdefgh_i-j%20/abcdefg_i-j%20"])
async def test_any_server_and_session_are_taken(echo: str, part: str) -> None:
    answer = await fetch(f"{echo}{part}/xhr", "POST")
    assert (answer.status, answer.body) == (200, b"o\n")


async def test_the_server_part_means_nothing(echo: str) -> None:
    assert (await fetch(echo + "/000/s/xhr", "POST")).body == b"o\n"
    assert (await fetch(echo + "/000/s/xhr_send", "POST", '["a"]')).status == 204
    assert (await fetch(echo + "/999/s/xhr", "POST")).body == b'a["a"]\n'


async def test_a_second_receiver_is_sent_away(echo: str) -> None:
    url = session_url(echo)
    await fetch(url + "/xhr", "POST")
    first = await Exchange.open(url)
    await first.ask("POST", urlsplit(url).path + "/xhr")
    answer = await fetch(url + "/xhr", "POST")
    assert (answer.status, answer.body) == (200, b'c[2010,"Another connection still open"]\n')
    first.close()


async def test_a_closed_session_says_so_again_and_again(close: str) -> None:
    url = session_url(close)
    assert (await fetch(url + "/xhr", "POST")).body == b"o\n"
    for _ in range(3):
        assert (await fetch(url + "/xhr", "POST")).body == b'c[3000,"Go away!"]\n'
    assert (await fetch(url + "/xhr_send", "POST", '["a"]')).status == 204


# WebSocket by the wrong request.


async def test_a_websocket_wants_an_upgrade(served: Served, echo: str) -> None:
    answer = await fetch(echo + "/0/0/websocket")
    assert (answer.status, answer.text) == (400, 'Can "Upgrade" only to "WebSocket".')
    answer = await fetch(echo + "/0/0/websocket", headers={"Upgrade": "WebSocket", "Connection": "close"})
    assert (answer.status, answer.text) == (400, '"Connection" must be "Upgrade".')
    assert (await fetch(served.http + "/disabled_websocket_echo/0/0/websocket")).status == 404


@pytest.mark.parametrize("headers", [{}, {"Upgrade": "WebSocket", "Connection": "Upgrade"}])
async def test_a_websocket_wants_get(echo: str, headers: dict[str, str]) -> None:
    answer = await fetch(echo + "/0/0/websocket", "POST", headers=headers)
    assert (answer.status, answer.body, answer.headers.get("content-type")) == (405, b"", None)
    assert answer.headers["allow"] == "GET"


# Polling.


async def test_polling(echo: str) -> None:
    url = session_url(echo)
    for suffix in ("/xhr", "/xhr_send"):
        await check_options(url + suffix, "OPTIONS, POST")
    answer = await fetch(url + "/xhr", "POST")
    assert (answer.body, content_type(answer)) == (b"o\n", "application/javascript;charset=UTF-8")
    check_cors(answer)
    check_not_cached(answer)
    answer = await fetch(url + "/xhr_send", "POST", '["x"]')
    assert (answer.status, answer.body, content_type(answer)) == (204, b"", "text/plain;charset=UTF-8")
    check_cors(answer)
    check_not_cached(answer)
    assert (await fetch(url + "/xhr", "POST")).body == b'a["x"]\n'


async def test_nothing_can_be_sent_to_a_session_that_is_none(echo: str) -> None:
    assert (await fetch(session_url(echo) + "/xhr_send", "POST", '["x"]')).status == 404


async def test_a_broken_body_is_answered_and_forgotten(echo: str) -> None:
    url = session_url(echo)
    await fetch(url + "/xhr", "POST")
    for body, sentence in (('["x', "Broken JSON encoding."), ("", "Payload expected.")):
        answer = await fetch(url + "/xhr_send", "POST", body)
        assert (answer.status, answer.text) == (500, sentence)
    await fetch(url + "/xhr_send", "POST", '["a"]')
    assert (await fetch(url + "/xhr", "POST")).body == b'a["a"]\n'


async def test_the_content_type_of_a_body_means_nothing(echo: str) -> None:
    url = session_url(echo)
    await fetch(url + "/xhr", "POST")
    kinds = ["text/plain", "T", "application/json", "application/xml", "", "text/xml; charset=utf-8"]
    for kind in kinds:
        answer = await fetch(url + "/xhr_send", "POST", '["a"]', {"Content-Type": kind})
        assert (answer.status, answer.body) == (204, b"")
    assert (await fetch(url + "/xhr", "POST")).text == "a[" + ",".join(['"a"'] * len(kinds)) + "]\n"


@pytest.mark.parametrize(("asked", "allowed"), [("a, b, c", "a, b, c"), ("", None), (None, None)])
async def test_asked_headers_are_allowed(echo: str, asked: str | None, allowed: str | None) -> None:
    headers = {} if asked is None else {"Access-Control-Request-Headers": asked}
    answer = await fetch(session_url(echo) + "/xhr", "POST", headers=headers)
    assert answer.status == 200
    check_cors(answer)
    assert answer.headers.get("access-control-allow-headers") == allowed


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


# Cookies.


@pytest.mark.parametrize(
    ("place", "method"),
    [
        ("xhr", "POST"),
        ("xhr_streaming", "POST"),
        ("eventsource", "GET"),
        ("htmlfile?c=c", "GET"),
        ("jsonp?c=c", "GET"),
    ],
)
async def test_the_cookie_of_load_balancers_is_set_and_sent_back(
    served: Served, place: str, method: str
) -> None:
    base = served.http + "/cookie_needed_echo"
    for sent, got in (({}, "dummy"), ({"Cookie": "a=b; JSESSIONID=abcdef; c=d"}, "abcdef")):
        response = await stream(f"{session_url(base)}/{place}", method, headers=sent)
        assert response.headers["set-cookie"] == f"JSESSIONID={got}; Path=/"
        response.close()
    assert "set-cookie" not in (await fetch(base + "/info")).headers


async def test_without_need_there_is_no_cookie(echo: str) -> None:
    answer = await fetch(session_url(echo) + "/xhr", "POST", headers={"Cookie": "JSESSIONID=x"})
    assert "set-cookie" not in answer.headers


# Unicode.


async def test_characters_that_browsers_mangle_leave_escaped(echo: str) -> None:
    url = session_url(echo)
    await fetch(url + "/xhr", "POST")
    mangled = "".join(
        map(
            chr,
            [*range(0x200C, 0x2010), *range(0x2028, 0x2030), *range(0x2060, 0x2070), *range(0xFFF0, 0x10000)],
        )
    )
    await fetch(url + "/xhr_send", "POST", json.dumps([mangled], ensure_ascii=False).encode())
    assert (await fetch(url + "/xhr", "POST")).text == f"a[{json.dumps(mangled)}]\n"


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
