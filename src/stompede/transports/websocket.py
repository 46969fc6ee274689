"""WebSocket by picows, on the port of uvicorn: what stands between picows' frames and the `Receiver`.

Frames that the hub has made ready are written to the socket's own transport, not through picows' ``send``,
which would build a header for each: `Transport.write` is the bound method of the socket's transport itself.
"""

from __future__ import annotations

import asyncio
import logging
import struct
from collections.abc import Callable
from typing import Any, Final, cast

from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport

from stompede.transports.base import NOBODY, Acceptor, Framing, Receiver
from stompede.transports.reading import resume_reading
from stompede.transports.unsent import unsent_bytes
from stompede.wire.websocket import (
    MessageAssembler,
    WebSocketViolation,
    check_close,
    check_control,
    encode_header,
)

logger = logging.getLogger(__name__)

_TEXT: Final = WSMsgType.TEXT
_BINARY: Final = WSMsgType.BINARY
_OPCODE_TEXT: Final = 1
_OPCODE_BINARY: Final = 2
_TEXT_FIN: Final = 0x81
_BINARY_FIN: Final = 0x82
_MEDIUM: Final = struct.Struct(">BBH").pack
_NO_CODE: Final = 1005  # stands for a close frame that carries no code (RFC 6455 section 7.1.5)


class _WebSocketFraming:
    """Server frames: FIN, text or binary, no mask (RFC 6455 section 5.2)."""

    __slots__ = ()
    compression = None
    trailer = b""

    def header(self, length: int, text: bool) -> bytes:
        if 125 < length < 0x10000:  # nearly every frame that is fanned out
            return _MEDIUM(_TEXT_FIN if text else _BINARY_FIN, 126, length)
        if length < 126:
            return bytes((_TEXT_FIN if text else _BINARY_FIN, length))
        return encode_header(_OPCODE_TEXT if text else _OPCODE_BINARY, length)


WEBSOCKET: Final[Framing] = _WebSocketFraming()


def _discard(data: bytes) -> None:
    """Stands for ``write`` on a connection that is closing."""


class WebSocketConnection(WSListener):
    """One WebSocket: picows' listener below, a `Transport` above."""

    __slots__ = (
        "_acceptor",
        "_assembler",
        "_close_timeout_s",
        "_close_timer",
        "_closing",
        "_max_message_bytes",
        "_peer_close",
        "_pong",
        "_progress",
        "_socket",
        "_write_paused",
        "_ws",
        "address",
        "framing",
        "receiver",
        "write",
    )  # fmt: skip

    def __init__(
        self,
        acceptor: Acceptor,
        address: str,
        max_message_bytes: int,
        close_timeout_s: float,
        free_bytes: int,
        framing: Framing = WEBSOCKET,
    ) -> None:
        self.address = address
        self.framing = framing
        self.write: Callable[[bytes], None] = _discard
        self.receiver: Receiver
        self._acceptor = acceptor
        self._assembler: MessageAssembler | None = None
        self._closing = False
        self._close_timer: asyncio.TimerHandle | None = None
        self._close_timeout_s = close_timeout_s
        self._max_message_bytes = max_message_bytes
        self._peer_close: tuple[int | None, str] = (None, "")
        self._write_paused = False
        self._pong: bytes | None = None
        self._progress = -free_bytes

    # What picows tells.

    def unreadable(self, code: int, reason: str) -> None:
        """A frame cannot be parsed. picows tells it before it sends a close frame of its own, which it leaves out where
        one was sent: so what is due, an ERROR and the reason go out first. The frame before this one, if both came in
        one read, is only delivered afterwards, and too late.
        """
        self.pause_reading()
        if self._closing:
            return
        handshake = self._ws.close_handshake
        if handshake is not None and handshake.recv is not None:
            # What follows a close frame does not count (RFC 6455 section 1.4), a second one neither.
            received = handshake.recv.code.value
            self._peer_closes(None if received == _NO_CODE else received, handshake.recv.reason or "")
            return
        if code == WSCloseCode.MESSAGE_TOO_BIG.value:  # said as it is said of fragments
            reason = f"a message may have {self._max_message_bytes} bytes"
        self.receiver.broke(code, reason)

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._ws = transport
        self._socket = transport.underlying_transport
        # With a high-water mark of zero `pause_writing` comes from within `write` as soon as the kernel
        # leaves something over.
        self._socket.set_write_buffer_limits(high=0)
        self.write = self._socket.write
        # The handshake is over: its headers need not be kept for the life of the connection.
        transport.request.headers.clear()
        transport.response.headers.clear()
        self.receiver = self._acceptor.accept(self)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:  # noqa: ARG002 - picows' face
        if self._closing:
            self._frame_while_closing(frame)
            return
        kind = frame.msg_type
        if (
            self._assembler is None
            and frame.fin
            and (kind is _TEXT or kind is _BINARY)
            and not (frame.rsv1 or frame.rsv2 or frame.rsv3)
        ):
            data = frame.get_payload_as_bytes()
            if kind is _TEXT and not data.isascii():
                try:
                    data.decode()
                except UnicodeDecodeError:
                    self.receiver.broke(WSCloseCode.INVALID_TEXT.value, "a text message is not UTF-8")
                    return
            self.receiver.received(data)
            return
        try:
            self._rare_frame(frame)
        except WebSocketViolation as violation:
            self.receiver.broke(violation.code, violation.reason)

    def _rare_frame(self, frame: WSFrame) -> None:
        """Fragments, control frames, and frames that break a rule."""
        kind = frame.msg_type
        rsv = frame.rsv1 or frame.rsv2 or frame.rsv3
        if kind in (WSMsgType.CLOSE, WSMsgType.PING, WSMsgType.PONG):
            check_control(frame.payload_size, frame.fin, rsv)
        if kind is WSMsgType.CLOSE:
            self._peer_closes(*check_close(frame.get_payload_as_bytes()))
        elif kind is WSMsgType.PING:
            if self._write_paused:
                # RFC 6455 section 5.5.3: only the most recent ping need be answered. Else who pings and
                # does not read would fill our memory.
                self._pong = frame.get_payload_as_bytes()
            else:
                self._ws.send_pong(frame.get_payload_as_bytes())
            self.receiver.alive()
        elif kind is WSMsgType.PONG:
            self.receiver.alive()
        else:
            compression = self.framing.compression
            compressed = frame.rsv1 and compression is not None
            if compressed:
                rsv = frame.rsv2 or frame.rsv3
            if self._assembler is None:
                counters = None if compression is None else compression.inflated
                self._assembler = MessageAssembler(self._max_message_bytes, counters)
            payload = frame.get_payload_as_bytes()
            message = self._assembler.frame(int(kind.value), payload, frame.fin, rsv, compressed)
            if message is not None:
                self._assembler = None
                self.receiver.received(message.data)

    def _peer_closes(self, code: int | None, reason: str) -> None:
        self._peer_close = (_NO_CODE if code is None else code, reason)
        self.close(1000 if code is None else code, "")
        self.receiver.paused()  # no data may follow our close frame (RFC 6455 section 5.5.1)
        self._ws.disconnect()

    def _frame_while_closing(self, frame: WSFrame) -> None:
        """After our close frame only the peer's one matters (RFC 6455 section 7.1.1)."""
        if frame.msg_type is WSMsgType.CLOSE:
            try:
                self._peer_close = check_close(frame.get_payload_as_bytes())
            except WebSocketViolation:
                logger.debug("malformed close frame from %s", self.address)
            self._ws.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:  # noqa: ARG002 - picows' face
        self._closing = True
        self.write = _discard
        if self._close_timer is not None:
            self._close_timer.cancel()
            self._close_timer = None
        code, reason = self._peer_close
        receiver, self.receiver = self.receiver, NOBODY
        del self._ws  # which knows this object as its listener
        receiver.lost(code, reason)

    def pause_writing(self) -> None:
        self._write_paused = True
        self.receiver.paused()

    def resume_writing(self) -> None:
        self._write_paused = False
        pong, self._pong = self._pong, None
        if pong is not None and not self._closing:
            self._ws.send_pong(pong)
        if not self._write_paused and not self._closing:
            self.receiver.resumed()

    # What the receiver asks for.

    def ping(self) -> bool:
        """See `Transport`."""
        self._ws.send_ping(b"")
        return True

    def progressed(self) -> bool:
        """See `Transport`."""
        # picows tells of whole frames. A part of one stands in its read buffer, whose free rest therefore shrinks;
        # that it grows after a large frame is told as progress once, too.
        free_bytes = len(cast(Any, self._socket.get_protocol()).get_buffer(-1))
        fragments_bytes = 0 if self._assembler is None else self._assembler.buffered_bytes
        before, self._progress = self._progress, fragments_bytes - free_bytes
        return self._progress != before

    def unsent_bytes(self) -> int:
        """See `Transport`."""
        return unsent_bytes(self._socket)

    def pause_reading(self) -> None:
        """See `Transport`."""
        if not self._socket.is_closing():
            self._socket.pause_reading()

    def resume_reading(self) -> None:
        """See `Transport`."""
        if not self._socket.is_closing():
            resume_reading(self._socket)

    def close(self, code: int, reason: str) -> None:
        """See `Transport`."""
        if self._closing:
            return
        self._closing = True
        self.write = _discard
        # A reason longer than a control frame is cut at a character (RFC 6455 section 5.5).
        self._ws.send_close(cast(Any, code), reason.encode()[:123].decode(errors="ignore"))
        self.resume_reading()  # to see the peer's close frame
        loop = asyncio.get_running_loop()
        self._close_timer = loop.call_later(self._close_timeout_s, self.abort)

    def abort(self) -> None:
        """See `Transport`."""
        self._closing = True
        self.write = _discard
        if self.receiver is not NOBODY:
            self._ws.disconnect(False)
