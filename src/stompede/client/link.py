"""The boundary between the client and whatever carries its bytes.

A `Link` carries the payloads of messages and knows nothing of STOMP. `stompede.client.websocket` and
`stompede.client.tcp` have those over a socket; the test kit has one in memory. Everything but the dialling is called on
the client's loop and never waits.
"""

from __future__ import annotations

from typing import Protocol

from stompede.errors import SessionClosedError


class DialError(SessionClosedError):
    """No connection could be made.

    Attributes:
        reconnect: whether another attempt, unchanged, may succeed.
    """

    def __init__(
        self, sentence: str, *, code: int | None = None, reason: str = "", reconnect: bool = True
    ) -> None:
        super().__init__(sentence, code, reason)
        self.reconnect = reconnect


class LinkEvents(Protocol):
    """What a link tells the one above it."""

    def received(self, data: bytes) -> None:
        """The payload of one message arrived."""
        ...

    def paused(self) -> None:
        """The link takes no more for now; called from within `Link.write`."""
        ...

    def resumed(self) -> None:
        """Everything written has gone out; write again."""
        ...

    def lost(self, code: int | None, reason: str) -> None:
        """The link has ended; the last call. ``code`` is the peer's close code, ``None`` where none came."""
        ...


class Link(Protocol):
    """One connection, seen from above."""

    def write(self, payload: bytes) -> None:
        """Sends one message. It always takes the bytes; after `close` or `abort` it does nothing."""
        ...

    def close(self, code: int, reason: str) -> None:
        """Sends what is written and a close frame, then waits for the peer. Idempotent. `LinkEvents.lost`
        follows.
        """
        ...

    def abort(self) -> None:
        """Ends it at once; what is unsent is lost. Idempotent. `LinkEvents.lost` follows."""
        ...


class Dialer(Protocol):
    """Makes links, one per attempt to connect."""

    @property
    def url(self) -> str:
        """Where it dials, for messages and for the ``host`` header."""
        ...

    async def __call__(self, events: LinkEvents) -> Link:
        """Connects.

        Args:
            events: gets told what arrives, perhaps before this returns.

        Raises:
            DialError: no link could be made. Cancelling leaves nothing open.
        """
        ...
