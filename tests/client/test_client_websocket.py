import asyncio
import os
import ssl
import subprocess
from pathlib import Path

import pytest
from picows import WSMsgType
from stomp_peer import Peer

from stompede.client import Backoff, DialError, connect
from stompede.errors import SessionClosedError
from stompede.messaging.message import Message


async def test_a_message_may_come_in_fragments_binary_and_with_pings_between(peer: Peer) -> None:
    async with connect(peer.url) as client, client.subscribe("/topic/a", str) as messages:
        conversation = peer.conversations[0]
        name = next(key for key, where in conversation.subscriptions.items() if where == "/topic/a")
        body = "särki".encode()
        frame = conversation.wire.send_message(Message("/topic/a", body), message_id="1", subscription=name)
        cut = frame.index("ä".encode()) + 1  # in the middle of a character
        transport = conversation.transport
        transport.send(WSMsgType.TEXT, frame[:cut], fin=False)
        transport.send_ping(b"alive?")
        transport.send(WSMsgType.CONTINUATION, frame[cut:], fin=True)
        assert (await messages.next()).body == "särki"
        await peer.until(lambda: WSMsgType.PONG in peer.controls)
        peer.binary = True
        peer.publish("/topic/a", b"binary")
        assert (await messages.next()).body == "binary"


async def test_bytes_that_are_no_text_travel_both_ways(peer: Peer) -> None:
    peer.binary = True
    payload = bytes(range(256))
    async with connect(peer.url) as client, client.subscribe("/topic/a") as messages:
        await client.send("/topic/a", payload)
        assert (await messages.next()).body == payload


@pytest.mark.parametrize("fin", [True, False])
async def test_a_message_beyond_the_bound_ends_the_connection_with_1009(peer: Peer, fin: bool) -> None:
    async with connect(peer.url, max_message_bytes=2000, reconnect=None) as client:
        conversation = peer.conversations[0]
        if fin:
            conversation.transport.send(WSMsgType.TEXT, bytes(3000))
        else:
            conversation.transport.send(WSMsgType.TEXT, b"a" * 1500, fin=False)
            conversation.transport.send(WSMsgType.CONTINUATION, b"a" * 1500, fin=False)
        await client.wait_closed()
        await peer.until(lambda: conversation.close_code is not None)
        assert conversation.close_code == 1009
        with pytest.raises(SessionClosedError) as caught:
            await client.send("/topic/a", b"")
        assert caught.value.code == 1009


async def test_text_that_is_not_utf8_ends_the_connection_with_1007(peer: Peer) -> None:
    async with connect(peer.url, reconnect=Backoff(initial_s=0.01)) as client:
        conversation = peer.conversations[0]
        conversation.transport.send(WSMsgType.TEXT, b"\xff\xff")
        await client.wait_closed()
        with pytest.raises(SessionClosedError) as caught:
            await client.send("/topic/a", b"")
        assert caught.value.code == 1007
        await peer.until(lambda: conversation.close_code is not None)
        assert conversation.close_code == 1007


async def test_bytes_that_are_no_stomp_end_the_connection_with_1002(peer: Peer) -> None:
    async with connect(peer.url, reconnect=None) as client:
        conversation = peer.conversations[0]
        conversation.transport.send(WSMsgType.TEXT, b"GREETINGS\n\n\0")
        await client.wait_closed()
        with pytest.raises(SessionClosedError, match="protocol-error") as caught:
            await client.send("/topic/a", b"")
        assert caught.value.code == 1002


async def test_a_server_without_subprotocols_is_fine_and_one_with_its_own_is_not(peer: Peer) -> None:
    peer.subprotocol = None
    async with connect(peer.url):
        pass
    peer.subprotocol = "mqtt"
    with pytest.raises(DialError, match="mqtt") as caught:
        async with connect(peer.url):
            pass
    assert not caught.value.reconnect


async def test_headers_of_the_handshake_are_sent(peer: Peer) -> None:
    async with connect(peer.url, headers={"Origin": "https://example.org"}):
        assert peer.conversations[0].request.headers["Origin"] == "https://example.org"


async def test_a_refused_handshake_says_status_and_sentence(peer: Peer) -> None:
    peer.refuse_handshake = 503
    with pytest.raises(DialError, match="HTTP 503: not now") as caught:
        async with connect(peer.url):
            pass
    assert (caught.value.code, caught.value.reconnect) == (503, True)


async def test_what_is_no_websocket_server_is_said_so() -> None:
    async def chat(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"220 mail.example.org ESMTP\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(chat, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(DialError):
            async with connect(f"ws://127.0.0.1:{port}/"):
                pass


async def test_a_server_that_closes_during_the_handshake_is_said_so() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(DialError, match="handshake"):
            async with connect(f"ws://127.0.0.1:{port}/"):
                pass


async def test_cancelling_during_the_handshake_closes_the_socket_at_once() -> None:
    closed = asyncio.Event()
    arrived = asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        arrived.set()
        await reader.read()
        closed.set()
        writer.close()

    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        task = asyncio.create_task(connect(f"ws://127.0.0.1:{port}/", connect_timeout_s=300).__aenter__())
        await arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(5):
            await closed.wait()


async def test_the_environments_proxy_is_not_used(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with connect(peer.url) as client:
        assert client.connected


async def test_a_proxy_that_is_given_is_used(peer: Peer) -> None:
    asked: list[bytes] = []

    async def tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[0])
        onward_reader, onward_writer = await asyncio.open_connection("127.0.0.1", peer.port)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")

        async def pass_on(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
            while data := await source.read(4096):
                target.write(data)
            target.close()

        await asyncio.gather(pass_on(reader, onward_writer), pass_on(onward_reader, writer))

    async with await asyncio.start_server(tunnel, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with connect(peer.url, proxy=f"http://127.0.0.1:{port}") as client:
            await client.send("/topic/a", b"x")
    assert asked == [f"CONNECT 127.0.0.1:{peer.port} HTTP/1.1".encode()]


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for 127.0.0.1 with its key in one file."""
    folder = tmp_path_factory.mktemp("tls")
    path = folder / "server.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
        check=True, capture_output=True, env={**os.environ},
    )  # fmt: skip
    path.write_bytes((folder / "key.pem").read_bytes() + (folder / "cert.pem").read_bytes())
    return path


async def test_wss_checks_the_certificate_by_the_context_that_is_given(certificate: Path) -> None:
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(certificate)
    peer = Peer()
    await peer.start(ssl=server_side)
    url = peer.url.replace("ws://", "wss://")
    async with connect(url, ssl=ssl.create_default_context(cafile=str(certificate))) as client:
        await client.send("/topic/a", b"x")
    with pytest.raises(DialError, match="certificate"):
        async with connect(url):
            pass
    await peer.stop()


async def test_a_send_waits_while_the_server_does_not_read(peer: Peer) -> None:
    async with connect(peer.url, max_queued_sends=3, close_timeout_s=0.2) as client:
        conversation = peer.conversations[0]
        underlying = conversation.transport.underlying_transport
        underlying.pause_reading()
        body = bytes(64 * 1024)
        sent = 0

        async def flood() -> None:
            nonlocal sent
            for _ in range(400):
                await client.send("/topic/flood", body, receipt=False)
                sent += 1

        flooding = asyncio.create_task(flood())
        async with asyncio.timeout(10):
            while client.statistics().queued_sends < 3:  # noqa: ASYNC110 - nothing tells when a kernel's buffer is full
                await asyncio.sleep(0)
        assert not flooding.done()
        assert sent < 400
        underlying.resume_reading()
        await flooding
        await peer.until(lambda: len(peer.sends()) == 400)
