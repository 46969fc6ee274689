"""Heart-beats and time limits on real connections, with clocks that are moved."""

import asyncio
import contextlib
from typing import Any

import pytest

from serving import Serve, Served, make_app, serving, until
from stompsocket import Closed, StompSocket, encode


def masked(opcode: int, payload: bytes, *, fin: bool = True) -> bytes:
    """A client's WebSocket frame, with a key that leaves the payload as it is."""
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2)
    return bytes([(0x80 if fin else 0) | opcode]) + length + bytes(4) + payload


async def looked_at(served: Served) -> None:
    """Waits until the node's clock has looked at everything that is due at the present shift."""
    then = served.clock.now()
    await until(lambda: (served.node.deadlines._last or 0) * 0.25 > then + 0.25)


async def test_heart_beats_are_agreed_on_and_sent(serve: Serve) -> None:
    served = await serve(make_app(heart_beat_send_ms=250, heart_beat_receive_ms=250))
    client = await served.open()
    connected = await client.connect({"heart-beat": "0,250"})
    assert connected.headers["heart-beat"] == "250,250"
    for _ in range(3):
        await client.beat()
    assert served.node.statistics().heart_beats_out >= 3


async def test_no_heart_beat_is_sent_to_who_wants_none(serve: Serve) -> None:
    served = await serve(make_app(heart_beat_send_ms=250))
    client = await served.client({"heart-beat": "0,0"})
    other = await served.client({"heart-beat": "0,250"})
    for _ in range(3):
        await other.beat()
    await client.settle()
    assert client.parser.beats == 0


async def test_a_client_that_promised_to_beat_and_is_silent_is_dropped(serve: Serve) -> None:
    served = await serve(make_app(heart_beat_grace_s=0))
    client = await served.client({"heart-beat": "10000,0"})
    served.clock.shift = 18
    await looked_at(served)
    assert not served.session(client).closed, "within the tolerance of two intervals"
    served.clock.shift = 22
    error = await client.error()
    assert (error.headers["reconnect"], error.headers["disconnect-reason"]) == ("true", "heart-beat-missed")
    closed = await client.closed()
    assert (closed.code, closed.reason) == (4000, "heart-beat-missed")


@pytest.mark.parametrize("sign", [b"\n", b"\r\n", b"\n\n\n"])
async def test_any_byte_keeps_a_session_alive(serve: Serve, sign: bytes) -> None:
    served = await serve()
    client = await served.client({"heart-beat": "10000,0"})
    for shift in range(15, 50, 15):
        before = served.session(client).last_seen
        await client.send_ws(sign)
        await until(lambda before=before: served.session(client).last_seen > before)
        served.clock.shift = shift
        await looked_at(served)
    await client.settle()


@pytest.mark.parametrize(("tolerance", "alive", "gone"), [(1, 9, 12), (6, 58, 62)])
async def test_heart_beats_may_be_as_late_as_the_tolerance_says(
    serve: Serve, tolerance: float, alive: float, gone: float
) -> None:
    served = await serve(make_app(heart_beat_tolerance=tolerance, heart_beat_grace_s=0))
    client = await served.client({"heart-beat": "10000,0"})
    served.clock.shift = alive
    await looked_at(served)
    assert not served.session(client).closed
    served.clock.shift = gone
    assert (await client.error()).headers["disconnect-reason"] == "heart-beat-missed"


async def test_a_background_tab_that_beats_once_a_minute_stays_as_it_answers_pings() -> None:
    async with serving(make_app()) as served:
        client = await served.client({"heart-beat": "10000,0"})
        session = served.session(client)
        for _ in range(3):
            for _ in range(5):  # a minute, in which only the browser itself answers
                served.clock.shift += 12
                before = session.answered
                await client._receive()
                await until(lambda before=before: session.answered > before)
            before = session.last_seen
            await client.send_ws(b"\n")
            await until(lambda before=before: session.last_seen > before)
        await client.settle()


async def test_a_client_is_asked_once_in_a_silence() -> None:
    async with serving(make_app()) as served:
        client = await served.client({"heart-beat": "10000,0"})
        session = served.session(client)
        served.clock.shift = 11
        await until(lambda: session.asked > session.answered)
        asked = session.asked
        for shift in (12, 14, 16):
            served.clock.shift = shift
            await looked_at(served)
        assert session.asked == asked
        served.clock.shift = 22
        await until(lambda: session.closed)
        assert (await client.error()).headers["disconnect-reason"] == "heart-beat-missed"


@pytest.mark.parametrize("grace_s", [0, 30])
async def test_answers_to_pings_count_no_longer_than_the_grace(grace_s: float) -> None:
    async with serving(make_app(heart_beat_grace_s=grace_s)) as served:
        client = await served.client({"heart-beat": "10000,0"})
        session = served.session(client)
        lasted = 0.0
        while not session.closed:
            lasted = served.clock.now() - session.last_seen
            served.clock.shift += 5
            await client.send_ws(b"", opcode=10)
            await looked_at(served)
        assert (await client.error()).headers["disconnect-reason"] == "heart-beat-missed"
        assert grace_s + 10 < lasted < grace_s + 22


async def test_a_ping_of_the_client_is_answered_and_counts_as_an_answer_does() -> None:
    async with serving(make_app()) as served:
        client = await served.client({"heart-beat": "10000,0"})
        session = served.session(client)
        for _ in range(4):
            served.clock.shift += 18
            before = session.answered
            await client.send_ws(b"payload", opcode=9)
            await until(lambda before=before: session.answered > before)
            await looked_at(served)
        await client.settle()


async def test_pings_of_another_asgi_server_say_nothing_of_heart_beats() -> None:
    async with serving(make_app(), "asgi") as served:
        client = await served.client({"heart-beat": "10000,0"})
        served.clock.shift = 18
        await client.send_ws(b"payload", opcode=9)
        await looked_at(served)
        served.clock.shift = 22
        assert (await client.error()).headers["disconnect-reason"] == "heart-beat-missed"


async def test_an_idle_session_without_heart_beats_is_asked_and_lives_while_it_answers() -> None:
    async with serving(make_app(idle_timeout_s=60)) as served:
        client = await served.client()
        session = served.session(client)
        for shift in range(35, 350, 35):
            served.clock.shift = shift
            before = session.answered
            await client._receive()  # a ping, which is answered
            await until(lambda before=before: session.answered > before)
        await client.settle()


async def test_an_idle_session_that_answers_nothing_is_closed() -> None:
    async with serving(make_app(idle_timeout_s=60)) as served:
        client = await served.client()
        served.clock.shift = 61
        error = await client.error()
        assert error.headers["disconnect-reason"] == "idle-timeout"
        assert (await client.closed()).code == 4002


UPLOAD = masked(2, encode("SEND", {"destination": "/topic/a"}, "x" * 9000))
IN_ONE_FRAME = [UPLOAD[start : start + 2500] for start in range(0, len(UPLOAD), 2500)]
IN_FRAGMENTS = [masked(2, b"SEND\ndestination:/topic/a\n\n", fin=False)]
IN_FRAGMENTS += [masked(0, b"x" * 3000, fin=False)] * 3 + [masked(0, b"\0")]


async def arrives(served: Served, client: StompSocket, part: bytes) -> None:
    """Sends a part of a message and waits until the node's side has read it."""
    transport: Any = served.session(client).transport

    def read() -> tuple[int, int]:
        assembler = transport._assembler
        free = transport._socket.get_protocol().get_buffer(-1)
        return len(free), assembler.buffered_bytes if assembler else 0

    before = read()
    await client.send_bytes(part)
    await until(lambda: read() != before)


@pytest.mark.parametrize("headers", [{"heart-beat": "10000,0"}, {}], ids=["heart-beats", "idle"])
@pytest.mark.parametrize("parts", [IN_ONE_FRAME, IN_FRAGMENTS], ids=["one frame", "fragments"])
async def test_a_message_that_comes_slowly_is_a_sign_of_life_while_its_parts_come(
    headers: dict[str, str], parts: list[bytes]
) -> None:
    async with serving(make_app(idle_timeout_s=60)) as served:
        client = await served.client(headers)
        for part in parts[:-1]:
            await arrives(served, client, part)
            served.clock.shift += 35
            await looked_at(served)
            assert not served.session(client).closed
        await client.send_bytes(parts[-1])
        await until(lambda: served.node.statistics().bus.published == 1)


@pytest.mark.parametrize("parts", [IN_ONE_FRAME, IN_FRAGMENTS], ids=["one frame", "fragments"])
async def test_a_message_that_stops_halfway_is_none(parts: list[bytes]) -> None:
    async with serving(make_app()) as served:
        client = await served.client({"heart-beat": "10000,0"})
        for part in parts[:3]:
            await arrives(served, client, part)
        served.clock.shift = 22
        await looked_at(served)
        served.clock.shift = 44
        assert (await client.error()).headers["disconnect-reason"] == "heart-beat-missed"


async def test_without_connect_the_connection_ends_in_time(serve: Serve) -> None:
    served = await serve(make_app(connect_timeout_s=5))
    client = await served.open()
    await until(lambda: served.node.statistics().connections == 1)
    served.clock.shift = 4
    await looked_at(served)
    assert served.node.statistics().connections == 1
    served.clock.shift = 7
    error = await client.error()
    assert (error.headers["reconnect"], error.headers["disconnect-reason"]) == ("true", "connect-timeout")
    assert (await client.closed()).code == 4001


async def test_half_a_connect_frame_ends_in_time_too(serve: Serve) -> None:
    served = await serve(make_app(connect_timeout_s=5))
    client = await served.open()
    await client.send_ws(b"CONNECT\naccept-version:1.2\nhost:")
    served.clock.shift = 7
    assert (await client.error()).headers["disconnect-reason"] == "connect-timeout"


@pytest.mark.parametrize(
    "sent", [b"", b"GET /stomp HTTP/1.1\r\nHost: x\r\n", b"GET /health/live HTTP/1.1\r\n"]
)
async def test_half_a_handshake_ends_in_time(sent: bytes) -> None:
    async with serving(make_app(handshake_timeout_s=0.2)) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(sent)
        async with asyncio.timeout(5):
            with contextlib.suppress(ConnectionResetError):
                assert await reader.read() == b""
        writer.close()


async def test_a_handshake_in_time_is_not_ended_by_its_limit() -> None:
    async with serving(make_app(handshake_timeout_s=0.2)) as served:
        client = await served.client()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await client._receive()
        await client.settle()


async def test_a_client_that_does_not_answer_the_close_frame_is_cut_in_time(serve: Serve) -> None:
    served = await serve(make_app(close_timeout_s=0.3))
    client = await served.client()
    await served.app.close_session(client.session)
    await until(lambda: served.node.statistics().connections == 0)


async def test_a_session_that_vanishes_without_a_word_is_lost() -> None:
    async with serving(make_app()) as served:
        client = await served.client()
        client.drop()
        line = await served.ended("connection-lost")
        assert line["code"] == 1006


async def closed_by(client: StompSocket, payload: bytes) -> Any:
    await client.send_ws(payload, opcode=8)
    return await client.closed()


@pytest.mark.parametrize(
    ("payload", "answer"), [(b"", 1005), (b"\x03\xe8bye", 1000), (b"\x03\xe9", 1001), (b"\x0f\xa0own", 4000)]
)
async def test_a_close_frame_of_the_client_is_answered_and_is_a_normal_end(
    serve: Serve, payload: bytes, answer: int
) -> None:
    served = await serve()
    client = await served.client()
    closed: Closed = await closed_by(client, payload)
    assert closed.code in (answer, 1000 if answer == 1005 else answer)
    await served.ended("disconnect")
