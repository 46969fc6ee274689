"""The limits of request heads on the port that WebSocket and HTTP share."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI, Request

from serving import Served, serving
from stompede import Settings, Stompede
from stompede.transports.complaints import LINE_EVERY_S

GET = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
UPGRADE = (
    b"GET /stomp HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


class Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def answer(self) -> tuple[int, bytes]:
        """Status and body of the next response."""
        async with asyncio.timeout(5):
            head = await self.reader.readuntil(b"\r\n\r\n")
            lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
            body = await self.reader.readexactly(int(lengths[0].split(b":")[1])) if lengths else b""
        return int(head.split()[1]), body

    async def ended(self) -> bytes:
        """What still came before the end."""
        async with asyncio.timeout(5):
            with contextlib.suppress(ConnectionError):
                return await self.reader.read()
        return b""


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    fastapi = FastAPI()

    @fastapi.post("/length")
    async def length(request: Request) -> int:
        return len(await request.body())

    app = Stompede(
        fastapi, settings=Settings(jwt_secret="x" * 40, handshake_timeout_s=0.4, close_timeout_s=0.5)
    )
    async with serving(app) as served:
        yield served


@pytest.fixture
async def connection(served: Served) -> AsyncIterator[Connection]:
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    yield Connection(reader, writer)
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def test_several_requests_on_one_connection_and_then_a_handshake(connection: Connection) -> None:
    for _ in range(3):
        connection.writer.write(GET)
        assert await connection.answer() == (200, b'{"status":"ok"}')
    connection.writer.write(UPGRADE)
    assert (await connection.answer())[0] == 101


async def test_a_head_may_come_in_pieces(connection: Connection) -> None:
    for index in range(0, len(UPGRADE), 10):
        connection.writer.write(UPGRADE[index : index + 10])
        await connection.writer.drain()
    assert (await connection.answer())[0] == 101


async def test_a_long_head_is_fine_up_to_a_bound(connection: Connection) -> None:
    connection.writer.write(GET[:-2] + b"Cookie: " + b"x" * 15_000 + b"\r\n\r\n")
    assert (await connection.answer())[0] == 200
    connection.writer.write(UPGRADE[:-2] + b"Cookie: " + b"x" * 8_000 + b"\r\n\r\n")
    assert (await connection.answer())[0] == 101


async def test_a_head_without_end_is_refused_before_it_takes_memory(connection: Connection) -> None:
    connection.writer.write(b"GET /health/live HTTP/1.1\r\nHost: x\r\n")
    said = b""
    with contextlib.suppress(ConnectionError):
        for number in range(1000):
            connection.writer.write(b"X-%d: %s\r\n" % (number, b"x" * 1000))
            await connection.writer.drain()
    said = await connection.ended()
    assert said == b"" or said.split()[1] == b"431"  # the answer may be lost where the client still writes


@pytest.mark.parametrize("size", [10, 500_000])
async def test_a_body_is_no_head(connection: Connection, size: int) -> None:
    for _ in range(2):
        connection.writer.write(b"POST /length HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size)
        connection.writer.write(b"x" * size)
        assert await connection.answer() == (200, str(size).encode())


async def test_a_body_may_take_longer_than_the_head(connection: Connection) -> None:
    connection.writer.write(b"POST /length HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.6):
            await connection.reader.read(1)
    connection.writer.write(b"cd")
    assert await connection.answer() == (200, b"4")


@pytest.mark.parametrize("before", [b"", GET])
async def test_half_a_head_ends_in_time_also_of_a_further_request(
    connection: Connection, before: bytes
) -> None:
    if before:
        connection.writer.write(before)
        await connection.answer()
    connection.writer.write(GET[:20])
    assert await connection.ended() == b""


async def test_a_connection_that_waits_between_requests_is_not_cut_by_the_limit_of_heads(
    connection: Connection,
) -> None:
    connection.writer.write(GET)
    await connection.answer()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.6):
            await connection.reader.read(1)
    connection.writer.write(GET)
    assert (await connection.answer())[0] == 200


@pytest.mark.parametrize("pieces", [[UPGRADE + b"\x81"], [UPGRADE[:30], UPGRADE[30:] + b"x" * 3000]])
async def test_a_handshake_with_data_behind_it_is_refused_since_its_client_must_wait_for_the_answer(
    connection: Connection, served: Served, pieces: list[bytes]
) -> None:
    for piece in pieces:
        connection.writer.write(piece)
        await connection.writer.drain()
    status, body = await connection.answer()
    assert (status, b"before its answer" in body) == (400, True)
    assert await connection.ended() == b""
    assert served.node.statistics().connections == 0


async def test_nonsense_is_answered_and_closed(connection: Connection) -> None:
    connection.writer.write(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 this is TLS\r\n\r\n")
    assert (await connection.ended()).split()[1] == b"400"


@pytest.mark.parametrize(
    "request_head",
    [
        UPGRADE,
        UPGRADE.replace(b"Connection: Upgrade", b"Connection: keep-alive, Upgrade"),
        UPGRADE.replace(b"Upgrade: websocket", b"upgrade:  WebSocket"),
        UPGRADE.replace(b"Connection: Upgrade", b"Connection: upgrade,keep-alive"),
    ],
)
async def test_a_handshake_is_answered_in_whatever_form_it_comes(
    connection: Connection, request_head: bytes
) -> None:
    connection.writer.write(request_head)
    assert (await connection.answer())[0] == 101


@pytest.mark.parametrize("line", [b"Bad Name: x\r\n", b" folded\r\n", b"no colon\r\n"])
async def test_a_handshake_with_a_malformed_header_is_refused(connection: Connection, line: bytes) -> None:
    connection.writer.write(UPGRADE.replace(b"Upgrade: websocket\r\n", b"Upgrade: websocket\r\n" + line))
    assert (await connection.answer())[0] == 400


async def test_requests_that_are_wrong_are_counted_and_a_line_tells_of_them_now_and_then(
    served: Served, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def send(data: bytes) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        connection = Connection(reader, writer)
        writer.write(data)
        assert (await connection.answer())[0] == 400
        writer.close()

    early = "Data follows the WebSocket handshake before its answer was sent."
    for _ in range(5):
        await send(b"nonsense\r\n\r\n")
        await send(UPGRADE + b"CONNECT\n")
    invalid = "Invalid HTTP request received."
    assert sorted(record.getMessage() for record in caplog.records) == [early, invalid]
    loop = asyncio.get_running_loop()
    real = loop.time
    monkeypatch.setattr(loop, "time", lambda: real() + LINE_EVERY_S)
    await send(b"nonsense\r\n\r\n")
    monkeypatch.undo()
    assert caplog.records[-1].getMessage() == f"{invalid} And 4 more since the line before."
    assert (caplog.records[-1].levelname, len(caplog.records)) == ("WARNING", 3)
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    text = await Connection(reader, writer).ended()
    writer.close()
    assert b"\nstompede_http_requests_malformed_total 11.0\n" in text
