"""Limits that are counted over time: what a client, an address and a crowd are told beyond them."""

import json
from typing import Any

import pytest

from serving import Serve, Served, make_app, serving, until
from stompsocket import InvalidStatus, StompSocket, encode


def stop_the_clock(served: Served) -> None:
    now = served.clock.now()
    served.node.now = lambda: now + served.clock.shift  # type: ignore[method-assign]


async def refused(served: Served, **options: Any) -> tuple[int, str | None, str]:
    """Status, Retry-After and sentence of a handshake that must be refused."""
    with pytest.raises(InvalidStatus) as answer:
        await served.open(**options)
    response = answer.value.response
    return response.status_code, response.headers.get("Retry-After"), response.body.decode()


async def soft(client: StompSocket) -> tuple[str, str]:
    await client.send("SEND", {"destination": "/topic/a"}, "x")
    frame = await client.message()
    problem = json.loads(frame.body)
    return problem["code"], problem["detail"]


async def test_max_sends_burst_lets_a_burst_through_and_then_the_rate(serve: Serve) -> None:
    served = await serve(make_app(max_sends_per_s=2, max_sends_burst=10))
    stop_the_clock(served)
    client = await served.client()
    await client.errors()
    for _ in range(9):
        await client.request("SEND", {"destination": "/topic/a"}, "x")
    code, text = await soft(client)
    assert code == "rate-limited"
    assert "2 frames a second (max_sends_per_s)" in text
    served.clock.shift += 1
    for _ in range(2):
        await client.request("SEND", {"destination": "/topic/a"}, "x")
    assert (await soft(client))[0] == "rate-limited"
    assert served.node.statistics().rate_limited_total == 2
    assert len(served.logged("refused", code="rate-limited")) == 2


async def test_max_inbound_bytes_per_s_slows_a_client_down_and_loses_nothing(serve: Serve) -> None:
    served = await serve(make_app(max_inbound_bytes_per_s=12_000))
    stop_the_clock(served)
    client, other = await served.client(), await served.client()
    await other.subscribe("/topic/a")
    for number in range(3):  # 15,000 bytes; a second allows 12,000
        await client.send("SEND", {"destination": "/topic/a"}, f"{number}{'x' * 5000}")
        await other.message()
    session = served.session(client)
    assert session.reading_paused
    assert served.node.statistics().reading_slowed_total == 1
    await client.send("SEND", {"destination": "/topic/a"}, "3")
    await other.settle()
    assert served.node.statistics().bus.published == 3 + 1, "the fourth is not read yet"
    served.clock.shift += 1
    assert (await other.message()).text == "3"
    assert not session.reading_paused
    await client.settle()


async def test_who_is_slowed_down_is_not_missed_for_its_silence(serve: Serve) -> None:
    served = await serve(make_app(max_inbound_bytes_per_s=100))
    client = await served.client({"heart-beat": "10000,0"})
    stop_the_clock(served)
    await client.send("SEND", {"destination": "/topic/a"}, "x" * 10_000)
    session = served.session(client)
    await until(lambda: session.reading_paused)
    served.clock.shift += 60
    then = served.node.now()
    await until(lambda: (served.node.deadlines._last or 0) * 0.25 >= then - 0.25)
    assert not session.closed
    served.clock.shift += 60
    await until(lambda: not session.reading_paused)
    await client.settle()


async def test_who_is_slowed_down_while_its_handler_runs_is_read_again_when_both_are_over(
    serve: Serve,
) -> None:
    app = make_app(max_inbound_bytes_per_s=2000, inbound_bytes=1000)
    served = await serve(app)
    client = await served.client()
    stop_the_clock(served)
    session = served.session(client)
    session.busy = 1
    for _ in range(3):
        await client.send("SEND", {"destination": "/topic/a"}, "x" * 1000)
    await until(lambda: session.reading_paused)
    served.clock.shift += 30
    await until(lambda: session.slowed_until is None)
    assert session.reading_paused
    session.busy = 0
    session.go_on()
    assert not session.reading_paused
    served.node.now = lambda: served.clock.now() + 60  # type: ignore[method-assign]
    await client.settle()


async def test_max_connects_per_address_per_s(serve: Serve) -> None:
    served = await serve(make_app(max_connects_per_address_per_s=2))
    stop_the_clock(served)
    await served.client(), await served.client()
    status, retry_after, text = await refused(served)
    assert (status, retry_after, "max_connects_per_address_per_s" in text) == (429, "1", True)
    figures = served.node.statistics()
    assert (figures.address_limited_total, figures.refused_total) == (1, 1)
    served.clock.shift += 0.5
    await served.client()
    assert (await refused(served))[0] == 429


async def test_addresses_behind_a_trusted_proxy_are_told_apart(serve: Serve) -> None:
    served = await serve(make_app(max_connects_per_address_per_s=1, trusted_proxies=("127.0.0.1",)))
    stop_the_clock(served)
    for address in ("10.1.1.1", "10.1.1.2"):
        await served.open(headers={"X-Forwarded-For": address})
        assert (await refused(served, headers={"X-Forwarded-For": address}))[0] == 429


async def test_a_full_node_says_when_to_come_again(serve: Serve) -> None:
    served = await serve(make_app(max_sessions=1))
    await served.client()
    status, retry_after, text = await refused(served)
    assert (status, retry_after, "max_sessions" in text) == (503, "5", True)


async def test_max_handshakes_refuses_the_newest_that_does_not_connect(serve: Serve) -> None:
    served = await serve(make_app(max_handshakes=2))
    one, two = await served.open(), await served.open()
    await until(lambda: served.node.statistics().connecting == 2)
    status, retry_after, text = await refused(served)
    assert (status, retry_after, "max_handshakes" in text) == (503, "1", True)
    await one.connect()
    await served.client()
    two.drop()
    await until(lambda: served.node.statistics().connecting == 0)
    await served.open()
    assert served.node.statistics().refused_total == 1


async def test_max_handshakes_bounds_requests_that_have_no_end() -> None:
    async with serving(make_app(max_handshakes=2)) as served:
        one, two = await served.client(), await served.client()
        halves = [await half_a_request(served) for _ in range(2)]
        with pytest.raises(InvalidStatus) as answer:
            await served.open()
        assert answer.value.response.status_code == 503
        assert answer.value.response.headers["Retry-After"] == "1"
        assert served.node.statistics().refused_total == 1
        for half in halves:
            half.drop()
        await until(lambda: served.node.statistics().connections == 2)
        for client in (one, two):
            await client.settle()
        await opens_again(served)


async def half_a_request(served: Served) -> StompSocket:
    from stompline import StompLine

    line = await StompLine.dial(f"stomp://127.0.0.1:{served.port}")
    served.clients.append(line)
    await line.send_bytes(b"GET /stomp HTTP/1.1\r\nHost: x\r\n")
    return line


async def opens_again(served: Served) -> None:
    for _ in range(100):
        try:
            client = await served.open()
        except InvalidStatus:
            continue
        await client.connect()
        return
    raise AssertionError("no handshake is accepted any more")


async def test_the_bytes_of_many_small_frames_count_as_one_large(serve: Serve) -> None:
    served = await serve(make_app(max_inbound_bytes_per_s=2000))
    stop_the_clock(served)
    client = await served.client()
    frame = encode("SEND", {"destination": "/topic/a"}, "x" * 100)
    for _ in range(20):
        await client.send_ws(frame)
    await until(lambda: served.session(client).reading_paused)


async def test_pings_count_as_bytes_too(serve: Serve) -> None:
    served = await serve(make_app(max_inbound_bytes_per_s=2000))
    client = await served.client()
    stop_the_clock(served)
    session = served.session(client)
    for _ in range(5):
        session.alive()
    assert not session.reading_paused
    for _ in range(15):
        session.alive()
    assert session.reading_paused
    served.clock.shift += 1
    await client.settle()
