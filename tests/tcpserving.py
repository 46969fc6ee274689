"""A node that speaks STOMP over TCP, for tests."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from serving import Served, make_app, serving
from stompede import Stompede
from stompline import StompLine


class TcpServed:
    """A served application and where it speaks TCP."""

    def __init__(self, served: Served) -> None:
        self.served = served
        self.node = served.node
        server = served.app._tcp_server
        assert server is not None
        self.port = server.sockets[0].getsockname()[1]
        self.url = f"stomp://127.0.0.1:{self.port}"

    async def open(self, **options: Any) -> StompLine:
        line = await StompLine.dial(self.url, **options)
        self.served.clients.append(line)
        return line

    async def client(self, **options: Any) -> StompLine:
        line = await self.open(**options)
        await line.connect()
        return line


Serve = Callable[..., Awaitable[TcpServed]]


@pytest.fixture(params=["picows", "asgi"])
async def serve_tcp(request: pytest.FixtureRequest) -> AsyncIterator[Serve]:
    """Under `Stompede.run`'s server with aiofastnet's transports, and under another one with asyncio's."""
    async with AsyncExitStack() as stack:

        async def start(app: Stompede | None = None, **settings: Any) -> TcpServed:
            made = app or make_app(tcp_port=0, **settings)
            return TcpServed(await stack.enter_async_context(serving(made, request.param)))

        yield start
