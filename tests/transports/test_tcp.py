"""STOMP over TCP: the same node behind a socket without WebSocket."""

import asyncio
import gc
import socket
import weakref
from typing import Any

import pytest

from serving import make_app, serving, shortly, until
from stompede import AuthenticationError, DropOldest, Principal
from stompede.transports import tcp
from stompsocket import encode
from tcpserving import Serve, TcpServed, serve_tcp

BODY = b"soup \xff\x00 and bread"
pytestmark = pytest.mark.timeout(60)
serve = serve_tcp


async def test_messages_go_between_tcp_and_websocket_on_one_node(serve: Serve) -> None:
    served = await serve()
    line, websocket = await served.client(), await served.served.client()
    await line.subscribe("/topic/a")
    await websocket.subscribe("/topic/a")
    for client in (line, websocket):
        await client.send("SEND", {"destination": "/topic/a", "content-length": len(BODY)}, BODY)
    for client in (line, websocket):
        assert [(await client.message()).body for _ in range(2)] == [BODY] * 2
    assert served.node.statistics().sessions == 2


async def test_every_frame_ends_with_an_end_of_line_as_clients_of_other_servers_expect(serve: Serve) -> None:
    served = await serve()
    others = [await served.client() for _ in range(3)]
    for version in ("1.0", "1.2"):
        alone = await served.open()
        await alone.connect({"accept-version": version})
        for subscriber in (alone, *others):
            await subscriber.subscribe("/topic/shared", id=version)
        await alone.subscribe("/topic/alone", id=f"alone-{version}")
        for destination in ("/topic/shared", "/topic/alone", "/topic/alone"):
            await alone.send("SEND", {"destination": destination}, "soup")
        got = [await alone.message() for _ in range(3)]
        written = b"".join(data for _, data in alone.messages)
        assert written.count(b"\0\n") == 1 + 2 + len(got), "CONNECTED, two RECEIPTs, and the messages"
        assert written.count(b"\0") == written.count(b"\0\n")


@pytest.mark.parametrize("size", [1, 7, 4096])
async def test_frames_may_be_split_and_joined_at_any_octet(serve: Serve, size: int) -> None:
    served = await serve()
    line = await served.client()
    await line.subscribe("/topic/a")
    sent = b"".join(encode("SEND", {"destination": "/topic/a"}, f"{n}") for n in range(50 if size > 1 else 3))
    for start in range(0, len(sent), size):
        await line.send_bytes(sent[start : start + size])
        if size < 4096:
            await asyncio.sleep(0)
    count = sent.count(b"SEND")
    assert [(await line.message()).text for _ in range(count)] == [str(n) for n in range(count)]


async def test_login_and_passcode_pass_the_same_authentication(serve: Serve) -> None:
    app = make_app(tcp_port=0, anonymous=False)

    @app.authenticate
    async def login(login: str, passcode: str, client_address: str) -> Principal:
        await shortly()
        if passcode == "right":
            return Principal(f"{login}@{client_address}")
        raise AuthenticationError("login-failed", "wrong")

    served = await serve(app)
    line = await served.open()
    connected = await line.connect({"login": "cook", "passcode": "right"})
    assert connected.headers["user-name"] == "cook@127.0.0.1"
    for headers in ({"login": "cook", "passcode": "wrong"}, {}):
        other = await served.open()
        await other.send("CONNECT", {"accept-version": "1.2", "host": "x", **headers})
        assert (await other.error()).headers["disconnect-reason"] == "login-refused"
        await other.closed()


async def test_an_error_arrives_although_the_client_goes_on_sending(serve: Serve) -> None:
    served = await serve(max_body_bytes=1000)
    for _ in range(20):
        line = await served.client()
        await line.send("SEND", {"destination": "/topic/a", "content-length": 5000})
        for _ in range(20):  # what is unread when a socket is closed would make it a reset
            await line.send_bytes(b"x" * 10_000)
        assert "max_body_bytes" in (await line.error()).headers["message"] + line.messages[-1][1].decode()
        assert (await line.closed()).reason == ""
    await until(lambda: served.node.statistics().connections == 0)


async def test_who_does_not_close_its_half_is_cut_in_time(serve: Serve) -> None:
    served = await serve(close_timeout_s=0.3)
    line = await served.client()
    await line.send("NONSENSE")
    assert (await line.error()).headers["reconnect"] == "false"
    await until(lambda: served.node.statistics().connections == 0)


async def test_disconnect_is_answered_and_the_end_follows(serve: Serve) -> None:
    served = await serve()
    line = await served.client()
    await line.send("DISCONNECT", {"receipt": "bye"})
    line.half_close()
    assert (await line.frame()).headers["receipt-id"] == "bye"
    await line.closed()
    await served.served.ended("disconnect")


async def test_what_stands_before_the_end_of_a_half_is_served(serve: Serve) -> None:
    served = await serve()
    line = await served.client()
    await line.send("SEND", {"destination": "/topic/a", "receipt": "last"})
    line.half_close()
    assert (await line.frame()).headers["receipt-id"] == "last"
    await line.closed()
    await served.served.ended("connection-lost")


async def test_a_reset_line_is_lost(serve: Serve) -> None:
    served = await serve()
    line = await served.client()
    line.reset()
    assert (await served.served.ended("connection-lost"))["code"] == 1006


async def test_without_connect_the_connection_ends_in_time(serve: Serve) -> None:
    served = await serve(connect_timeout_s=5)
    line = await served.open()
    await line.send_bytes(b"\n")
    await until(lambda: served.node.statistics().connections == 1)
    served.served.clock.shift = 7
    assert (await line.error()).headers["disconnect-reason"] == "connect-timeout"
    await line.closed()


async def test_any_octet_is_a_heart_beat_and_silence_is_missed(serve: Serve) -> None:
    served = await serve()
    line = await served.open()
    await line.connect({"heart-beat": "10000,0"})
    session = served.served.session(line)
    for octet in (b"\n", b"\r\n", b"S"):
        served.served.clock.shift += 15
        before = session.last_seen
        await line.send_bytes(octet)
        await until(lambda before=before: session.last_seen > before)
    served.served.clock.shift += 22
    assert (await line.error()).headers["disconnect-reason"] == "heart-beat-missed"
    await line.closed()


async def test_heart_beats_go_out(serve: Serve) -> None:
    served = await serve(heart_beat_send_ms=250)
    line = await served.open()
    await line.connect({"heart-beat": "0,250"})
    for _ in range(3):
        await line.beat()


async def test_a_session_without_heart_beats_is_left_to_keep_alive(serve: Serve) -> None:
    served = await serve(idle_timeout_s=60)
    line = await served.client()
    for _ in range(5):
        served.served.clock.shift += 35
        then = served.served.clock.now()
        await until(lambda then=then: (served.node.deadlines._last or 0) * 0.25 > then + 0.25)
    await line.settle()
    [session] = served.node.sessions.values()
    connection: Any = session.transport
    sock = connection._socket.get_extra_info("socket")
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1


async def test_a_client_whose_session_is_busy_feels_back_pressure(serve: Serve) -> None:
    app = make_app(tcp_port=0, inbound_bytes=20_000)
    gate = asyncio.Event()

    @app.message("/wait")
    async def wait() -> None:
        await gate.wait()

    served = await serve(app)
    line = await served.client()
    await line.subscribe("/topic/a")
    session = served.served.session(line)
    most = 0

    def watched() -> bool:
        nonlocal most
        most = max(most, session.wire.buffered_bytes)
        return bool(session.reading_paused)

    await line.send("SEND", {"destination": "/app/wait"})
    frame = encode("SEND", {"destination": "/topic/a"}, "x" * 10_000)
    flood = asyncio.create_task(line.send_bytes(frame * 1000))
    await until(watched)
    for _ in range(50):
        await shortly()
        watched()
    assert not flood.done(), "ten megabytes went somewhere"
    assert most <= 20_000 + tcp.READ_BYTES
    gate.set()
    for _ in range(1000):
        await line.message()
    await flood


async def test_a_slow_reader_is_served_by_policy(serve: Serve) -> None:
    app = make_app(tcp_port=0, outbound_bytes=200_000)
    app.destination("/topic/dropping", slow=DropOldest())
    served = await serve(app)
    cut, dropping = await served.client(receive_buffer=4096), await served.client(receive_buffer=4096)
    await cut.subscribe("/topic/strict")
    await dropping.subscribe("/topic/dropping")
    lost = served.served.session(cut)
    for number in range(2000):
        await app.publish("/topic/strict", f"{number:>8} {'x' * 20_000}")
        await app.publish("/topic/dropping", f"{number:>8} {'x' * 20_000}")
        if lost.closed and served.node.statistics().outboxes.dropped > 10:
            break
    assert lost.closed
    await served.served.ended("slow-consumer")
    await app.publish("/topic/dropping", f"{number + 1:>8} last")
    last = await dropping.frame_where(lambda frame: frame.text.endswith("last"), "the newest message")
    assert last.command == "MESSAGE"
    numbers = [int(frame.text.split()[0]) for frame in dropping.frames]
    assert numbers == sorted(set(numbers))


async def test_too_many_sessions_are_refused_in_an_error_frame(serve: Serve) -> None:
    served = await serve(max_sessions=1)
    line = await served.client()
    other = await served.open()
    error = await other.error()
    assert "max_sessions" in error.headers["message"]
    assert (error.headers["reconnect"], error.headers["retry-after"]) == ("true", "5")
    await other.closed()
    await line.settle()
    assert served.node.statistics().refused_total == 1


async def test_a_stop_tells_clients_to_come_back(serve: Serve) -> None:
    served = await serve()
    line = await served.client()
    stopped = asyncio.create_task(served.node.stop())
    error = await line.error()
    assert (error.headers["reconnect"], error.headers["disconnect-reason"]) == ("true", "service-restart")
    await line.closed()
    await stopped
    assert served.node.statistics().connections == 0


async def test_a_connection_that_ended_leaves_nothing_to_the_garbage_collector() -> None:
    async with serving(make_app(tcp_port=0)) as under:
        served = TcpServed(under)
        line = await served.client()
        gone = weakref.ref(under.session(line))
        gc.collect()
        gc.disable()
        try:
            await line.request("DISCONNECT")
            await line.closed()
            await until(lambda: served.node.statistics().connections == 0)
            await until(lambda: gone() is None, "the end of the session")
        finally:
            gc.enable()
