"""`stompede.testing.connect`: the client of the library, without a port."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any, Final, final

from stompede.client import Client, ClientOptions, DialError, Link, LinkEvents
from stompede.client.endings import status_may_change
from stompede.client.tokens import TokenSupplier
from stompede.errors import ConfigurationError, LocalProtocolError
from stompede.testing.clock import ManualClock
from stompede.testing.hosting import Application, running
from stompede.testing.memory import CAPACITY_BYTES, MemoryConnection, MemoryLink

TOKEN_TTL_S: Final = 3600.0


@final
class MemoryDialer:
    """Connects to an application in the same loop; see `stompede.client.Dialer`.

    Args:
        app: the application; it runs.
        client_address: where its sessions seem to come from.
        capacity_bytes: what fits into the connection in each direction before the writer is told to wait.

    Attributes:
        link: the newest connection, for tests that stop reading or cut the line.
    """

    url: Final = "ws://testnode/stomp"

    def __init__(
        self, app: Application, *, client_address: str = "testclient", capacity_bytes: int = CAPACITY_BYTES
    ) -> None:
        self._app = app
        self._client_address = client_address
        self._capacity_bytes = capacity_bytes
        self.link: MemoryLink | None = None

    async def __call__(self, events: LinkEvents) -> Link:
        """Connects, or is refused as a handshake would be."""
        refused = self._app.refuse(self._client_address)
        if refused is not None:
            raise DialError(
                f"the application refused the connection with HTTP {refused.status}: {refused.sentence}",
                code=refused.status,
                reason="handshake-refused",
                reconnect=status_may_change(refused.status),
            )
        connection = MemoryConnection(events, self._client_address, self._capacity_bytes)
        connection.serve(self._app.accept(connection.transport))
        self.link = connection.link
        return connection.link


@asynccontextmanager
async def connect(
    app: Application,
    *,
    member: str | None = None,
    scopes: Iterable[str] = (),
    token: str | TokenSupplier | None = None,
    client_address: str = "testclient",
    capacity_bytes: int = CAPACITY_BYTES,
    clock: ManualClock | None = None,
    **options: Any,
) -> AsyncIterator[Client]:
    """A client of an application, without a port: the class that `stompede.connect` gives, over a connection in memory.

    The application runs as long as any client of it is connected, its lifespan included.

    Args:
        app: a `stompede.Stompede`.
        member: connects as this member, with a token that the application's own issuer makes; anonymous where ``None``.
        scopes: what that token allows.
        token: instead of ``member``: a token, or a function that returns one.
        client_address: where the session seems to come from.
        capacity_bytes: what fits into the connection in each direction before the writer is told to wait.
        clock: what the node shall live by.
        options: fields of `stompede.client.ClientOptions`. Other than in `stompede.connect` there are no heart-beats,
            and a lost connection is not made again, unless they are given: a test should see it.

    Raises:
        SessionClosedError: the application refused the connection.
    """
    wanted = tuple(scopes)
    if member is not None and token is not None:
        raise ConfigurationError("testing.connect: give member= or token=, not both")
    if member is None and wanted:
        raise ConfigurationError("testing.connect: scopes= are a member's; give member=, too")

    def issue() -> str:
        assert member is not None
        return app.issuer.issue(
            member, wanted, TOKEN_TTL_S, time.time() if clock is None else clock.unix_now()
        )

    supplier = token if member is None else issue
    settings = ClientOptions(**{"token": supplier, "heart_beat_ms": (0, 0), "reconnect": None, **options})
    dialer = MemoryDialer(app, client_address=client_address, capacity_bytes=capacity_bytes)
    async with running(app, clock=clock), Client(dialer, settings) as client:
        yield client


def link_of(client: Client) -> MemoryLink:
    """The present connection of a client that `connect` made: to stop reading, or to cut the line.

    Raises:
        LocalProtocolError: the client has none in memory.
    """
    dialer = client.dialer
    if not isinstance(dialer, MemoryDialer) or dialer.link is None:
        raise LocalProtocolError(
            "the client has no connection in memory; make it by stompede.testing.connect"
        )
    return dialer.link
