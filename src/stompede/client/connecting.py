"""`stompede.connect`."""

from __future__ import annotations

import random
import ssl as tls
from collections.abc import Callable, Mapping
from functools import partial

from stompede._types import NO_HEADERS
from stompede.client.backoff import Backoff
from stompede.client.client import Client
from stompede.client.link import Dialer
from stompede.client.options import ClientOptions
from stompede.client.tcp import TcpDialer
from stompede.client.tokens import TokenSupplier
from stompede.client.websocket import WebSocketDialer
from stompede.errors import ConfigurationError, RequestError


def connect(
    url: str,
    *,
    token: str | TokenSupplier | None = None,
    login: str | None = None,
    passcode: str | None = None,
    host: str | None = None,
    connect_headers: Mapping[str, str] = NO_HEADERS,
    heart_beat_ms: tuple[int, int] = (10_000, 10_000),
    reconnect: Backoff | None = Backoff(),  # noqa: B008 - frozen
    follow_moves: bool = True,
    connect_timeout_s: float = 10.0,
    close_timeout_s: float = 2.0,
    max_queued_sends: int = 1000,
    max_queued_bytes: int = 1024 * 1024,
    max_message_bytes: int = 1024 * 1024,
    error_destination: str | None = "/session/queue/request-error",
    reply_destination: str = "/session/queue/replies",
    on_error: Callable[[RequestError], None] | None = None,
    ssl: tls.SSLContext | None = None,
    headers: Mapping[str, str] = NO_HEADERS,
    proxy: str | None = None,
    uniform: Callable[[], float] = random.random,
) -> Client:
    """A client of a STOMP server over WebSocket or TCP, to be entered with ``async with``.

    Entering makes the first connection, and raises where that is not possible. Afterwards the client comes
    back by itself when a connection is lost, unless the server says that coming back is of no use: then all
    that waits raises `SessionClosedError`.

    Args:
        url: ``ws://`` or ``wss://``; or ``stomp://host:port`` or ``stomp+ssl://host:port`` for STOMP over TCP.
        token: a token, or a function (sync or async) that returns one. It is called for each connection, and
            when the server says that the token has expired; the frame that was refused is then sent again,
            once.
        login: ``login`` header of CONNECT.
        passcode: ``passcode`` header of CONNECT.
        host: ``host`` header of CONNECT; by default the host of the URL.
        connect_headers: further headers of CONNECT.
        heart_beat_ms: what this client can send, and wants to receive, at least every so many milliseconds; 0
            for never.
        reconnect: when to come back after a lost connection; ``None`` for never.
        follow_moves: whether to connect once to the URL that the server names when it moves its clients to another
            node (the header ``reconnect-url`` of its ERROR frame). The token, ``login``, ``passcode`` and ``headers``
            go there, too. It is never an unencrypted URL where the connection was encrypted. If that fails, and
            without it, the client goes back to ``url``.
        connect_timeout_s: for one attempt from dialling to CONNECTED, for the token supplier, and for the
            subscriptions after it.
        close_timeout_s: for the server to answer DISCONNECT and the close frame.
        max_queued_sends: SEND frames that may wait while there is no connection, or while the server reads
            slowly.
        max_queued_bytes: their bytes, headers included.
        max_message_bytes: largest WebSocket message, and largest body, that is accepted from the server.
        error_destination: where the server sends soft errors; ``None`` for a server that knows nothing of
            that.
        reply_destination: where the server sends answers to requests.
        on_error: told of soft errors that no waiting call is told of, those of sends without a receipt. They
            are logged in any case.
        ssl: TLS context for ``wss`` and ``stomp+ssl``; the platform's default where ``None``.
        headers: additional headers of the WebSocket handshake, for example ``Origin``.
        proxy: URL of an HTTP or SOCKS proxy for WebSocket. The environment is not read: there is none unless it is
            given.
        uniform: chance for the back-off, evenly from [0, 1).

    Entering raises:
        SessionClosedError: no connection (its subclass `DialError`), or the server refused CONNECT; it has
            the code and the reason.
        AuthenticationError: the token supplier failed; its exception is the cause.
    """
    options = ClientOptions(
        token=token,
        login=login,
        passcode=passcode,
        host=host,
        connect_headers=connect_headers,
        heart_beat_ms=heart_beat_ms,
        reconnect=reconnect,
        follow_moves=follow_moves,
        connect_timeout_s=connect_timeout_s,
        close_timeout_s=close_timeout_s,
        max_queued_sends=max_queued_sends,
        max_queued_bytes=max_queued_bytes,
        max_message_bytes=max_message_bytes,
        error_destination=error_destination,
        reply_destination=reply_destination,
        on_error=on_error,
        uniform=uniform,
    )
    dialer = partial(_dialer, options=options, ssl=ssl, headers=headers, proxy=proxy)
    return Client(dialer(url), options, redial=dialer if follow_moves else None)


def _dialer(
    url: str,
    options: ClientOptions,
    ssl: tls.SSLContext | None,
    headers: Mapping[str, str],
    proxy: str | None,
) -> Dialer:
    if not url.startswith(("stomp:", "stomp+ssl:")):
        return WebSocketDialer(
            url,
            ssl=ssl,
            headers=headers,
            proxy=proxy,
            timeout_s=options.connect_timeout_s,
            max_message_bytes=options.max_message_bytes,
        )
    if headers or proxy is not None:
        raise ConfigurationError("headers= and proxy= belong to WebSocket; STOMP over TCP has none")
    return TcpDialer(url, ssl=ssl, timeout_s=options.connect_timeout_s)
