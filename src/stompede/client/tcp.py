"""Links over TCP, plain or TLS: STOMP frames follow each other, with nothing between them."""

from __future__ import annotations

import asyncio
import ssl as tls
from typing import Final, cast, final
from urllib.parse import urlsplit

from stompede.client.link import DialError, Link, LinkEvents
from stompede.errors import ConfigurationError

# What brokers have by convention.
DEFAULT_PORTS: Final = {"stomp": 61613, "stomp+ssl": 61614}


@final
class TcpDialer:
    """Connects to one host.

    Args:
        url: ``stomp://host:port`` or ``stomp+ssl://host:port``; the port is 61613 or 61614 unless it is given.
        ssl: TLS context for ``stomp+ssl``; the platform's default where ``None``.
        timeout_s: for TCP and the TLS handshake together, in seconds.
    """

    def __init__(self, url: str, *, ssl: tls.SSLContext | None = None, timeout_s: float = 10.0) -> None:
        try:
            parts = urlsplit(url)
            port = parts.port  # checked only when it is asked for
        except ValueError as error:
            raise ConfigurationError(f"{url!r} is no STOMP URL: {error}") from None
        if parts.scheme not in DEFAULT_PORTS:
            raise ConfigurationError(f"{url!r} is no STOMP URL; it starts with stomp:// or stomp+ssl://")
        if not parts.hostname:
            raise ConfigurationError(f"{url!r} is no STOMP URL: it names no host")
        if parts.path.strip("/") or parts.query or parts.username is not None:
            raise ConfigurationError(
                f"{url!r} is no STOMP URL: after host and port nothing follows, and a login is given by login="
            )
        self.url = url
        self._host = parts.hostname
        self._port = DEFAULT_PORTS[parts.scheme] if port is None else port
        self._ssl = None if parts.scheme == "stomp" else ssl or tls.create_default_context()
        self._timeout_s = timeout_s

    async def __call__(self, events: LinkEvents) -> Link:
        """Connects; see `stompede.client.link.Dialer`."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._timeout_s):
                _, link = await loop.create_connection(
                    lambda: TcpLink(events), self._host, self._port, ssl=self._ssl
                )
        except TimeoutError as error:
            raise DialError(f"{self.url}: no answer in time") from error
        except tls.CertificateError as error:
            raise DialError(f"{self.url}: {error}", reconnect=False) from error
        except OSError as error:
            raise DialError(f"{self.url}: {error.strerror or error}") from error
        except (ValueError, OverflowError) as error:  # a host or port that cannot be; also UnicodeError
            raise DialError(f"{self.url}: {error}", reconnect=False) from error
        return link


@final
class TcpLink(asyncio.Protocol):
    """One connection, client side."""

    def __init__(self, events: LinkEvents) -> None:
        self._events = events
        self._transport: asyncio.Transport
        self._silent = True
        self._closing = False

    # What the socket tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection stands, TLS included. The client speaks first: until then nothing is read."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.pause_reading()

    def data_received(self, data: bytes) -> None:
        """Some bytes, of frames or parts of them."""
        if not self._closing:
            self._events.received(data)

    def pause_writing(self) -> None:
        """The kernel takes no more for now."""
        self._events.paused()

    def resume_writing(self) -> None:
        """The kernel takes bytes again."""
        self._events.resumed()

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is closed."""
        self._closing = True
        self._events.lost(None, "" if exc is None else str(exc))

    # What the client asks for; see `stompede.client.link.Link`.

    def write(self, payload: bytes) -> None:
        """Sends some frames."""
        if self._closing or self._transport.is_closing():
            return
        self._transport.write(payload)
        if self._silent:
            self._silent = False
            self._transport.resume_reading()

    def close(self, code: int, reason: str) -> None:  # noqa: ARG002 - TCP has no words for them
        """Sends what is written, and the end; then the server closes its half, or `abort` ends the connection."""
        if self._closing:
            return
        self._closing = True
        if self._transport.is_closing():
            return
        if self._transport.get_extra_info("sslcontext") is not None:
            self._transport.close()
            return
        try:
            self._transport.write_eof()
        except OSError:  # the server has reset the connection
            self._transport.abort()

    def abort(self) -> None:
        """Ends the connection at once."""
        self._closing = True
        self._transport.abort()
