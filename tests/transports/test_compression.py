"""permessage-deflate over real connections, with the client of the library ``websockets``."""

import asyncio
import json
import os
import zlib

import httpx
import pytest
from test_websocket_rules import frame
from websockets.asyncio.client import connect
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

from serving import Served, make_app, serving
from stompede import Settings, Stompede
from stompede.transports import CompressionStatistics
from stompede.transports.websocket import WEBSOCKET
from stompsocket import StompSocket, encode

LONG = b'{"rider":"seven","status":"DELIVERING"}' * 100
RSV1 = 4


def compressing_app(**settings: object) -> Stompede:
    return make_app(**{"compression": "/stomp", **settings})


def packed(data: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-15)
    return (stream.compress(data) + stream.flush(zlib.Z_SYNC_FLUSH))[:-4]


async def compressing(served: Served, **options: object) -> StompSocket:
    """A session that agreed on compression."""
    offer = ClientPerMessageDeflateFactory(client_max_window_bits=True, **options)  # type: ignore[arg-type]
    return await served.client(extensions=[offer])


def agreed_on(client: StompSocket) -> str | None:
    return ", ".join(extension.name for extension in client.protocol.extensions) or None


async def test_long_messages_come_compressed_and_short_ones_as_they_are() -> None:
    async with serving(compressing_app()) as served:
        client = await compressing(served)
        assert agreed_on(client) == "permessage-deflate"
        await client.subscribe("/topic/a")
        before = client.read_bytes
        await served.app.publish("/topic/a", LONG)
        assert (await client.message()).body == LONG
        assert client.read_bytes - before < len(LONG) / 10
        before = client.read_bytes
        await served.app.publish("/topic/a", b"x" * 500)
        assert (await client.message()).body == b"x" * 500
        assert client.read_bytes - before > 500


async def test_what_a_client_compresses_arrives_whole_or_in_fragments_with_pings_between() -> None:
    async with serving(compressing_app()) as served:
        client = await compressing(served)
        await client.subscribe("/topic/a")
        payload = packed(encode("SEND", {"destination": "/topic/a"}, LONG))
        await client.send_bytes(frame(1, payload, rsv=RSV1))
        assert (await client.message()).body == LONG
        await client.send_bytes(
            frame(2, payload[:5], fin=False, rsv=RSV1)
            + frame(9, b"ping")
            + frame(0, payload[5:9], fin=False)
            + frame(0, payload[9:])
        )
        assert (await client.message()).body == LONG
        await client.send("SEND", {"destination": "/topic/a"}, "by the library")
        assert (await client.message()).text == "by the library"
        await client.send_bytes(frame(1, encode("SEND", {"destination": "/topic/a"}, "plain")))
        assert (await client.message()).text == "plain"


async def test_answers_receipts_and_errors_are_read_by_who_compresses() -> None:
    app = compressing_app(compression_min_bytes=1)

    @app.message("/echo", reply=True)
    async def echo(body: bytes) -> bytes:
        return body

    async with serving(app) as served:
        client = await compressing(served)
        await client.replies()
        before = client.read_bytes
        await client.send("SEND", {"destination": "/app/echo"}, LONG)
        assert (await client.message()).body == LONG
        assert client.read_bytes - before < len(LONG) / 10
        await client.send("NONSENSE")
        assert (await client.error()).headers["disconnect-reason"] == "protocol-error"
        assert (await client.closed()).code


def counted(served: Served) -> CompressionStatistics:
    return served.app._compressing.statistics()


async def test_what_is_compressed_is_counted_once_for_all_that_get_it_with_its_bytes_before_and_after() -> (
    None
):
    async with serving(compressing_app()) as served:
        clients = [await compressing(served) for _ in range(3)]
        for client in clients:
            await client.subscribe("/topic/a")
        before, read = counted(served), clients[0].read_bytes
        await served.app.publish("/topic/a", LONG)
        await served.app.publish("/topic/a", b"short")
        for client in clients:
            assert [(await client.message()).body for _ in range(2)] == [LONG, b"short"]
        after = counted(served)
        assert (after.connections, after.frames - before.frames, after.plain - before.plain) == (3, 1, 1)
        assert after.deflated - before.deflated == 1
        assert after.payload_bytes - before.payload_bytes > len(LONG)
        assert 0 < after.packed_bytes - before.packed_bytes < clients[0].read_bytes - read < len(LONG) / 10


async def test_what_clients_compress_is_counted_and_so_are_the_bombs_that_were_refused() -> None:
    async with serving(compressing_app(max_message_bytes=5000)) as served:
        client = await compressing(served)
        sent = encode("SEND", {"destination": "/topic/a"}, LONG)
        payload = packed(sent)
        await client.subscribe("/topic/a")
        before = counted(served).inflated
        await client.send_bytes(frame(1, payload[:9], fin=False, rsv=RSV1) + frame(0, payload[9:]))
        assert (await client.message()).body == LONG
        inflated = counted(served).inflated
        assert (inflated.messages - before.messages, inflated.bombs) == (1, 0)
        assert inflated.packed_bytes - before.packed_bytes == len(payload)
        assert inflated.inflated_bytes - before.inflated_bytes == len(sent)
        await client.send_bytes(frame(2, packed(b"\n" * 3_000_000), rsv=RSV1))
        await served.ended("message-too-big")
        async with httpx.AsyncClient(trust_env=False) as http:
            text = (await http.get(f"{served.http}/metrics")).text
        assert "stompede_decompression_bombs_total 1.0" in text
        assert f"stompede_decompression_messages_total {float(inflated.messages)}" in text
        assert "stompede_compression_connections_total 1.0" in text


async def test_a_higher_level_makes_less_of_it() -> None:
    text = " ".join(str(number * number % 9973) for number in range(3000))
    sizes = []
    for level in (1, 9):
        async with serving(compressing_app(compression_level=level)) as served:
            client = await compressing(served)
            await client.subscribe("/topic/a")
            before = client.read_bytes
            await client.send("SEND", {"destination": "/topic/a"}, text)
            assert (await client.message()).text == text
            sizes.append(client.read_bytes - before)
    assert sizes[1] < sizes[0] < len(text)


@pytest.mark.parametrize("cut", [None, 100])
async def test_a_bomb_ends_the_session_with_1009(cut: int | None) -> None:
    async with serving(compressing_app(max_message_bytes=5000)) as served:
        client = await compressing(served)
        bomb = packed(b"\n" * 3_000_000)
        assert len(bomb) < 5000
        if cut is None:
            await client.send_bytes(frame(2, bomb, rsv=RSV1))
        else:
            await client.send_bytes(frame(2, bomb[:cut], fin=False, rsv=RSV1) + frame(0, bomb[cut:]))
        assert (await client.closed()).code == 1009
        await served.ended("message-too-big")


BROKEN = {
    "no deflate": (1002, frame(2, b"\xff" * 20, rsv=RSV1)),
    "text not UTF-8": (1007, frame(1, packed(b"SEND\n\xff"), rsv=RSV1)),
    "behind the last block": (1002, frame(2, bytes.fromhex("f348cdc9c90700") + b"more", rsv=RSV1)),
    "rsv1 on a ping": (1002, frame(9, b"", rsv=RSV1)),
    "rsv1 on a continuation": (1002, frame(1, b"a", fin=False) + frame(0, packed(b"b"), rsv=RSV1)),
    "rsv2 beside rsv1": (1002, frame(1, packed(b"\n"), rsv=RSV1 | 2)),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_a_broken_rule_of_compression_ends_the_connection(name: str) -> None:
    code, data = BROKEN[name]
    async with serving(compressing_app()) as served:
        client = await compressing(served)
        await client.send_bytes(data)
        assert (await client.closed()).code == code


async def test_who_did_not_ask_gets_nothing_compressed_and_may_send_nothing_compressed() -> None:
    async with serving(compressing_app()) as served:
        client = await served.client()
        await client.subscribe("/topic/a")
        before = client.read_bytes
        await served.app.publish("/topic/a", LONG)
        assert (await client.message()).body == LONG
        assert client.read_bytes - before > len(LONG)
        await client.send_bytes(frame(1, packed(b"\n"), rsv=RSV1))
        assert (await client.closed()).code == 1002


@pytest.mark.parametrize(
    ("settings", "agreed"),
    [
        ({}, None),
        ({"compression": "/other"}, None),
        ({"compression": "/stomp"}, "permessage-deflate"),
        ({"compression": "*"}, "permessage-deflate"),
    ],
)
async def test_every_endpoint_has_its_own_setting(settings: dict[str, str], agreed: str | None) -> None:
    async with serving(make_app(endpoints="/stomp,/other", **settings)) as served:
        client = await compressing(served)
        assert agreed_on(client) == agreed


async def test_a_window_that_the_client_asks_for_is_kept() -> None:
    async with serving(compressing_app()) as served:
        client = await compressing(served, server_max_window_bits=9)
        await client.subscribe("/topic/a")
        body = os.urandom(2000) + b"x" * 5000 + os.urandom(2000)
        await served.app.publish("/topic/a", body)
        assert (await client.message()).body == body


async def test_an_idle_connection_keeps_nothing_for_compression() -> None:
    async with serving(compressing_app()) as served:
        clients = [await compressing(served) for _ in range(2)]
        for client in clients:
            await client.send("SEND", {"destination": "/topic/nobody"}, LONG)
            await client.settle()
        transports = [served.session(client).transport for client in clients]
        assert all(transport._assembler is None for transport in transports)  # type: ignore[attr-defined]
        assert transports[0].framing is transports[1].framing is not WEBSOCKET


async def test_the_ready_made_client_of_websockets_talks_for_a_while() -> None:
    async with serving(compressing_app(compression_min_bytes=1)) as served:
        async with connect(served.url, compression="deflate", subprotocols=["v12.stomp"]) as socket:  # type: ignore[list-item]
            await socket.send(b"CONNECT\naccept-version:1.2\n\n\0")
            assert (await socket.recv()).startswith("CONNECTED")  # type: ignore[arg-type]
            await socket.send("SUBSCRIBE\nid:1\ndestination:/topic/a\nreceipt:r\n\n\0")
            assert (await socket.recv()).startswith("RECEIPT")  # type: ignore[arg-type]
            for number in range(100):
                body = f"{number} " * (number + 1)
                await socket.send(f"SEND\ndestination:/topic/a\n\n{body}\0")
                async with asyncio.timeout(10):
                    assert f"\n\n{body}\0" in await socket.recv()  # type: ignore[operator]


def test_an_endpoint_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="compression: /stmop is none of `endpoints`"):
        Settings(compression="/stmop")


async def test_below_an_endpoint_sockjs_has_its_setting_and_reads_what_is_compressed() -> None:
    async with serving(compressing_app()) as served:
        base = served.url.removesuffix("/stomp")
        offer = [ClientPerMessageDeflateFactory(client_max_window_bits=True)]
        raw = await served.client(url=f"{base}/stomp/websocket", extensions=offer)
        assert agreed_on(raw) == "permessage-deflate"
        await raw.subscribe("/topic/a")
        async with connect(f"{base}/stomp/000/one/websocket", compression="deflate") as framed:
            assert await framed.recv() == "o"
            await framed.send(json.dumps(["CONNECT\naccept-version:1.2\n\n\0"]))
            assert "CONNECTED" in str(await framed.recv())
            await framed.send(json.dumps([f"SEND\ndestination:/topic/a\n\n{LONG.decode()}\0"]))
            assert (await raw.message()).body == LONG
