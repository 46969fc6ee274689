"""A node with queues, and the client over all transports."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

import stompede
from serving import TRANSPORTS, Served, make_app, serving
from stompede import Principal, Problem, Queue
from stompede.client import Backoff, Client, Received

AT_ONCE = Backoff(initial_s=0.0, max_s=0.01)
JOBS = "/queue/jobs"


class House:
    """A node, and clients of it by one transport."""

    def __init__(self, served: Served, url: str) -> None:
        self.served = served
        self.url = url

    def client(self, **options: Any) -> Client:
        return stompede.connect(self.url, **{"reconnect": AT_ONCE, **options})

    @property
    def kept(self) -> tuple[int, int]:
        """Messages that wait in queues, and that are given out."""
        store = self.served.node.statistics().queues.store
        return store.waiting, store.taken

    async def put(self, *bodies: str, destination: str = JOBS) -> None:
        for body in bodies:
            await self.served.app.publish(destination, body)

    def cut_now(self) -> None:
        """Cuts every connection."""
        for session in list(self.served.node.sessions.values()):
            session.transport.abort()

    async def cut(self, client: Client) -> None:
        """Cuts the connection, and waits until the client knows."""
        assert client.session_id is not None
        self.served.node.sessions[client.session_id].transport.abort()
        await client.wait_disconnected()


@pytest.fixture(params=[*TRANSPORTS, "tcp"])
async def house(request: pytest.FixtureRequest) -> AsyncIterator[House]:
    app = make_app(tcp_port=0) if request.param == "tcp" else make_app()
    app.destination(JOBS, queue=Queue(max_deliveries=1000))
    app.destination("/queue/small", queue=Queue(max_messages=1))

    @app.message("/cook", publish="/topic/hot")
    async def cook(body: str) -> str:
        if body.startswith("bad"):
            raise Problem("spoiled", body)
        return body

    @app.guard("/queue/shut")
    async def cooks(who: Principal) -> bool:
        return who.name == "cook"

    app.destination("/queue/fragile", queue=Queue(max_deliveries=2, dead_letters="/queue/dead"))
    async with AsyncExitStack() as stack:
        transport = "picows" if request.param == "tcp" else request.param
        served = await stack.enter_async_context(serving(app, transport))
        url = served.url
        if request.param == "tcp":
            assert app._tcp_server is not None
            url = f"stomp://127.0.0.1:{app._tcp_server.sockets[0].getsockname()[1]}"
        yield House(served, url)


async def taken(messages: Any, count: int) -> list[Received[str]]:
    """The next messages of a subscription."""
    return [await messages.next(timeout_s=10) for _ in range(count)]
