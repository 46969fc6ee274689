"""What bounds a SockJS session: bytes, numbers and origins; and its end."""

import asyncio
import gc
import json
import weakref
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest

from serving import Served, make_app, serving, shortly, until
from sockjsclient import Answer, Exchange, SockJsStomp, fetch, session_url, stream
from sockjsserving import (
    echoing,
    only,
    service_of,
)
from stompede import Stompede
from stompede.server.fanout.policies import Conflate
from stompede.testing import ManualClock


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with echoing() as served:
        yield served


# Bytes.


async def test_a_body_beyond_its_limit_is_refused_before_it_is_read() -> None:
    async with serving(make_app(sockjs_max_post_bytes=1000)) as served:
        url = session_url(served.http + "/stomp")
        await fetch(url + "/xhr", "POST")
        exchange = await Exchange.open(url)
        path = urlsplit(url).path
        exchange.writer.write(
            f"POST {path}/xhr_send HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n".encode()
        )
        assert await exchange.head() == 413
        exchange.close()
        assert (await fetch(url + "/xhr", "POST")).text == 'c[1009,"message-too-big"]\n'


async def test_a_body_without_a_length_is_bounded_too() -> None:
    async with serving(make_app(sockjs_max_post_bytes=1000)) as served:
        url = session_url(served.http + "/stomp")
        await fetch(url + "/xhr", "POST")
        exchange = await Exchange.open(url)
        head = f"POST {urlsplit(url).path}/xhr_send HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        exchange.writer.write(head.encode() + b"3e8\r\n" + b"x" * 1000 + b"\r\n" + b"1\r\nx\r\n")
        assert await exchange.head() == 413
        exchange.close()


async def test_a_body_that_stops_coming_is_given_up(served: Served) -> None:
    url = session_url(served.http + "/echo")
    waiting = await stream(url + "/xhr_streaming")
    session = await only(served, "/echo")
    exchange = await Exchange.open(url)
    head = f"POST {urlsplit(url).path}/xhr_send HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n"
    exchange.writer.write(head.encode() + b'["')
    await until(session.progressed, "a part of the body")
    clock = ManualClock()
    with clock.driving():
        await clock.advance(31)
    assert await exchange.head() == 408
    exchange.close()
    waiting.close()


async def one_byte(url: str) -> Exchange:
    """Begins a request that brings messages, and goes no further."""
    exchange = await Exchange.open(url)
    head = f"POST {urlsplit(url).path}/xhr_send HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n["
    exchange.writer.write(head.encode())
    return exchange


async def test_a_body_that_trickles_has_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stompede.transports.sockjs.http.BODY_TIMEOUT_S", 0.2)
    async with serving(make_app()) as served:
        url = session_url(served.http + "/stomp")
        await fetch(url + "/xhr", "POST")
        slow = await one_byte(url)
        assert await slow.head() == 408
        slow.close()


async def test_requests_end_with_their_session() -> None:
    async with serving(make_app(sockjs_disconnect_delay_s=1)) as served:
        url = session_url(served.http + "/stomp")
        await fetch(url + "/xhr", "POST")
        [session] = service_of(served).sessions.values()
        slow = await one_byte(url)
        await until(lambda: session.posts == 1)
        behind = asyncio.create_task(fetch(url + "/xhr_send", "POST", '["\\n"]'))
        assert (await behind).status == 404
        assert await slow.head() == 408
        slow.close()
        assert service_of(served).statistics().sessions == 0


async def test_sessions_that_begin_and_do_not_go_on_keep_nobody_out() -> None:
    async with serving(make_app(max_handshakes=8)) as served:
        there = await SockJsStomp(served.http + "/stomp", "xhr").open()
        await there.connect()
        for _ in range(20):
            assert (await fetch(session_url(served.http + "/stomp") + "/xhr", "POST")).status == 200
        figures = service_of(served).statistics()
        assert (figures.sessions, figures.crowded_out) == (1 + 2, 18)
        assert "stompede_sockjs_crowded_out_total" in (await fetch(served.http + "/metrics")).text
        await (await served.client()).subscribe("/topic/a")
        assert there.session in served.node.sessions


async def test_a_message_beyond_its_limit_ends_the_session() -> None:
    async with serving(make_app(max_message_bytes=1000)) as served:
        url = session_url(served.http + "/stomp")
        await fetch(url + "/xhr", "POST")
        answer = await fetch(url + "/xhr_send", "POST", json.dumps(["x" * 1001]))
        assert (answer.status, "max_message_bytes" in answer.text) == (413, True)
        assert (await fetch(url + "/xhr", "POST")).text == 'c[1009,"message-too-big"]\n'


async def test_a_stream_ends_after_its_bytes_and_the_session_goes_on() -> None:
    async with serving(make_app(sockjs_stream_bytes=10_000)) as served:
        client = SockJsStomp(served.http + "/stomp", "xhr_streaming")
        served.clients.append(client)  # type: ignore[arg-type]
        await client.open()
        await client.connect()
        await client.subscribe("/topic/a")
        for number in range(100):
            await served.app.publish("/topic/a", f"{number:04}" + "x" * 1000)
        assert [int((await client.frame("MESSAGE")).text[:4]) for _ in range(100)] == list(range(100))
        assert client.responses > 1


async def test_what_waits_between_polls_is_bounded_by_the_outbox() -> None:
    async with serving(make_app(outbound_bytes=50_000)) as served:
        client = await SockJsStomp(served.http + "/stomp", "xhr").open()
        await client.connect()
        await client.subscribe("/topic/a")
        for _ in range(200):
            await served.app.publish("/topic/a", "x" * 1000)
        await served.ended("slow-consumer")
        while client.closed is None:
            await client.receive()
        assert client.closed == (4003, "slow-consumer")


async def test_between_polls_the_policy_of_the_destination_acts() -> None:
    app = make_app()
    app.destination("/topic/positions", slow=Conflate("rider"))
    async with serving(app) as served:
        client = await SockJsStomp(served.http + "/stomp", "xhr").open()
        await client.connect()
        await client.subscribe("/topic/positions")
        for number in range(500):
            await served.app.publish("/topic/positions", {"at": number}, headers={"rider": "r"})
        await served.app.publish("/topic/positions", {"at": -1}, headers={"rider": "last"})
        seen = []
        while not seen or seen[-1] != -1:
            seen.append(json.loads((await client.frame("MESSAGE")).body)["at"])
        assert seen[-2] == 499
        assert len(seen) < 20, "older positions were replaced, not queued"


def busy_app(**settings: object) -> tuple[Stompede, asyncio.Event, list[str]]:
    """An application that handles nothing until the event is set, and what it has handled."""
    app = make_app(inbound_bytes=10, **settings)
    gate = asyncio.Event()
    handled: list[str] = []

    @app.message("/wait")
    async def wait(body: str) -> None:
        await gate.wait()
        handled.append(body)

    return app, gate, handled


def to_wait(body: object) -> str:
    """A frame for it."""
    return f"SEND\ndestination:/app/wait\ncontent-type:text/plain\n\n{body}\0"


async def test_requests_wait_while_the_session_does_not_read() -> None:
    app, gate, handled = busy_app()
    async with serving(app) as served:
        client = await SockJsStomp(served.http + "/stomp", "xhr").open()
        await client.connect()
        poll = asyncio.ensure_future(client.receive())
        requests = [asyncio.ensure_future(client.send_raw([to_wait(number)])) for number in range(20)]
        session = await only(served)
        await until(lambda: session._reading is not None, "a session that does not read")
        await shortly()
        assert sum(request.done() for request in requests) < 10
        gate.set()
        await asyncio.gather(*requests)
        await until(lambda: len(handled) == 20)
        poll.cancel()
        await asyncio.gather(poll, return_exceptions=True)


async def test_requests_that_wait_for_their_turn_are_bounded_and_a_further_one_is_refused() -> None:
    app, gate, handled = busy_app(sockjs_max_posts=3)
    async with serving(app) as served:
        client = await SockJsStomp(served.http + "/stomp", "xhr").open()
        await client.connect()
        [session] = service_of(served).sessions.values()

        def send(name: str) -> asyncio.Task[Answer]:
            body = json.dumps([to_wait(name)])
            return asyncio.create_task(fetch(f"{client.url}/xhr_send", "POST", body))

        taken = [await send("served"), await send("and fills what is read ahead")]
        waiting = []
        for number in (1, 2, 3):
            waiting.append(send(str(number)))
            await until(lambda number=number: session.posts == number)  # type: ignore[misc]
        refused = await send("too much")
        assert (refused.status, "sockjs_max_posts" in refused.text) == (429, True)
        assert service_of(served).statistics().posts_refused == 1
        figures = (await fetch(served.http + "/metrics")).text
        assert 'stompede_sockjs_posts_refused_total{endpoint="/stomp"} 1.0' in figures
        gate.set()
        assert {answer.status for answer in [*taken, *await asyncio.gather(*waiting)]} == {204}
        await until(lambda: handled == ["served", "and fills what is read ahead", "1", "2", "3"])
        assert session.posts == 0
        assert (await send("again")).status == 204


# Numbers and origins.


async def test_sessions_over_http_count_as_others_do() -> None:
    async with serving(make_app(max_sessions=2)) as served:
        one, two = (session_url(served.http + "/stomp") for _ in range(2))
        await fetch(one + "/xhr", "POST")
        await served.client()
        answer = await fetch(two + "/xhr", "POST")
        assert answer.status == 503
        assert "max_sessions" in answer.text
        assert int(answer.headers["retry-after"]) > 0


async def test_sessions_are_counted_by_endpoint(served: Served) -> None:
    await fetch(session_url(served.http + "/stomp") + "/xhr", "POST")
    figures = (await fetch(served.http + "/metrics")).text
    assert 'stompede_sockjs_sessions{endpoint="/stomp"} 1.0' in figures
    assert 'stompede_sockjs_waiting{endpoint="/stomp"} 1.0' in figures
    assert 'stompede_sockjs_websockets{endpoint="/echo"} 0.0' in figures


async def test_a_session_that_ended_is_freed_without_the_garbage_collector(served: Served) -> None:
    client = SockJsStomp(served.http + "/stomp", "xhr_streaming")
    served.clients.append(client)  # type: ignore[arg-type]
    await client.open()
    await client.connect()
    (stomp,) = served.node.transports
    gone = weakref.ref(stomp)
    gc.collect()
    gc.disable()
    try:
        del stomp
        client.drop()
        await until(lambda: gone() is None, "the end of the session's memory")
    finally:
        gc.enable()
    assert not service_of(served).sessions


async def test_a_node_that_does_not_run_takes_no_sessions() -> None:
    app: Stompede = make_app()
    sent: list[dict[str, object]] = []

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/stomp/0/0/xhr", "headers": [], "query_string": b""}
    await app(scope, None, send)
    assert sent[0]["status"] == 503


@pytest.mark.parametrize("place", ["xhr", "xhr_streaming", "xhr_send"])
async def test_pages_of_other_sites_are_refused(served: Served, place: str) -> None:
    answer = await fetch(
        session_url(served.http + "/stomp") + f"/{place}", "POST", headers={"Origin": "https://evil.example"}
    )
    assert answer.status == 403
    assert "allowed_origins" in answer.text
    assert "access-control-allow-origin" not in answer.headers


async def test_scripts_of_other_sites_are_refused_although_they_name_no_origin() -> None:
    app = make_app(sockjs_transports=("jsonp-polling",), allowed_origins=("https://shop.example",))
    async with serving(app) as served:
        url = session_url(served.http + "/stomp") + "/jsonp?c=x"
        for headers, status in (
            ({"Sec-Fetch-Site": "cross-site"}, 403),
            ({"Sec-Fetch-Site": "cross-site", "Referer": "https://evil.example/page"}, 403),
            ({"Sec-Fetch-Site": "cross-site", "Referer": "https://shop.example/page"}, 200),
            ({"Sec-Fetch-Site": "same-origin"}, 200),
            ({}, 200),
        ):
            answer = await fetch(url.replace("session-", f"{status}{len(headers)}-"), headers=headers)
            assert answer.status == status, headers
            await shortly()


async def test_an_allowed_origin_may_read_the_answers() -> None:
    async with serving(make_app(allowed_origins=("https://shop.example",))) as served:
        origin = {"Origin": "https://shop.example"}
        answer = await fetch(session_url(served.http + "/stomp") + "/xhr", "POST", headers=origin)
        assert (answer.status, answer.headers["access-control-allow-origin"]) == (200, origin["Origin"])
        assert answer.headers["vary"] == "Origin"


@pytest.mark.parametrize(
    ("place", "method"), [("htmlfile?c=x", "GET"), ("jsonp?c=x", "GET"), ("jsonp_send", "POST")]
)
async def test_transports_of_long_ago_are_off_unless_set(served: Served, place: str, method: str) -> None:
    assert (await fetch(session_url(served.http + "/stomp") + f"/{place}", method)).status == 404
    assert (await fetch(served.http + "/stomp/iframe.html")).status == 404


async def test_without_transports_there_is_plain_websocket_only() -> None:
    async with serving(make_app(sockjs_transports=())) as served:
        for place in ("/info", "/0/0/xhr", "/"):
            assert (await fetch(served.http + "/stomp" + place)).status == 404
        await served.client()


# The end.


async def test_a_node_that_stops_tells_those_who_wait() -> None:
    app = make_app()
    async with serving(app) as served:
        client = await SockJsStomp(served.http + "/stomp", "xhr_streaming").open()
        await client.connect()
        stopping = asyncio.ensure_future(served.node.stop())
        while client.closed is None:
            await client.receive()
        assert client.closed == (1012, "service-restart")
        await stopping
        client.drop()


async def test_a_session_that_is_cut_ends_its_response(served: Served) -> None:
    url = session_url(served.http + "/stomp")
    response = await stream(url + "/xhr_streaming")
    await response.chunk()
    await response.chunk()
    (await only(served)).abort()
    assert await response.reader.read() == b""
    response.close()
    await until(lambda: served.node.statistics().connections == 0)


async def test_a_client_that_reads_nothing_is_cut() -> None:
    app = make_app(sockjs_stream_bytes=10**9, sockjs_disconnect_delay_s=1, outbound_bytes=200_000)
    async with serving(app) as served:
        url = session_url(served.http + "/stomp")
        response = await stream(url + "/xhr_streaming")
        response.writer.transport.pause_reading()
        subscribe = [
            "CONNECT\naccept-version:1.2\nhost:x\n\n\0",
            "SUBSCRIBE\nid:1\ndestination:/topic/a\n\n\0",
        ]
        await fetch(url + "/xhr_send", "POST", json.dumps(subscribe))
        while not served.logged("session ended"):
            await served.app.publish("/topic/a", "x" * 100_000)
        await served.ended("slow-consumer")
        await until(lambda: served.node.statistics().connections == 0, "the end of the connection")
        response.close()
