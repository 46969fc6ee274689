"""Status codes, heads and bodies, as sockjs-protocol 0.3.3 asks for them; the chapters are its own."""

import json
import re
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest

from serving import Served, make_app, serving
from sockjsclient import Exchange, fetch, session_url, stream
from sockjsserving import YEAR, check_cors, check_not_cached, check_options, content_type, echoing


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with echoing(allowed_origins=("*",)) as served:
        yield served


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
    kinds.append("application/x-www-form-urlencoded")  # curl's, of whatever it posts
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
