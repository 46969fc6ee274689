"""Running an application inside of a test, without a server and without a port.

Several clients of a test share one running node: the first one starts it, the last one stops it. The node lives in a
task of its own, because its start and its stop must happen in one task, while the clients of a test may come and go in
several. The one who stops it awaits it, so no task is left behind, and what fails at the start or the stop is raised
there.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final, Protocol, final
from weakref import WeakKeyDictionary

from stompede.errors import SessionClosedError
from stompede.server.node import Node
from stompede.testing.clock import ManualClock
from stompede.transports.base import Receiver, Refusal, Transport


class Issuer(Protocol):
    """What makes an application's tokens: `stompede.TokenIssuer`."""

    def issue(self, name: str, /, scopes: Iterable[str], ttl_s: float, now: float, **claims: Any) -> str:
        """A token for a member."""
        ...


class Application(Protocol):
    """What the test kit needs of an application; `stompede.Stompede` has it."""

    @property
    def issuer(self) -> Issuer:
        """Makes tokens that the application accepts."""
        ...

    @property
    def node(self) -> Node:
        """The running node; raises `SessionClosedError` where none runs."""
        ...

    def running(self) -> AbstractAsyncContextManager[Mapping[str, Any] | None]:
        """Runs the application."""
        ...

    def refuse(self, address: str = "") -> Refusal | None:
        """Why a handshake cannot be served now."""
        ...

    def accept(self, transport: Transport) -> Receiver:
        """What receives from a new connection."""
        ...


@final
class Host:
    """The task in which one application runs."""

    def __init__(self, app: Application) -> None:
        self._app = app
        self._users = 0
        self._stop = asyncio.Event()
        self._started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task = asyncio.get_running_loop().create_task(
            self._run(), name="stompede application under test"
        )

    async def _run(self) -> None:
        try:
            async with self._app.running():
                self._started.set_result(None)
                await self._stop.wait()
        finally:
            if HOSTS.get(self._app) is self:
                del HOSTS[self._app]
            if not self._started.done():
                self._started.cancel()

    async def enter(self) -> None:
        """Waits until the application runs; raises what keeps it from starting."""
        self._users += 1
        try:
            await asyncio.wait({self._task, self._started}, return_when=asyncio.FIRST_COMPLETED)
            if self._task.done():
                await self._task
        except BaseException:
            await self.leave()
            raise

    async def leave(self) -> None:
        """Stops the application when the last one leaves, and waits for that."""
        self._users -= 1
        if self._users == 0:
            self._stop.set()
            if HOSTS.get(self._app) is self:
                del HOSTS[self._app]
            if not self._task.done():
                await self._task


HOSTS: Final[WeakKeyDictionary[Application, Host]] = WeakKeyDictionary()


def runs(app: Application) -> bool:
    """Whether somebody runs an application already: a server, or ``async with app.running()``."""
    try:
        return app.node is not None
    except SessionClosedError:
        return False


@asynccontextmanager
async def running(app: Application, *, clock: ManualClock | None = None) -> AsyncIterator[None]:
    """Runs an application, lifespan included, unless it runs already.

    May be entered several times, also from several tasks: the first one starts the application, the last one stops it.
    Where the application runs outside of the test kit, nothing is started or stopped.

    Args:
        app: a `stompede.Stompede`.
        clock: what the node shall live by from now on.
    """
    host = HOSTS.get(app)
    if host is None and not runs(app):
        host = HOSTS[app] = Host(app)
    if host is not None:
        await host.enter()
    try:
        if clock is not None:
            app.node.now = clock.now
            app.node.unix_now = clock.unix_now
        yield
    finally:
        if host is not None:
            await host.leave()
