"""SockJS over WebSocket: the same frames, each in a WebSocket text message.

Between a WebSocket transport, for which this is the receiver, and a session, for which it is the transport.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, final

from stompede.transports.base import NOBODY, Receiver, Refusal, Transport
from stompede.transports.sockjs.framing import NOT_TEXT, SOCKJS, UNSUPPORTED_DATA
from stompede.wire.sockjs import HEART_BEAT, OPEN, BodyRefused, array_frame, close_frame, parse_messages

if TYPE_CHECKING:
    from stompede.transports.sockjs.service import SockJsService

_BROKEN_FRAMING: Final = 1002


@final
class FramedAcceptor:
    """Accepts WebSockets at an endpoint's session URLs; an `Acceptor`.

    Args:
        service: the endpoint.
    """

    def __init__(self, service: SockJsService) -> None:
        self._service = service

    def refuse(self, address: str = "") -> Refusal | None:
        """See `Acceptor`."""
        return self._service.acceptor.refuse(address)

    def accept(self, transport: Transport) -> Receiver:
        """See `Acceptor`."""
        return SockJsWebSocket(self._service, transport)


@final
class SockJsWebSocket:
    """See the module; a `Receiver` and a `Transport`."""

    __slots__ = ("_below", "_closing", "_full", "_mute", "_service", "address", "receiver")
    framing = SOCKJS

    def __init__(self, service: SockJsService, below: Transport) -> None:
        self.address = below.address
        self._service = service
        self._below = below
        self._closing = False
        self._mute = False
        self._full = False
        self.receiver: Receiver = NOBODY
        service.opened(self)
        self._send(OPEN)
        self.receiver = service.acceptor.accept(self)
        if self._full:  # by what it wrote already
            self.receiver.paused()

    # `Transport`.

    def write(self, data: bytes) -> None:
        """See `Transport`."""
        if self._closing or self._mute:
            return
        quoted, all_text = SOCKJS.quoted(data)
        if not all_text:
            asyncio.get_running_loop().call_soon(self.receiver.broke, UNSUPPORTED_DATA, NOT_TEXT)
        if quoted:
            self._send(array_frame((quoted,)))
            self._service.sent(self)

    def ping(self) -> bool:
        """See `Transport`."""
        return self._below.ping()

    def progressed(self) -> bool:
        """See `Transport`."""
        return self._below.progressed()

    def pause_reading(self) -> None:
        """See `Transport`."""
        self._below.pause_reading()

    def resume_reading(self) -> None:
        """See `Transport`."""
        self._below.resume_reading()

    def close(self, code: int, reason: str) -> None:
        """See `Transport`."""
        if self._closing:
            return
        self._closing = True
        if not self._mute:
            self._send(close_frame(code, reason))
        self._below.close(code, reason)

    def abort(self) -> None:
        """See `Transport`."""
        self._closing = True
        self._below.abort()

    # `Receiver`.

    def received(self, data: bytes) -> None:
        """See `Receiver`. An empty message is none (sockjs-protocol, "WebsocketHixie76.test_empty_frame")."""
        if not data:
            return
        try:
            messages = parse_messages(data)
        except BodyRefused as refused:
            # Who does not speak SockJS would not understand our frames: only WebSocket's own close frame follows.
            self._mute = True
            self.receiver.broke(_BROKEN_FRAMING, str(refused))
            return
        for message in messages:
            if self._closing:
                return
            self.receiver.received(message)

    def alive(self) -> None:
        """See `Receiver`."""
        self.receiver.alive()

    def paused(self) -> None:
        """See `Receiver`."""
        self._full = True
        self.receiver.paused()

    def resumed(self) -> None:
        """See `Receiver`."""
        self._full = False
        self.receiver.resumed()

    def broke(self, code: int, reason: str) -> None:
        """See `Receiver`."""
        self.receiver.broke(code, reason)

    def lost(self, code: int | None, reason: str) -> None:
        """See `Receiver`."""
        self._closing = True
        self._service.lost(self)
        receiver, self.receiver = self.receiver, NOBODY
        receiver.lost(code, reason)

    # What the service tells.

    def beat(self) -> None:
        """Nothing was sent for the heart-beat's time."""
        if not (self._full or self._closing or self._mute):
            self._send(HEART_BEAT)

    def _send(self, frame: bytes) -> None:
        self._below.write(self._below.framing.header(len(frame), True) + frame)
