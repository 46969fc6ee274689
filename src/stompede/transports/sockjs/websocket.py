"""SockJS over WebSocket: the same frames, each in a WebSocket text message.

Between a WebSocket transport, for which this is the receiver, and a session, for which it is the transport.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final, final

from stompede.transports.base import NOBODY, Receiver, Refusal, Transport
from stompede.transports.sockjs.framing import MESSAGES_OF_A_TURN, NOT_TEXT, SOCKJS, UNSUPPORTED_DATA
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

    __slots__ = (
        "_below", "_closing", "_full", "_handing", "_held", "_lost", "_mute", "_service", "_unsaid", "_waiting",
        "address", "receiver",
    )  # fmt: skip
    framing = SOCKJS

    def __init__(self, service: SockJsService, below: Transport) -> None:
        self.address = below.address
        self._service = service
        self._below = below
        self._closing = False
        self._mute = False
        self._unsaid = False
        self._full = False
        self._waiting: deque[bytes] = deque()
        self._handing = self._held = False
        self._lost: tuple[int | None, str] | None = None
        self.receiver: Receiver = NOBODY
        service.opened(self)
        self._send(OPEN)
        self.receiver = service.acceptor.accept(self)
        if self._full:  # by what it wrote already
            self.receiver.paused()

    # `Transport`.

    def write(self, data: bytes) -> None:
        """See `Transport`."""
        if self._closing or self._mute or self._unsaid:
            return
        quoted, all_text = SOCKJS.quoted(data)
        if not all_text:
            self._unsaid = True  # and nothing behind it is said
            asyncio.get_running_loop().call_soon(self._refuse_unsaid)
        if quoted:
            self._send(array_frame((quoted,)))
            self._service.sent(self)

    def _refuse_unsaid(self) -> None:
        self._unsaid = False
        self.receiver.broke(UNSUPPORTED_DATA, NOT_TEXT)

    def ping(self) -> bool:
        """See `Transport`."""
        return self._below.ping()

    def progressed(self) -> bool:
        """See `Transport`."""
        return self._below.progressed()

    def unsent_bytes(self) -> int:
        """See `Transport`."""
        return self._below.unsent_bytes()

    def pause_reading(self) -> None:
        """See `Transport`."""
        self._held = True
        self._below.pause_reading()

    def resume_reading(self) -> None:
        """See `Transport`."""
        self._held = False
        if self._waiting:
            self._hand_over_soon()
        else:
            self._below.resume_reading()

    def close(self, code: int, reason: str) -> None:
        """See `Transport`."""
        if self._closing:
            return
        self._closing = True
        if not self._mute:
            self._send(close_frame(code, reason))
        self._below.close(code, reason)
        self._forget_waiting()

    def abort(self) -> None:
        """See `Transport`."""
        self._closing = True
        self._below.abort()
        self._forget_waiting()

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
        if self._waiting or len(messages) > MESSAGES_OF_A_TURN:
            self._waiting.extend(messages)
            self._below.pause_reading()
            self._hand_over_soon()
            return
        for message in messages:
            if self._closing:
                return
            self.receiver.received(message)

    def _hand_over_soon(self) -> None:
        if not self._handing:
            self._handing = True
            asyncio.get_running_loop().call_soon(self._hand_over)

    def _hand_over(self) -> None:
        """Hands on some of what waits, while the receiver reads."""
        self._handing = False
        for _ in range(min(len(self._waiting), MESSAGES_OF_A_TURN)):
            if self._held or self._closing:
                break
            self.receiver.received(self._waiting.popleft())
        if self._held or self._closing:
            return
        if self._waiting:
            self._hand_over_soon()
        elif self._lost is not None:
            self._tell_lost()
        else:
            self._below.resume_reading()

    def _forget_waiting(self) -> None:
        """The receiver wants nothing more."""
        self._waiting.clear()
        if self._lost is not None:
            asyncio.get_running_loop().call_soon(self._tell_lost)

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

    def finished(self) -> None:
        """See `Receiver`."""
        self.receiver.finished()

    def lost(self, code: int | None, reason: str) -> None:
        """See `Receiver`."""
        self._service.lost(self)
        self._mute = True
        self._lost = code, reason
        if not self._waiting:  # else when it has got what came before
            self._tell_lost()

    def _tell_lost(self) -> None:
        self._closing = True
        receiver, self.receiver = self.receiver, NOBODY
        assert self._lost is not None
        receiver.lost(*self._lost)

    # What the service tells.

    def beat(self) -> None:
        """Nothing was sent for the heart-beat's time."""
        if not (self._full or self._closing or self._mute):
            self._send(HEART_BEAT)

    def _send(self, frame: bytes) -> None:
        self._below.write(self._below.framing.header(len(frame), True) + frame)
