"""Order within a session, independence between sessions, and bounds with back-pressure on the socket."""

import asyncio
import json
import threading
from collections.abc import Callable
from typing import Any

import pytest

from serving import Serve, Served, make_app, shortly, until
from stompede import Stompede, StompSession
from stompsocket import StompSocket, encode


class Gate:
    """Handlers that wait until a test lets them go on."""

    def __init__(self, app: Stompede) -> None:
        self.open = asyncio.Event()
        self.begun: list[str] = []
        self.ended: list[str] = []

        @app.message("/wait", publish="/topic/done")
        async def wait(body: str) -> str:
            self.begun.append(body)
            await self.open.wait()
            self.ended.append(body)
            return body

        @app.message("/quick", publish="/topic/done")
        async def quick(body: str) -> str:
            self.begun.append(body)
            self.ended.append(body)
            return body


async def test_frames_of_one_session_are_handled_in_order_while_other_sessions_go_on(serve: Serve) -> None:
    app = make_app()
    gate = Gate(app)
    served = await serve(app)
    slow, other = await served.client(), await served.client()
    await other.subscribe("/topic/done")
    await other.subscribe("/topic/direct", 1)
    await slow.send("SEND", {"destination": "/app/wait"}, "1")
    await slow.send("SEND", {"destination": "/app/quick"}, "2")
    await slow.send("SEND", {"destination": "/topic/direct"}, "3")
    await other.request("SEND", {"destination": "/app/quick"}, "other")
    assert (await other.message()).text == "other"
    assert gate.begun == ["1", "other"]
    gate.open.set()
    assert [(await other.message()).text for _ in range(3)] == ["1", "2", "3"]


async def test_a_hundred_frames_in_one_message_are_handled_in_order(serve: Serve) -> None:
    app = make_app()

    @app.message("/n", publish="/topic/n")
    async def number(body: int) -> int:
        if body % 7 == 0:
            await shortly()
        return body

    served = await serve(app)
    client, other = await served.client(), await served.client()
    await other.subscribe("/topic/n")
    await client.send_ws(
        b"".join(encode("SEND", {"destination": "/app/n"}, str(number)) for number in range(100))
    )
    assert [int((await other.message()).text) for _ in range(100)] == list(range(100))


async def test_frames_cut_at_any_byte_are_the_same_frames(serve: Serve) -> None:
    served = await serve()
    client, other = await served.client(), await served.client()
    await other.subscribe("/topic/a")
    frames = b"".join(encode("SEND", {"destination": "/topic/a", "n": n}, "päivää") for n in range(3))
    for position in range(len(frames)):
        await client.send_ws(frames[position : position + 1], text=False)
    for number in range(3):
        message = await other.message()
        assert (message.text, message.headers["n"]) == ("päivää", str(number))


async def test_a_character_may_be_cut_by_fragments_but_not_by_messages_of_text(serve: Serve) -> None:
    served = await serve()
    client, other = await served.client(), await served.client()
    await other.subscribe("/topic/a")
    frame = encode("SEND", {"destination": "/topic/a"}, "päivää")
    cut = frame.index("ä".encode()) + 1
    await client.send_ws(frame[:cut], fin=False)
    await client.send_ws(b"ping", opcode=9)
    await client.send_ws(frame[cut:], opcode=0)
    assert (await other.message()).text == "päivää"


# Back-pressure.


async def pump(client: StompSocket, frame: bytes) -> None:
    """Sends the same for ever."""
    while True:
        await client.send_ws(frame)


async def steady(value: Callable[[], int]) -> None:
    """Waits until a value has stayed the same for a while."""
    seen: list[int] = []
    await until(lambda: seen.append(value()) or (len(seen) > 50 and len(set(seen[-50:])) == 1))


@pytest.fixture
async def flooded(serve: Serve) -> Any:
    """A session whose handler waits, and whose client sends and sends."""
    app = make_app(inbound_bytes=10_000, max_message_bytes=20_000, heart_beat_receive_ms=1000)
    gate = Gate(app)
    served = await serve(app)
    client = await served.client({"heart-beat": "1000,0"})
    await client.send("SEND", {"destination": "/app/wait"}, "1")
    await until(lambda: gate.begun)
    task = asyncio.create_task(pump(client, encode("SEND", {"destination": "/topic/x"}, "x" * 5000)))
    session = served.session(client)
    await until(lambda: session.reading_paused)
    yield served, client, gate, session, task
    gate.open.set()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_busy_session_is_not_read_beyond_its_bound(flooded: Any) -> None:
    served, _, gate, session, task = flooded
    await steady(lambda: served.node.bytes_in)  # the client, too, is stopped by TCP
    assert not task.done()
    assert session.wire.buffered_bytes <= 10_000 + 20_000
    assert served.node.statistics().reading_paused_total == 1
    gate.open.set()
    await until(lambda: served.node.statistics().hub.published > 20)
    await until(lambda: served.node.bytes_in > 500_000)


async def test_meanwhile_other_sessions_are_served(flooded: Any) -> None:
    served, *_ = flooded
    one, two = await served.client(), await served.client()
    await one.subscribe("/topic/a")
    await two.request("SEND", {"destination": "/topic/a"}, "hello")
    assert (await one.message()).text == "hello"


async def test_meanwhile_no_heart_beat_is_missed(flooded: Any) -> None:
    served, _, gate, session, task = flooded
    task.cancel()
    served.clock.shift = 600
    other = await served.client()
    await until(
        lambda: served.node.deadlines._last and served.node.deadlines._last * 0.25 > served.clock.now() - 1
    )
    await other.settle()
    assert not session.closed
    gate.open.set()
    await until(lambda: not session.reading_paused)
    assert not session.closed
    served.clock.shift = 1200
    await served.ended("heart-beat-missed")


async def test_whoever_is_read_again_and_stays_silent_is_missed_as_soon_as_anybody_else(flooded: Any) -> None:
    served, _, gate, session, task = flooded
    task.cancel()
    served.clock.shift = 600
    await until(lambda: (served.node.deadlines._last or 0) * 0.25 > served.clock.now() - 1)
    gate.open.set()
    await until(lambda: not session.reading_paused)
    served.clock.shift += (
        4  # a few of its intervals, and far less than the time after which the idle are looked at
    )
    assert served.node.settings.idle_timeout_s / 2 > 20
    await served.ended("heart-beat-missed")


async def test_a_session_that_ends_while_it_is_not_read_is_gone(flooded: Any) -> None:
    served, _, _, session, _ = flooded
    await served.app.close_session(session.id)
    assert session.closed
    await served.ended("closed-by-server")


# Bounds of the node.


async def test_beyond_max_handlers_sessions_wait_their_turn(serve: Serve) -> None:
    app = make_app(max_handlers=2)
    gate = Gate(app)
    served = await serve(app)
    clients = [await served.client() for _ in range(5)]
    for number, client in enumerate(clients):
        await client.send("SEND", {"destination": "/app/wait", "receipt": "r"}, str(number))
    await until(lambda: served.node.runner.statistics().queued == 3)
    assert len(gate.begun) == 2
    gate.open.set()
    for client in clients:
        assert (await client.frame()).headers["receipt-id"] == "r"
    assert sorted(gate.ended) == list("01234")


async def test_a_handler_beyond_its_time_is_ended_and_the_client_told(serve: Serve) -> None:
    app = make_app(handler_timeout_s=0.05)
    Gate(app)
    served = await serve(app)
    client = await served.client()
    await client.errors()
    await client.send("SEND", {"destination": "/app/wait", "receipt": "r"}, "1")
    error = await client.message()
    body = json.loads(error.body)
    assert body["code"] == "unavailable"
    assert "handler_timeout_s" in body["detail"]
    assert error.headers["receipt-id"] == "r"
    await client.request("SEND", {"destination": "/app/quick"}, "2")
    assert served.node.statistics().handlers.timed_out == 1


def blocking_app(**settings: Any) -> tuple[Stompede, threading.Event]:
    app = make_app(**settings)
    gate = threading.Event()

    @app.message("/block", publish="/topic/done")
    def block(body: str) -> str:
        assert gate.wait(10)
        return body

    return app, gate


async def blocked(served: Served, count: int) -> list[StompSocket]:
    clients = [await served.client() for _ in range(count)]
    for client in clients:
        await client.errors()
        await client.send("SEND", {"destination": "/app/block", "receipt": "r"}, "x")
    return clients


async def test_plain_functions_run_in_the_pool_and_do_not_stop_the_loop(serve: Serve) -> None:
    app, gate = blocking_app(pool_threads=2)
    served = await serve(app)
    clients = await blocked(served, 3)
    await until(lambda: served.node.pool.statistics().queued == 1)
    one = await served.client()
    await one.settle()
    gate.set()
    for client in clients:
        assert (await client.frame()).headers["receipt-id"] == "r"


async def test_a_full_pool_is_said_to_the_client(serve: Serve) -> None:
    app, gate = blocking_app(pool_threads=1, pool_queue=1)
    served = await serve(app)
    clients = await blocked(served, 2)
    await until(lambda: served.node.pool.statistics().queued == 1)
    [third] = await blocked(served, 1)
    error = await third.message()
    assert json.loads(error.body)["code"] == "unavailable"
    gate.set()
    for client in clients:
        assert (await client.frame()).headers["receipt-id"] == "r"
    assert served.node.pool.statistics().refused == 1


async def test_what_follows_a_subscribe_waits_for_its_listener_and_for_its_receipt_alike(
    serve: Serve,
) -> None:
    app = make_app()
    app.destination("/topic/a", presence=True)
    listening, told = asyncio.Event(), asyncio.Event()
    begun: list[str] = []

    @app.on_subscribe
    async def came(session: StompSession, destination: str) -> None:
        if destination == "/topic/presence/a":
            listening.set()
            await told.wait()

    @app.message("/work")
    async def work(body: str) -> str:
        begun.append(body)
        await shortly()
        return body

    served = await serve(app)
    client = await served.client()
    await client.subscribe("/session/queue/replies", 1)
    await client.send("SUBSCRIBE", {"id": 2, "destination": "/topic/presence/a", "receipt": "s"})
    for number in range(3):
        await client.send("SEND", {"destination": "/app/work", "receipt": number}, str(number))
    await listening.wait()
    frames = [await client.frame() for _ in range(2)]  # who is there, and the RECEIPT
    assert [frame.command for frame in frames] == ["MESSAGE", "RECEIPT"]
    await served.node.who_is_on("/topic/a").present("/topic/a", 1)
    assert begun == []
    told.set()
    frames = [await client.frame() for _ in range(6)]
    assert [frame.text or frame.headers["receipt-id"] for frame in frames] == list("001122")
