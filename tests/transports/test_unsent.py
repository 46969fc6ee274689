"""What a transport has not got rid of yet, and so who reads slowly and who reads nothing."""

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from certificates import self_signed
from serving import Served, make_app, serving, until
from sockjsclient import Exchange, fetch, session_url, stream
from stompsocket import StompSocket
from tcpserving import TcpServed

PLACE = "/topic/large"
SIZE = 24_000_000  # far more than two kernels hold
READ = 256 * 1024
Reads = Callable[[], Awaitable[object]]
Close = Callable[[], None]
Connect = Callable[[Served, Path], Awaitable[tuple[Reads, Close]]]


def from_socket(client: StompSocket) -> tuple[Reads, Close]:
    return lambda: asyncio.get_running_loop().sock_recv(client.sock, READ), client.drop


async def by_websocket(served: Served, _: Path) -> tuple[Reads, Close]:
    client = await served.client(receive_buffer=4096)
    await client.subscribe(PLACE)
    return from_socket(client)


async def by_tcp(served: Served, _: Path) -> tuple[Reads, Close]:
    line = await TcpServed(served).client(receive_buffer=4096)
    await line.subscribe(PLACE)
    return from_socket(line)


async def by_tls(served: Served, certificate: Path) -> tuple[Reads, Close]:
    trust = ssl.create_default_context(cafile=certificate)
    line = await TcpServed(served).client(receive_buffer=4096, trust=trust)
    await line.subscribe(PLACE)
    assert line._streams is not None
    reader = line._streams[0]
    return lambda: reader.read(READ), line.drop


async def by_xhr_streaming(served: Served, _: Path) -> tuple[Reads, Close]:
    url = session_url(served.http + "/stomp")
    response: Exchange = await stream(url + "/xhr_streaming")
    frames = ["CONNECT\naccept-version:1.2\nhost:x\n\n\0", f"SUBSCRIBE\nid:1\ndestination:{PLACE}\n\n\0"]
    await fetch(url + "/xhr_send", "POST", json.dumps(frames))
    await until(lambda: any(session.subscriptions for session in served.node.transports))
    line: asyncio.Transport = response.writer.transport
    line.pause_reading()

    async def read() -> None:
        line.resume_reading()
        await response.reader.read(READ)
        line.pause_reading()

    return read, response.close


@pytest.mark.parametrize("connect", [by_websocket, by_tcp, by_tls, by_xhr_streaming])
async def test_who_takes_one_large_message_slowly_stays_and_who_takes_nothing_more_is_cut(
    connect: Connect, tmp_path: Path
) -> None:
    encrypted = {}
    if connect is by_tls:
        certificate, key = self_signed(tmp_path)
        encrypted = {"tcp_certificate": certificate, "tcp_key": key}
    app = make_app(
        tcp_port=0, outbound_age_s=30, idle_timeout_s=36_000, sockjs_stream_bytes=10**9, **encrypted
    )
    async with serving(app) as served:
        read, close = await connect(served, Path(encrypted.get("tcp_certificate", "")))
        (session,) = served.node.transports
        outbox = session.outbox
        await app.publish(PLACE, "x" * SIZE)
        if connect is by_xhr_streaming:  # the server takes one body, and waits with the next
            await until(lambda: not outbox.blocked and session.transport.unsent_bytes() > SIZE // 2)
            await app.publish(PLACE, "x" * 100_000)
        await until(lambda: outbox.blocked and outbox.unsent_bytes is not None, "a look at it")
        for _ in range(3):
            before = session.transport.unsent_bytes()
            while session.transport.unsent_bytes() == before:
                await read()
            since = outbox.since
            served.clock.shift += 31
            await until(lambda since=since: outbox.since > since, "another look")
            assert not session.closed
        for _ in range(20):  # the kernels may have had something on its way between them
            if session.closed:
                break
            since = outbox.since
            served.clock.shift += 31
            await until(lambda since=since: session.closed or outbox.since > since)
        assert session.closed
        assert served.logged("session ended", why="slow-consumer")
        close()
