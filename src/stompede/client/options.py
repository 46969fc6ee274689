"""Everything a client can be told, with its unit and the reason for its default."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

import msgspec

from stompede._types import NO_HEADERS
from stompede.client.backoff import Backoff
from stompede.client.connection import ConnectSettings
from stompede.client.frames import check_lines
from stompede.client.tokens import TokenSupplier
from stompede.errors import ConfigurationError, RequestError
from stompede.wire import stomp


class ClientOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Options of a `Client`; `stompede.connect` takes them as arguments.

    Attributes:
        token: a token, or a function (sync or async) that returns one. It is called for each connection, and
            when the server says that the token has expired. The token goes on CONNECT and on every frame that
            the server checks.
        login: ``login`` header of CONNECT.
        passcode: ``passcode`` header of CONNECT.
        host: ``host`` header of CONNECT; by default the host of the URL.
        connect_headers: further headers of CONNECT.
        heart_beat_ms: what this client can send, and wants to receive, at least every so many milliseconds; 0
            for never. 10 s finds a dead connection within half a minute and costs next to nothing.
        reconnect: when to come back after a lost connection; ``None`` for never.
        follow_moves: whether to connect once to the URL that a server names when it moves its clients.
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
        uniform: chance for the back-off, evenly from [0, 1).
    """

    token: str | TokenSupplier | None = None
    login: str | None = None
    passcode: str | None = None
    host: str | None = None
    connect_headers: Mapping[str, str] = NO_HEADERS
    heart_beat_ms: tuple[int, int] = (10_000, 10_000)
    reconnect: Backoff | None = Backoff()
    follow_moves: bool = True
    connect_timeout_s: float = 10.0
    close_timeout_s: float = 2.0
    max_queued_sends: int = 1000
    max_queued_bytes: int = 1024 * 1024
    max_message_bytes: int = 1024 * 1024
    error_destination: str | None = "/session/queue/request-error"
    reply_destination: str = "/session/queue/replies"
    on_error: Callable[[RequestError], None] | None = None
    uniform: Callable[[], float] = random.random

    def __post_init__(self) -> None:
        for name in (
            "connect_timeout_s",
            "close_timeout_s",
            "max_queued_sends",
            "max_queued_bytes",
            "max_message_bytes",
        ):
            if getattr(self, name) <= 0:
                raise ConfigurationError(f"{name} must be more than 0, is {getattr(self, name)}")
        if min(self.heart_beat_ms) < 0:
            raise ConfigurationError(
                f"heart_beat_ms must not be negative, is {self.heart_beat_ms}; 0 for never"
            )
        for name in ("host", "login", "passcode"):
            if getattr(self, name) is not None:
                check_lines(name, {name: getattr(self, name)})
        check_lines("connect_headers", self.connect_headers)
        if callable(self.token) and self.error_destination is None:
            raise ConfigurationError(
                "a token supplier needs error_destination: there the server says that a token has expired"
            )


def connect_settings(options: ClientOptions, url: str) -> ConnectSettings:
    """What options mean for each connection to a URL."""
    return ConnectSettings(
        host=options.host or urlsplit(url).hostname or "localhost",
        login=options.login,
        passcode=options.passcode,
        headers=options.connect_headers,
        heart_beat=stomp.HeartBeat(*options.heart_beat_ms),
        limits=stomp.Limits(max_body_bytes=options.max_message_bytes),
    )
