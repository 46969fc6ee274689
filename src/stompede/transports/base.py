"""The boundary between sockets and sessions.

A transport carries the payload bytes of messages and knows nothing of what stands in them. A receiver stands
above it. Everything is called on the node's loop; nothing here waits.

Flow control goes both ways. `Transport.write` always takes the bytes; when the kernel did not take all of
them at once, the transport calls `Receiver.paused` before `write` returns and `Receiver.resumed` when it is
empty again. A receiver that is paused must keep what it has and write it later, so a transport holds at most
what one call of `write` gave it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple, Protocol

from stompede.wire.websocket import InflateCounters


class Compression(Protocol):
    """How frames are made that are more than a header and their payload."""

    @property
    def inflated(self) -> InflateCounters:
        """Where what peers compressed is counted."""
        ...

    def frame(self, payload: bytes, text: bool) -> bytes:
        """A whole frame; ``text`` says that the payload is valid UTF-8."""
        ...

    def around(self, before: bytes, gap: int, after: bytes, text: bool) -> tuple[bytes, bytes]:
        """A frame whose payload is ``before``, ``gap`` bytes that differ between its receivers, and ``after``: what
        stands on the wire before those bytes and behind them.
        """
        ...


class Framing(Protocol):
    """How a transport wraps the payload of one message on the wire. One object per kind, shared by all
    connections.
    """

    @property
    def compression(self) -> Compression | None:
        """Who makes frames that are worth compressing; ``None`` where none is. A header and a payload as it is are
        a frame all the same.
        """
        ...

    @property
    def trailer(self) -> bytes:
        """What stands behind a payload that is a frame; not behind a heart-beat, and not part of its length."""
        ...

    def header(self, length: int, text: bool) -> bytes:
        """The bytes that stand before a payload of ``length`` bytes; ``text`` says that the payload is valid
        UTF-8.
        """
        ...


class Unframed:
    """A `Framing` for STOMP frames as they are, which delimit themselves.

    Args:
        trailer: what stands behind each.
    """

    __slots__ = ("trailer",)
    compression = None

    def __init__(self, trailer: bytes = b"") -> None:
        self.trailer = trailer

    def header(self, length: int, text: bool) -> bytes:  # noqa: ARG002 - the boundary's signature
        """Nothing."""
        return b""


def framed(framing: Framing, payload: bytes, text: bool) -> bytes:
    """A payload that is a frame, as it goes to the socket; compressed where that is agreed on."""
    compression = framing.compression
    if compression is None:
        return framing.header(len(payload), text) + payload + framing.trailer
    return compression.frame(payload, text)


class Peer(Protocol):
    """Who is at the other end."""

    @property
    def address(self) -> str:
        """IP address, after trusted proxies."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """HTTP headers of the handshake, names in lower case."""
        ...


class Transport(Protocol):
    """One connection, seen from above."""

    @property
    def framing(self) -> Framing:
        """How payloads are wrapped."""
        ...

    @property
    def address(self) -> str:
        """IP address of the peer, after trusted proxies."""
        ...

    def write(self, data: bytes) -> None:
        """Sends bytes that are framed already. After `close` or `abort` it does nothing."""
        ...

    def ping(self) -> bool:
        """Asks the peer for a sign of life; the answer arrives as `Receiver.alive`.

        Returns:
            ``False`` where the transport has no such question, because what is below it finds dead peers by itself.
        """
        ...

    def progressed(self) -> bool:
        """Whether bytes of a message that is not whole yet came since the last question.

        They are a sign of life of one who uploads over a bad line. Asked before a silent peer is given up, not for
        each read; where the transport cannot tell, it may say yes once too often. ``False`` where it sees whole
        messages only.
        """
        ...

    def unsent_bytes(self) -> int:
        """How much of what was written the peer has not taken yet, as far as the transport can tell.

        While a receiver is paused and writes nothing, a figure that changes says that the peer reads. Asked now and
        then for who is paused, not for each write.
        """
        ...

    def pause_reading(self) -> None:
        """Stops reading the socket; the peer feels it by TCP's flow control."""
        ...

    def resume_reading(self) -> None:
        """Reads again."""
        ...

    def close(self, code: int, reason: str) -> None:
        """Sends what is written, a close frame, then closes. Idempotent. `Receiver.lost` follows."""
        ...

    def abort(self) -> None:
        """Closes at once; what is still unsent is lost. Idempotent. `Receiver.lost` follows."""
        ...


class Receiver(Protocol):
    """What a transport tells the one above it."""

    def received(self, data: bytes) -> None:
        """The payload of one message arrived."""
        ...

    def alive(self) -> None:
        """The peer gave a sign of life that carries no payload: a ping or a pong."""
        ...

    def paused(self) -> None:
        """The kernel takes no more bytes; called from within `Transport.write`."""
        ...

    def resumed(self) -> None:
        """Everything written has gone to the kernel."""
        ...

    def broke(self, code: int, reason: str) -> None:
        """The peer broke a rule of the transport: `Transport.close` must follow, with this code."""
        ...

    def finished(self) -> None:
        """The peer sends nothing more, and may still read: `Transport.close` follows when all is answered. Only where
        a connection has halves; `lost` follows in any case.
        """
        ...

    def lost(self, code: int | None, reason: str) -> None:
        """The connection has ended; the last call. ``code`` is the peer's close code, ``None`` where none
        came.
        """
        ...


class _Nobody:
    """The receiver of a connection that has ended.

    Session and transport know each other; once one of them does not, both are freed at once. Left to the garbage
    collector, thousands that end together would wait for its longest pass.
    """

    __slots__ = ()

    def received(self, data: bytes) -> None:
        """See `Receiver`."""

    def alive(self) -> None:
        """See `Receiver`."""

    def paused(self) -> None:
        """See `Receiver`."""

    def resumed(self) -> None:
        """See `Receiver`."""

    def broke(self, code: int, reason: str) -> None:
        """See `Receiver`."""

    def finished(self) -> None:
        """See `Receiver`."""

    def lost(self, code: int | None, reason: str) -> None:
        """See `Receiver`."""


NOBODY: Final[Receiver] = _Nobody()


class Refusal(NamedTuple):
    """Why a connection may not be; without HTTP the status is not told.

    Attributes:
        status: HTTP status.
        sentence: what a person should know.
        retry_after_s: when to try again, the ``Retry-After`` header; 0 for no word of it.
    """

    status: int
    sentence: str
    retry_after_s: int = 0


class Acceptor(Protocol):
    """Decides whether a connection may exist, and what stands above it."""

    def refuse(self, address: str = "") -> Refusal | None:
        """Why a connection cannot be served now, or ``None``. Asked once for each, before its handshake is answered.

        Args:
            address: IP address of the client, after trusted proxies.
        """
        ...

    def accept(self, transport: Transport) -> Receiver:
        """The connection stands: what receives from it."""
        ...
