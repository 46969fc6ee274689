"""What was missed comes by every transport: one encoding for all clients of one kind."""

import asyncio
from typing import Any

import pytest
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

from serving import Served, make_app, serving
from sockjsclient import SockJsStomp
from stompede import History
from tcpserving import TcpServed

PLACE = "/topic/past/long"
COUNT = 300
TEXT = "안녕 " * 300


async def by_websocket(served: Served) -> Any:
    return await served.client()


async def by_compressed_websocket(served: Served) -> Any:
    return await served.client(extensions=[ClientPerMessageDeflateFactory(client_max_window_bits=True)])


async def by_tcp(served: Served) -> Any:
    return await TcpServed(served).client()


async def by_sockjs(served: Served, transport: str) -> Any:
    client = SockJsStomp(f"{served.http}/stomp", transport)
    served.clients.append(client)  # type: ignore[arg-type]  # it is dropped like the others
    await client.open()
    await client.connect()
    return client


async def by_xhr_streaming(served: Served) -> Any:
    return await by_sockjs(served, "xhr_streaming")


async def by_xhr(served: Served) -> Any:
    return await by_sockjs(served, "xhr")


async def next_message(client: Any) -> Any:
    return await (client.frame("MESSAGE") if isinstance(client, SockJsStomp) else client.message())


@pytest.mark.parametrize("connect", [by_websocket, by_compressed_websocket, by_tcp, by_xhr_streaming, by_xhr])
async def test_what_was_missed_comes_by_every_transport_and_then_what_is_live(connect: Any) -> None:
    app = make_app(tcp_port=0, compression="/stomp")
    app.destination("/topic/past/{name}", history=History(count=1000, size_bytes=1 << 24))
    async with serving(app) as served:
        for number in range(COUNT):
            await app.publish(PLACE, f"{number} {TEXT}")
        clients = [await connect(served) for _ in range(3)]
        await asyncio.gather(
            *(
                client.request("SUBSCRIBE", {"id": "a", "destination": PLACE, "history-last": COUNT})
                for client in clients
            )
        )
        await app.publish(PLACE, f"{COUNT} {TEXT}")
        for client in clients:
            found = [await next_message(client) for _ in range(COUNT + 1)]
            assert [int(frame.text.split(" ", 1)[0]) for frame in found] == list(range(COUNT + 1))
            assert {frame.text.split(" ", 1)[1] for frame in found} == {TEXT}
            assert [frame.headers.get("recovered") for frame in found][:COUNT] == ["true"] * COUNT
