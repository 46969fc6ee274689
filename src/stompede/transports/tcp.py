"""STOMP over TCP, plain or TLS: bytes as they are, between a socket and the `Receiver`.

STOMP frames delimit themselves, so nothing is framed here, and what one read brings is passed on as it is. What was
written goes out before a connection ends, the ERROR frame too (STOMP 1.2 "ERROR"). A socket that is closed while
something of the peer's is unread would be reset, and the reset would overtake that frame; so only our half is closed,
and the peer's bytes are read and thrown away until its half is closed, too, or time is up.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from typing import Any, Final, cast, final

from stompede.transports.base import NOBODY, Acceptor, Framing, Receiver, Refusal, Unframed
from stompede.transports.reading import resume_reading
from stompede.transports.tls import TlsHandshakes, TlsListener

logger = logging.getLogger(__name__)

READ_BYTES: Final = 64 * 1024
"""Of one read, and so what can come after reading was paused. asyncio's own reads are four times as large."""
_BACKLOG: Final = 4096
_NO_WORD: Final = 1006  # stands for a peer that closed without a close code, as TCP has none
# Who has not negotiated heart-beats is asked by the kernel: after a minute of silence, and given up 60 s later.
_KEEP_ALIVE: Final = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4))


TCP: Final[Framing] = Unframed(trailer=b"\n")
"""STOMP frames follow each other, parted by an end of line. The specification allows it, RabbitMQ and ActiveMQ write
it, and PHP's client needs it: it skips an octet after each frame that more follows.
"""


def _discard(data: bytes) -> None:
    """Stands for ``write`` on a connection that is closing."""


@final
class TcpConnection(asyncio.BufferedProtocol):
    """One connection: asyncio's protocol below, a `Transport` above.

    Args:
        acceptor: decides about the connection.
        refused: the last bytes for who may not connect.
        close_timeout_s: time for the peer to take the last bytes and to close its half.
        buffer: where reads go; one for all connections of a loop, since a read is passed on before the next begins.
    """

    __slots__ = (
        "_acceptor", "_buffer", "_close_timeout_s", "_close_timer", "_closing", "_finished", "_refused", "_socket",
        "address", "receiver", "write",
    )  # fmt: skip
    framing = TCP

    def __init__(
        self,
        acceptor: Acceptor,
        refused: Callable[[Refusal], bytes],
        close_timeout_s: float,
        buffer: memoryview,
    ) -> None:
        self.address = ""
        self.write: Callable[[bytes], None] = _discard
        self.receiver: Receiver = NOBODY
        self._acceptor = acceptor
        self._buffer = buffer
        self._close_timeout_s = close_timeout_s
        self._close_timer: asyncio.TimerHandle | None = None
        self._closing = False
        self._finished = False
        self._refused = refused
        self._socket: asyncio.Transport

    # What the socket tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection stands, TLS included."""
        self._socket = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        self.address = peer[0] if peer else ""
        _keep_alive(transport.get_extra_info("socket"))
        # With a high-water mark of zero `pause_writing` comes from within `write` as soon as the kernel leaves
        # something over.
        self._socket.set_write_buffer_limits(high=0)
        self.write = self._socket.write
        refusal = self._acceptor.refuse(self.address)
        if refusal is not None:
            self.write(self._refused(refusal))
            self.close(_NO_WORD, refusal.sentence)
            return
        self.receiver = self._acceptor.accept(self)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - the face of a protocol
        """Where the next read goes."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Bytes have come."""
        if not self._closing:
            self.receiver.received(bytes(self._buffer[:nbytes]))

    def eof_received(self) -> bool:
        """The peer's half is closed. What it asked before is answered, in case that it reads: over TLS it does not."""
        if self._closing or self._socket.get_extra_info("sslcontext") is not None:
            return False
        self._finished = True
        self.receiver.finished()
        return True

    def pause_writing(self) -> None:
        """The kernel takes no more."""
        self.receiver.paused()

    def resume_writing(self) -> None:
        """All is with the kernel."""
        if not self._closing:
            self.receiver.resumed()

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is closed."""
        self._closing = True
        self.write = _discard
        if self._close_timer is not None:
            self._close_timer.cancel()
            self._close_timer = None
        receiver, self.receiver = self.receiver, NOBODY
        receiver.lost(None, "" if exc is None else str(exc))

    # What the receiver asks for.

    def ping(self) -> bool:
        """STOMP has no question, and the kernel asks by itself (keep-alive)."""
        return False

    def progressed(self) -> bool:
        """Every octet is passed on as it comes."""
        return False

    def pause_reading(self) -> None:
        """See `Transport`."""
        if not self._socket.is_closing():
            self._socket.pause_reading()

    def resume_reading(self) -> None:
        """See `Transport`."""
        if not self._socket.is_closing():
            resume_reading(self._socket)

    def close(self, code: int, reason: str) -> None:  # noqa: ARG002 - TCP has no words for them; the ERROR frame does
        """See `Transport`; in the place of a close frame stands the end of our half."""
        if self._closing:
            return
        self._closing = True
        self.write = _discard
        if not self._finished:
            self.resume_reading()  # to see the end of the peer's half
        if self._finished or self._socket.get_extra_info("sslcontext") is not None:
            # When all is sent. TLS says so, and has no half that could be closed.
            self._socket.close()
        elif not self._socket.is_closing():
            try:
                self._socket.write_eof()
            except OSError:  # the peer has reset the connection
                self._socket.abort()
        loop = asyncio.get_running_loop()
        self._close_timer = loop.call_later(self._close_timeout_s, self.abort)

    def abort(self) -> None:
        """See `Transport`."""
        self._closing = True
        self.write = _discard
        self._socket.abort()


def _keep_alive(sock: Any) -> None:
    if sock is None:
        return
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _KEEP_ALIVE:
            if hasattr(socket, name):
                sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    except OSError:  # it is gone already
        logger.debug("no keep-alive", exc_info=True)


async def listen_tcp(
    acceptor: Acceptor,
    listener: socket.socket,
    *,
    refused: Callable[[Refusal], bytes],
    tls: ssl.SSLContext | None,
    handshakes: TlsHandshakes,
    handshake_timeout_s: float,
    close_timeout_s: float,
) -> asyncio.Server | TlsListener:
    """Listens for STOMP over TCP; on a loop that aiofastnet has patched, by its transports.

    Args:
        acceptor: decides about connections, and says what receives from them.
        listener: a bound socket; the server owns it from now on.
        refused: makes the last bytes for who may not connect.
        tls: certificate and key; plain TCP without.
        handshakes: where those of TLS are counted.
        handshake_timeout_s: time for the TLS handshake.
        close_timeout_s: time for a peer to take the last bytes and to close its half.
    """
    buffer = memoryview(bytearray(READ_BYTES))

    def accepted() -> TcpConnection:
        return TcpConnection(acceptor, refused, close_timeout_s, buffer)

    if tls is None:
        return await asyncio.get_running_loop().create_server(accepted, sock=listener, backlog=_BACKLOG)
    return TlsListener(
        accepted,
        listener,
        _BACKLOG,
        handshakes,
        ssl=tls,
        ssl_handshake_timeout=handshake_timeout_s,
        # Its timer outlives an `abort`, and keeps what TLS has of the connection: half a megabyte for half a minute.
        ssl_shutdown_timeout=close_timeout_s,
    )
