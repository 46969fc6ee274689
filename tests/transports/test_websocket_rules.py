"""RFC 6455 above picows' parser: fragments, control frames, text, and peers that break the rules."""

import asyncio
import contextlib
import os
import struct

import pytest

from serving import Served, make_app, serving, until
from stompsocket import Closed, StompSocket, encode

SEND = encode("SEND", {"destination": "/topic/a"}, "hello")


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    rsv: int = 0,
    mask: bool = True,
    length: bytes = b"",
) -> bytes:
    """A client's WebSocket frame, right or wrong."""
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    size = len(payload)
    if not length:
        length = (
            bytes([size])
            if size < 126
            else b"\x7e" + struct.pack("!H", size)
            if size < 65536
            else b"\x7f" + struct.pack("!Q", size)
        )
    key = os.urandom(4) if mask else b""
    masked = bytes(byte ^ key[index % 4] for index, byte in enumerate(payload)) if mask else payload
    return bytes([first, length[0] | (0x80 if mask else 0)]) + length[1:] + key + masked


BROKEN = {
    "unmasked": (1002, frame(1, SEND, mask=False)),
    "rsv1": (1002, frame(1, SEND, rsv=4)),
    "rsv2": (1002, frame(2, SEND, rsv=2)),
    "rsv on ping": (1002, frame(9, b"", rsv=1)),
    "opcode 3": (1002, frame(3, SEND)),
    "opcode 11": (1002, frame(11)),
    "fragmented ping": (1002, frame(9, b"x", fin=False)),
    "long ping": (1002, frame(9, b"x" * 126)),
    "long close": (1002, frame(8, struct.pack("!H", 1000) + b"x" * 124)),
    "continuation of nothing": (1002, frame(0, SEND)),
    "message within a message": (1002, frame(1, SEND[:5], fin=False) + frame(1, SEND)),
    "binary within a message": (1002, frame(1, SEND[:5], fin=False) + frame(2, SEND)),
    "length not minimal": (1002, frame(1, SEND, length=b"\x7e" + struct.pack("!H", len(SEND)))),
    "length with the highest bit": (1002, frame(1, b"", length=b"\x7f" + b"\xff" * 8)),
    "close of one byte": (1002, frame(8, b"\x03")),
    "close with a forbidden code": (1002, frame(8, struct.pack("!H", 1005))),
    "close with an unknown code": (1002, frame(8, struct.pack("!H", 2500))),
    "close reason not UTF-8": (1007, frame(8, struct.pack("!H", 1000) + b"\xff")),
    "text not UTF-8": (1007, frame(1, b"SEND\n\xff")),
    "text cut within a character": (1007, frame(1, "SEND\nä".encode()[:-1])),
    "surrogate": (1007, frame(1, b"\xed\xa0\x80")),
    "overlong": (1007, frame(1, b"\xc0\xaf")),
    "fragments not UTF-8": (1007, frame(1, b"SEND", fin=False) + frame(0, b"\xff\xff")),
    "a frame that is too big": (1009, frame(2, b"x" * 6000)),
    "a frame that promises too much": (1009, frame(2, b"", length=b"\x7f" + struct.pack("!Q", 1 << 40))),
    "fragments that are too big together": (1009, frame(2, b"x" * 3000, fin=False) + frame(0, b"x" * 3000)),
}  # fmt: skip
REASONS = {1002: "protocol-error", 1007: "invalid-text", 1009: "message-too-big"}


@pytest.mark.parametrize("name", BROKEN)
async def test_a_broken_rule_ends_the_connection_with_its_code_and_is_logged_so(name: str) -> None:
    code, data = BROKEN[name]
    async with serving(make_app(max_message_bytes=5000)) as served:
        client = await served.client()
        await client.send_bytes(data)
        assert (await client.closed()).code == code
        line = await served.ended(REASONS[code])
        assert line["detail"]
        await until(lambda: served.node.statistics().connections == 0)


@pytest.mark.parametrize("name", BROKEN)
async def test_it_does_so_in_the_midst_of_frames_that_are_right_too(name: str) -> None:
    code, data = BROKEN[name]
    async with serving(make_app(max_message_bytes=5000)) as served:
        client, other = await served.client(), await served.client()
        await other.subscribe("/topic/a")
        await client.send_bytes(frame(1, SEND) * 3 + data + frame(1, SEND) * 3)
        closed = await client.closed()
        assert closed.code == code
        frames = await other.settle()
        assert len(frames) <= 3, "nothing behind it was served"


@pytest.mark.parametrize("name", BROKEN)
async def test_the_client_is_told_why_before_the_close_frame_and_nothing_follows_that(name: str) -> None:
    code, data = BROKEN[name]
    async with serving(make_app(max_message_bytes=5000)) as served:
        client = await served.client()
        await client.subscribe("/topic/a")
        await client.send_bytes(frame(1, SEND) * 3 + data + frame(1, SEND) * 3)
        raw = await everything(client)
        assert opcodes(raw).index(8) == len(opcodes(raw)) - 1
        _, _, close = raw.partition(b"ERROR")
        assert b"\ndisconnect-reason:" + REASONS[code].encode() + b"\n" in close
        assert b"RECEIPT" not in close


CLOSE = frame(8, struct.pack("!H", 1000) + b"bye")


@pytest.mark.parametrize(
    "after", [CLOSE, frame(3), frame(1, SEND, mask=False)], ids=["close", "opcode", "no mask"]
)
async def test_what_follows_a_close_frame_does_not_change_its_answer(after: bytes) -> None:
    async with serving(make_app()) as served:
        client = await served.client()
        await client.send_bytes(CLOSE + after)
        assert (await everything(client)) == b"\x88\x02" + struct.pack("!H", 1000)
        await served.ended("disconnect")


async def test_after_a_broken_rule_nothing_more_is_read_into_memory() -> None:
    async with serving(make_app(max_message_bytes=5000)) as served:
        client = await served.client()
        session = served.session(client)
        before = served.node.bytes_in
        await client.send_bytes(frame(2, b"", length=b"\x7f" + struct.pack("!Q", 1 << 40)))
        with contextlib.suppress(OSError):
            while not session.closed:
                await client.send_bytes(b"x" * 100_000)
        assert served.node.bytes_in == before
        await until(lambda: session.closed)


async def everything(client: StompSocket) -> bytes:
    """What the server still writes, until it ends the connection."""
    raw = b""
    with contextlib.suppress(ConnectionResetError):
        async with asyncio.timeout(5):
            while part := await asyncio.get_running_loop().sock_recv(client.sock, 65536):
                raw += part
    return raw


def opcodes(data: bytes) -> list[int]:
    """What kinds of frames a server has written."""
    found, position = [], 0
    while position < len(data):
        length = data[position + 1]
        found.append(data[position] & 15)
        position += 2
        if length > 125:
            size = 2 if length == 126 else 8
            length = int.from_bytes(data[position : position + size])
            position += size
        position += length
    assert position == len(data)
    return found


@pytest.fixture
async def pair() -> object:
    """A client that sends, and one that listens on /topic/a."""
    async with serving(make_app()) as served:
        client, other = await served.client(), await served.client()
        await other.subscribe("/topic/a")
        yield served, client, other


Pair = tuple[Served, StompSocket, StompSocket]


async def test_fragments_make_one_message_with_control_frames_between_them(pair: Pair) -> None:
    _, client, other = pair
    parts = [SEND[index : index + 7] for index in range(0, len(SEND), 7)]
    data = b""
    for index, part in enumerate(parts):
        data += frame(1 if index == 0 else 0, part, fin=index == len(parts) - 1)
        data += frame(9, b"ping %d" % index) + frame(10, b"unasked pong")
    await client.send_bytes(data)
    assert (await other.message()).text == "hello"


async def test_empty_fragments_and_empty_messages_are_fine(pair: Pair) -> None:
    _, client, other = pair
    await client.send_bytes(
        frame(1, b"") + frame(2, b"") + frame(1, b"", fin=False) + frame(0, SEND, fin=False) + frame(0, b"")
    )
    assert (await other.message()).text == "hello"


async def test_a_frame_may_come_byte_by_byte(pair: Pair) -> None:
    _, client, other = pair
    for byte in frame(1, SEND):
        await client.send_bytes(bytes([byte]))
    assert (await other.message()).text == "hello"


async def test_many_frames_may_come_in_one_packet(pair: Pair) -> None:
    _, client, other = pair
    await client.send_bytes(frame(1, SEND) * 200)
    for _ in range(200):
        assert (await other.message()).text == "hello"


@pytest.mark.parametrize("size", [100, 125, 126, 127, 4000, 65_535, 65_536, 200_000])
async def test_every_form_of_length_goes_both_ways(pair: Pair, size: int) -> None:
    _, client, other = pair
    payload = encode("SEND", {"destination": "/topic/a"}, "")[:-1]
    body = b"x" * (size - len(payload) - 1)
    await client.send_bytes(frame(2, payload + body + b"\0"))
    assert (await other.message()).body == body


async def test_a_ping_is_answered_with_its_payload(pair: Pair) -> None:
    _, client, _ = pair
    raw = b""
    await client.send_bytes(frame(9, b"are you there?"))
    async with asyncio.timeout(5):
        while b"are you there?" not in raw:
            raw += await asyncio.get_running_loop().sock_recv(client.sock, 1000)
    assert raw == b"\x8a\x0eare you there?"


async def test_frames_behind_a_close_frame_are_not_served(pair: Pair) -> None:
    served, client, other = pair
    await client.send_bytes(frame(8, struct.pack("!H", 1000)) + frame(1, SEND) * 5)
    closed: Closed = await client.closed()
    assert closed.code == 1000
    assert await other.settle() == []
    await served.ended("disconnect")


@pytest.mark.parametrize("blocked", [False, True])
async def test_no_data_follows_the_answer_to_a_close_frame(blocked: bool) -> None:
    async with serving(make_app(close_timeout_s=5)) as served:
        client = await served.client(receive_buffer=4096)
        await client.subscribe("/topic/a")
        session = served.session(client)
        while blocked and session.outbox.queued_bytes < 100_000:
            await served.app.publish("/topic/a", "x" * 20_000)
        await client.send_bytes(frame(8, struct.pack("!H", 1000)))
        await until(lambda: session.transport._closing)  # type: ignore[attr-defined]
        for _ in range(5):
            await served.app.publish("/topic/a", "late")
        raw = b""
        async with asyncio.timeout(5):
            while part := await asyncio.get_running_loop().sock_recv(client.sock, 65536):
                raw += part
                await served.app.publish("/topic/a", "later")
        kinds = opcodes(raw)
        assert kinds.index(8) == len(kinds) - 1
        await served.ended("disconnect")


async def test_frames_while_the_server_closes_are_not_served(pair: Pair) -> None:
    served, client, other = pair
    await served.app.close_session(client.session)
    await client.send_bytes(frame(1, SEND) * 5)
    assert (await client.closed()).code == 4500
    assert await other.settle() == []


async def test_the_headers_of_the_handshake_are_not_kept(pair: Pair) -> None:
    served, client, _ = pair
    transport = served.session(client).transport
    assert not transport._ws.request.headers  # type: ignore[attr-defined]


GOOD = b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"


@pytest.mark.parametrize(
    ("request_line", "headers", "status"),
    [
        (
            b"GET /stomp HTTP/1.1",
            b"Sec-WebSocket-Version: 12\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
            b"426",
        ),
        (b"GET /stomp HTTP/1.1", b"Sec-WebSocket-Version: 13\r\n", b"400"),
        (
            b"GET /elsewhere HTTP/1.1",
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
            b"403",
        ),
        (b"GET /stomp HTTP/1.1", GOOD.replace(b"13", b"\xcb3"), b"426"),
        (b"GET /stomp HTTP/1.1", GOOD + b"Origin: http://\xff\r\n", b"403"),
        (b"GET /stomp HTTP/1.1", GOOD + b"Sec-WebSocket-Protocol: \xff\r\n", b"400"),
        (b"GET /stomp HTTP/1.1", GOOD + b"Cookie: name=\xc3\xa4 \xff\r\n", b"101"),
    ],
)
async def test_a_handshake_that_is_none_is_refused_and_strange_headers_are_no_crash(
    request_line: bytes, headers: bytes, status: bytes
) -> None:
    async with serving(make_app()) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(
            request_line + b"\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" + headers + b"\r\n"
        )
        async with asyncio.timeout(5):
            assert (await reader.readline()).split()[1] == status
        writer.close()
        await until(lambda: served.node.statistics().connections == 0)


async def test_a_version_that_is_not_spoken_is_answered_with_those_that_are() -> None:
    async with serving(make_app()) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(
            b"GET /stomp HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            + GOOD.replace(b"13", b"14") + b"\r\n"
        )  # fmt: skip
        async with asyncio.timeout(5):
            assert b"\r\nSec-WebSocket-Version: 13, 8, 7\r\n" in await reader.read()
        writer.close()
