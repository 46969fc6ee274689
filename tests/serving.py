"""Applications on a free loopback port, in the test's own loop, by both transports.

``picows`` is what `Stompede.run` builds; ``asgi`` is a uvicorn that knows nothing of Stompede but its ASGI face. A test
that takes the fixture ``serve`` runs once with each.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
import structlog
import uvicorn
from aiofastnet.api_patch import patch_loop

from stompede import Settings, Stompede
from stompede._app.listening import listen
from stompede._app.serve import build_server
from stompede._types import NO_HEADERS
from stompede.server.node import Node
from stompede.server.session.session import Session
from stompsocket import PATIENCE_S, StompSocket

TRANSPORTS = ("picows", "asgi")
SECRET = "a secret of the tests that is long enough for HS256"


def make_app(**settings: Any) -> Stompede:
    """An application with a token key of its own and short waits at its end."""
    known = {"jwt_secret": SECRET, "close_timeout_s": 0.5, "shutdown_timeout_s": 5}
    return Stompede(settings=Settings(**{**known, **settings}))


class ShiftedClock:
    """The real clocks, moved forward when a test says so."""

    def __init__(self) -> None:
        self.shift = 0.0

    def now(self) -> float:
        return time.monotonic() + self.shift

    def unix_now(self) -> float:
        return time.time() + self.shift


class Served:
    """An application that runs."""

    def __init__(self, app: Stompede, port: int, logs: list[MutableMapping[str, Any]]) -> None:
        self.app = app
        self.port = port
        self.logs = logs
        self.may_fail = False
        self.clock = ShiftedClock()
        self.clients: list[StompSocket] = []
        self.http = f"http://127.0.0.1:{port}"
        self.url = f"ws://127.0.0.1:{port}{app.settings.endpoints[0]}"

    @property
    def node(self) -> Node:
        return self.app.node

    async def open(self, **options: Any) -> StompSocket:
        """A WebSocket, without CONNECT."""
        client = await StompSocket.open(options.pop("url", self.url), **options)
        self.clients.append(client)
        return client

    async def client(self, headers: Mapping[str, object] = NO_HEADERS, **options: Any) -> StompSocket:
        """A session that got CONNECTED."""
        client = await self.open(**options)
        await client.connect(headers)
        return client

    def token(self, name: str = "cook", ttl_s: float = 3600, **claims: Any) -> str:
        """The value of an ``Authorization`` header."""
        return "Bearer " + self.app.issuer.issue(name, (), ttl_s, self.clock.unix_now(), **claims)

    async def member(self, name: str = "cook", ttl_s: float = 3600, **options: Any) -> StompSocket:
        """A session of a member."""
        return await self.client({"Authorization": self.token(name, ttl_s)}, **options)

    def session(self, client: StompSocket) -> Session:
        return self.node.sessions[client.session]

    def logged(self, event: str, **fields: Any) -> list[MutableMapping[str, Any]]:
        """Lines of the log of that event that hold these fields."""
        wanted = {"event": event, **fields}
        return [line for line in self.logs if all(line.get(name) == value for name, value in wanted.items())]

    async def ended(self, reason: str) -> MutableMapping[str, Any]:
        """Waits for the log line of a session's end."""
        await until(
            lambda: self.logged("session ended", why=reason), f"a session that ends by {reason}; {self.logs}"
        )
        return self.logged("session ended", why=reason)[0]


async def until(
    condition: Callable[[], Any], what: str = "the condition", patience_s: float = PATIENCE_S
) -> None:
    """Lets the loop run until a condition holds."""
    end = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < end, f"{what} did not come true"
        await asyncio.sleep(0.002)


async def until_told(condition: Callable[[], Awaitable[bool]], patience_s: float = PATIENCE_S) -> None:
    """Asks until another server says that a condition holds: nothing tells of it here."""
    async with asyncio.timeout(patience_s):
        while not await condition():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def shortly(value: Any = None) -> Any:
    """Really waits, if only for the next turn of the loop, and returns the value."""
    turn = asyncio.Event()
    asyncio.get_running_loop().call_soon(turn.set)
    await turn.wait()
    return value


@asynccontextmanager
async def serving(
    app: Stompede, transport: str = "picows", *, certfile: str | None = None, keyfile: str | None = None
) -> AsyncIterator[Served]:
    """Runs an application on a free port; at the end nothing may have failed unexpectedly."""
    loop = asyncio.get_running_loop()
    failures: list[str] = []
    loop.set_exception_handler(lambda _, context: failures.append(str(context)))
    with structlog.testing.capture_logs() as logs:
        listener = listen("127.0.0.1", 0)
        if transport == "picows":
            patch_loop(loop)
            server = build_server(app, certfile=certfile, keyfile=keyfile)
        else:
            config = uvicorn.Config(
                app,
                ws="websockets-sansio",
                lifespan="on",
                log_config=None,
                access_log=False,
                http="httptools",
            )
            config.load()
            server = uvicorn.Server(config)
        server.lifespan = server.config.lifespan_class(server.config)
        await server.startup(sockets=[listener])
        served = Served(app, listener.getsockname()[1], logs)
        served.node.now = served.clock.now  # type: ignore[method-assign]
        served.node.unix_now = served.clock.unix_now  # type: ignore[method-assign]
        try:
            yield served
        finally:
            for client in served.clients:
                client.drop()
            for each in server.servers:
                each.close()
            await server.lifespan.shutdown()
            await until(lambda: not server.server_state.connections, "the end of all connections")
            await until(lambda: not server.server_state.tasks, "the end of all requests")
            listener.close()
    assert not failures, failures
    failed = [line for line in logs if line["log_level"] in ("error", "critical")]
    assert served.may_fail or not failed, failed


Serve = Callable[..., Awaitable[Served]]


@pytest.fixture(params=TRANSPORTS)
def transport(request: pytest.FixtureRequest) -> str:
    """The name of a transport; the test runs once with each."""
    name: str = request.param
    return name


@pytest.fixture
async def serve(transport: str) -> AsyncIterator[Serve]:
    """Runs an application until the test's end: ``served = await serve(app)``."""
    async with AsyncExitStack() as stack:

        async def start(app: Stompede | None = None, **settings: Any) -> Served:
            return await stack.enter_async_context(serving(app or make_app(**settings), transport))

        yield start
