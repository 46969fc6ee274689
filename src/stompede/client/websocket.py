"""Links over WebSocket, by picows.

picows parses frames and masks; the rules between frames (fragments, UTF-8, close codes) are
`stompede.wire.websocket`'s, the same as the server's. Nothing is read from the environment: a proxy is used
only where the caller names one.
"""

from __future__ import annotations

import asyncio
import socket
import ssl as tls
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

import picows
from picows import WSFrame, WSListener, WSMsgType, WSTransport
from picows.url import WSParsedURL

from stompede._types import NO_HEADERS
from stompede.client.endings import status_may_change
from stompede.client.frames import check_lines
from stompede.client.link import DialError, Link, LinkEvents
from stompede.errors import ConfigurationError
from stompede.wire.websocket import MessageAssembler, WebSocketViolation, check_close

# What a client of this library offers: newest first, as RFC 6455 section 4.1 orders preferences.
SUBPROTOCOLS: Final = ("v12.stomp", "v11.stomp", "v10.stomp")
# Clients mostly receive one small message at a time; picows grows the buffer where that is wrong. Its default
# is 16 KiB.
READ_BUFFER_BYTES: Final = 2048


class WebSocketDialer:
    """Connects to one URL.

    Args:
        url: ``ws://`` or ``wss://``.
        ssl: TLS context for ``wss``; the platform's default where ``None``.
        headers: additional headers of the handshake, for example ``Origin`` or ``Cookie``.
        proxy: URL of an HTTP or SOCKS proxy; none is used unless it is given.
        timeout_s: for the handshake alone, in seconds.
        max_message_bytes: largest message that is accepted; a larger one ends the connection with 1009.
    """

    def __init__(
        self,
        url: str,
        *,
        ssl: tls.SSLContext | None = None,
        headers: Mapping[str, str] | None = None,
        proxy: str | None = None,
        timeout_s: float = 10.0,
        max_message_bytes: int = 1024 * 1024,
    ) -> None:
        if not url.startswith(("ws://", "wss://")):
            raise ConfigurationError(
                f"{url!r} is no WebSocket URL; it starts with ws:// or wss://, or with stomp:// for TCP"
            )
        try:
            parts = urlsplit(url)
            _ = parts.port  # checked only when it is asked for
        except ValueError as error:
            raise ConfigurationError(f"{url!r} is no WebSocket URL: {error}") from None
        if not parts.hostname:
            raise ConfigurationError(f"{url!r} is no WebSocket URL: it names no host")
        check_lines("headers", headers or NO_HEADERS)
        self.url = url
        self._ssl = ssl
        self._proxy = proxy
        self._timeout_s = timeout_s
        self._max_message_bytes = max_message_bytes
        self._headers = {"Sec-WebSocket-Protocol": ", ".join(SUBPROTOCOLS), **(headers or {})}

    async def __call__(self, events: LinkEvents) -> Link:
        """Connects; see `stompede.client.link.Dialer`."""
        opened: list[socket.socket] = []

        async def open_socket(target: WSParsedURL) -> socket.socket:
            opened.append(await _open_socket(target.host, target.port))
            return opened[-1]

        try:
            transport, listener = await picows.ws_connect(
                lambda _request, _response: WebSocketLink(events, self._max_message_bytes),
                self.url,
                ssl_context=self._ssl,
                websocket_handshake_timeout=self._timeout_s,
                # picows would answer pings itself, but not check what else a control frame must obey.
                enable_auto_pong=False,
                max_frame_size=self._max_message_bytes,
                extra_headers=self._headers,
                proxy=self._proxy,
                read_buffer_init_size=READ_BUFFER_BYTES,
                socket_factory=open_socket,
            )
        except picows.WSHandshakeError as error:
            raise _refused(self.url, error) from error
        except (OSError, TimeoutError, picows.WSError) as error:
            raise DialError(f"{self.url}: {_sentence(error)}") from error
        except (ValueError, OverflowError) as error:  # a host or port that cannot be; also UnicodeError
            raise DialError(f"{self.url}: {error}", reconnect=False) from error
        except asyncio.CancelledError:
            # picows would keep the half-open connection until the handshake's time is over.
            for half_open in opened:
                _shut(half_open)
            raise
        if not isinstance(listener, WebSocketLink):
            raise DialError(f"{self.url}: the connection broke during the handshake")
        chosen = transport.response.headers.get("Sec-WebSocket-Protocol")
        if chosen is not None and chosen not in SUBPROTOCOLS:
            listener.abort()
            raise DialError(
                f"{self.url}: the server chose the subprotocol {chosen!r}, which was not offered",
                reconnect=False,
            )
        listener.forget_handshake()
        return listener


async def _open_socket(host: str, port: int) -> socket.socket:
    """A connected socket to the first address of a host that answers."""
    loop = asyncio.get_running_loop()
    failure: OSError | None = None
    for family, kind, protocol, _, address in await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        candidate = socket.socket(family, kind, protocol)
        candidate.setblocking(False)
        try:
            await loop.sock_connect(candidate, address)
        except OSError as error:
            candidate.close()
            failure = error
        except BaseException:
            candidate.close()
            raise
        else:
            return candidate
    raise failure or OSError(f"no address for {host}")


def _shut(half_open: socket.socket) -> None:
    """Makes both ends of a socket see the end; the transport that owns it then closes it."""
    try:
        half_open.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # It is closed already, which is what is wanted.


def _refused(url: str, error: picows.WSHandshakeError) -> DialError:
    response = error.response
    if response is None or response.status == 101:
        return DialError(f"{url}: {error}", reconnect=False)
    status = int(response.status)
    said = (error.raw_body or b"").decode("utf-8", "replace").strip().partition("\n")[0][:200]
    sentence = f"{url}: the server refused the WebSocket with HTTP {status}" + (f": {said}" if said else "")
    return DialError(sentence, code=status, reason="handshake-refused", reconnect=status_may_change(status))


def _sentence(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return str(error) or type(error).__name__


class WebSocketLink(WSListener):
    """One WebSocket, client side."""

    def __init__(self, events: LinkEvents, max_message_bytes: int) -> None:
        self._events = events
        self._assembler = MessageAssembler(max_message_bytes)
        self._transport: WSTransport | None = None
        self._closing = False
        self._ended: tuple[int | None, str] | None = None

    def forget_handshake(self) -> None:
        """Drops the handshake's headers, which would stay for the connection's life."""
        if self._transport is not None:
            self._transport.request.headers.clear()
            self._transport.response.headers.clear()

    # What picows tells.

    def on_ws_connected(self, transport: WSTransport) -> None:
        """The handshake is over."""
        self._transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """One frame, perhaps a part of a message."""
        kind = frame.msg_type
        try:
            if kind is WSMsgType.CLOSE:
                self._peer_closes(transport, *check_close(frame.get_payload_as_bytes()))
            elif self._closing:
                return
            elif kind is WSMsgType.PING:
                transport.send_pong(frame.get_payload_as_bytes())
            elif kind is not WSMsgType.PONG:
                self._data(frame)
        except WebSocketViolation as violation:
            self._ended = (violation.code, violation.reason)
            self.close(violation.code, violation.reason)
            transport.disconnect()

    def _data(self, frame: WSFrame) -> None:
        rsv = bool(frame.rsv1 or frame.rsv2 or frame.rsv3)
        message = self._assembler.frame(
            int(frame.msg_type.value), frame.get_payload_as_bytes(), bool(frame.fin), rsv
        )
        if message is not None:
            self._events.received(message.data)

    def _peer_closes(self, transport: WSTransport, code: int | None, reason: str) -> None:
        if self._ended is None:
            self._ended = (code, reason)
        if not self._closing:
            self.close(1000 if code is None else code, "")
        transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """The socket is closed."""
        self._closing = True
        code, reason = self._ended or _closed_by_picows(transport)
        self._events.lost(code, reason)

    def pause_writing(self) -> None:
        """The kernel takes no more for now."""
        self._events.paused()

    def resume_writing(self) -> None:
        """The kernel takes bytes again."""
        self._events.resumed()

    # What the client asks for; see `stompede.client.link.Link`.

    def write(self, payload: bytes) -> None:
        """Sends one message, as text where it is ASCII, as some servers take nothing else."""
        if self._transport is None or self._closing:
            return
        # A failed write is noticed at once, and told by `on_ws_disconnected` a turn of the loop later.
        if not self._transport.underlying_transport.is_closing():
            self._transport.send(WSMsgType.TEXT if payload.isascii() else WSMsgType.BINARY, payload)

    def close(self, code: int, reason: str) -> None:
        """Sends a close frame; the peer's answer, or `abort`, ends the connection."""
        if self._transport is not None and not self._closing:
            self._closing = True
            self._transport.send_close(picows.WSCloseCode(code), reason.encode()[:123])

    def abort(self) -> None:
        """Ends the connection at once."""
        self._closing = True
        if self._transport is not None:
            self._transport.disconnect(graceful=False)


def _closed_by_picows(transport: WSTransport) -> tuple[int | None, str]:
    """The close code that picows sent by itself for what it could not parse; none where the connection broke."""
    handshake = transport.close_handshake
    sent = handshake.sent if handshake is not None else None
    return (None, "") if sent is None else (int(sent.code.value), sent.reason)
