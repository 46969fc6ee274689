"""Clients that send more than is good: they cost a bounded amount of memory, and leave nothing behind."""

import asyncio
import contextlib
import gc
import socket
import weakref
from collections.abc import AsyncIterator
from typing import Any

import pytest
from test_server_slow_consumers import BODY, an_app, block, slow

from serving import Serve, Served, make_app, serving, until
from stompede import StompSession
from stompsocket import Closed, StompSocket, encode


async def test_a_session_that_is_cut_in_its_own_subscribe_leaves_nothing(serve: Serve) -> None:
    served = await serve(an_app())
    client = await slow(served, "/topic/news")
    await block(served, client, "/topic/news")
    session = weakref.ref(served.session(client))
    outbox = served.session(client).outbox
    while outbox.queued_bytes + len(BODY) < 200_000:
        await served.app.publish("/topic/news", BODY)
        await asyncio.sleep(0)
    # The hub delivers what the SEND has brought before the SUBSCRIBE counts: there the session overflows.
    await client.send_ws(
        encode("SEND", {"destination": "/topic/news"}, BODY)
        + encode("SUBSCRIBE", {"id": "again", "destination": "/topic/news"})
    )
    line = await served.ended("slow-consumer")
    assert line["session"] == client.session
    statistics = served.node.statistics()
    assert (statistics.hub.topics, statistics.hub.subscriptions, statistics.bus.channels) == (0, 0, 0)
    assert (statistics.outboxes.blocked, statistics.outboxes.queued_bytes) == (0, 0)
    client.drop()
    await until(lambda: served.node.statistics().connections == 0)

    def is_gone() -> bool:
        gc.collect()
        return session() is None

    await until(is_gone, "the end of the session's memory")


# A stop, and clients that beat.


@contextlib.asynccontextmanager
async def beating(client: StompSocket) -> AsyncIterator[None]:
    """The client sends heart-beats, one after the other."""

    async def beat() -> None:
        with contextlib.suppress(OSError):
            while True:
                await client.send_ws(b"\n")
                await asyncio.sleep(0.01)

    task = asyncio.create_task(beat())
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def beaten(served: Served, **options: Any) -> StompSocket:
    client = await served.client({"heart-beat": "250,250"}, **options)
    await client.subscribe("/topic/news")
    return client


async def test_heart_beats_of_clients_do_not_delay_a_stop(serve: Serve) -> None:
    served = await serve(heart_beat_send_ms=250, heart_beat_receive_ms=250, close_timeout_s=20)
    clients = [await beaten(served) for _ in range(3)]
    async with contextlib.AsyncExitStack() as stack:
        for client in clients:
            await stack.enter_async_context(beating(client))
            await client.beat()
        ends = [asyncio.create_task(client.closed()) for client in clients]
        async with asyncio.timeout(10):
            await served.node.stop()
        ended: list[Closed] = await asyncio.gather(*ends)
    assert [closed.code for closed in ended] == [1012] * 3
    assert served.node.statistics().connections == 0


async def test_a_client_that_beats_and_does_not_answer_the_close_frame_is_cut_in_time(serve: Serve) -> None:
    served = await serve(heart_beat_send_ms=250, heart_beat_receive_ms=250, close_timeout_s=0.3)
    client = await beaten(served)
    async with beating(client), asyncio.timeout(10):
        await served.node.stop()
        await until(lambda: served.node.statistics().connections == 0)


async def test_no_heart_beat_is_missed_while_a_stop_waits_for_a_handler(serve: Serve) -> None:
    app = make_app(heart_beat_send_ms=0, heart_beat_receive_ms=1000)
    begun, go_on = asyncio.Event(), asyncio.Event()

    @app.message("/wait")
    async def wait() -> None:
        begun.set()
        await go_on.wait()

    served = await serve(app)
    client = await served.client({"heart-beat": "1000,0"})
    await client.send("SEND", {"destination": "/app/wait", "receipt": "r"})
    await begun.wait()
    stopping = asyncio.create_task(served.node.stop())
    await until(lambda: not served.node.accepting)
    served.clock.shift = 30
    called = served.node.statistics().deadlines.called
    await until(lambda: served.node.statistics().deadlines.called > called, "a look at the silent client")
    go_on.set()
    assert (await client.frame()).headers["receipt-id"] == "r"
    assert (await client.error()).headers["disconnect-reason"] == "service-restart"
    assert (await client.closed()).code == 1012
    client.drop()
    await stopping


# Pings.


async def test_pings_of_a_client_that_does_not_read_fill_no_memory() -> None:
    async with serving(make_app()) as served:
        client, other = await served.client(receive_buffer=4096), await served.client()
        await other.subscribe("/topic/a")
        session = served.session(client)
        below: Any = session.transport
        below._socket.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)

        async def ping(count: int) -> None:
            """Sends pings, and waits until all of them were read."""
            for _ in range(count):
                await client.send_ws(b"x" * 125, opcode=9)
            await client.send("SEND", {"destination": "/topic/a"}, "after the pings")
            assert (await other.message()).text == "after the pings"

        while not session.outbox.blocked:
            await ping(100)
        full = below._socket.get_write_buffer_size()
        await ping(5000)
        assert below._socket.get_write_buffer_size() <= full + 10_000, (
            "a small part of the pongs: the last one counts"
        )
        assert session.outbox.queued_bytes == 0
        await client.settle()
        assert below._socket.get_write_buffer_size() == 0


# Listeners.


@pytest.mark.parametrize("inbound_bytes", [1_000_000, 2_000])
async def test_a_slow_listener_slows_down_who_subscribes_and_nothing_piles_up(
    serve: Serve, inbound_bytes: int
) -> None:
    app = make_app(inbound_bytes=inbound_bytes)
    go_on = asyncio.Event()
    told: list[str] = []

    @app.on_subscribe
    async def subscribed(session: StompSession, destination: str) -> None:
        told.append(f"+{destination}")
        await go_on.wait()

    @app.on_unsubscribe
    async def unsubscribed(session: StompSession, destination: str) -> None:
        told.append(f"-{destination}")

    served = await serve(app)
    client, other = await served.client(), await served.client()
    expected = []
    for number in range(100):
        expected += [f"+/topic/{number}", f"-/topic/{number}"]
        await client.send("SUBSCRIBE", {"id": number, "destination": f"/topic/{number}"})
        await client.send("UNSUBSCRIBE", {"id": number})
    session = served.session(client)
    await until(
        lambda: session.reading_paused if inbound_bytes < 10_000 else session.wire.buffered_bytes > 5000
    )
    await other.settle()
    assert told == ["+/topic/0"]
    handlers = served.node.statistics().handlers
    assert (handlers.running, handlers.queued) == (1, 0)
    assert served.node.statistics().hub.subscriptions == 1
    go_on.set()
    await until(lambda: told == expected, "each was told of, in order")
    await client.settle()
