"""STOMP over TCP beside HTTP and WebSocket, in whatever server runs the application."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import structlog

from stompede._app.listening import authority_of, listen
from stompede.errors import ConfigurationError
from stompede.server.session.disconnects import Disconnects
from stompede.transports import TCP, Refusal, TlsListener, listen_tcp
from stompede.wire.stomp.encode import encode_error

if TYPE_CHECKING:
    from stompede._app.application import Stompede

log = structlog.get_logger("stompede.serve")


@contextlib.asynccontextmanager
async def serving_tcp(app: Stompede) -> AsyncIterator[None]:
    """Listens at ``tcp_port`` for as long as the block lasts; does nothing where it is not set.

    Raises:
        ConfigurationError: the port is taken, or the certificate does not load.
    """
    settings = app.settings
    if settings.tcp_port is None:
        yield
        return
    tls = _tls(app)
    host = settings.tcp_host or urlsplit(app._listens_at).hostname or "127.0.0.1"
    listener = listen(host, settings.tcp_port, "tcp_host and tcp_port")
    authority = authority_of(listener)
    server = await listen_tcp(
        app,
        listener,
        refused=_refused,
        tls=tls,
        handshakes=app._tls_handshakes,
        handshake_timeout_s=settings.handshake_timeout_s,
        close_timeout_s=settings.close_timeout_s,
    )
    app._tcp_server = server
    log.info("serving", tcp=f"{'stomp' if tls is None else 'stomp+ssl'}://{authority}")
    try:
        yield
    finally:
        app._tcp_server = None
        server.close()


def stop_listening(server: asyncio.Server | TlsListener | None) -> None:
    """Takes no new connections; those that are there stay."""
    if server is not None:
        server.close()


def _tls(app: Stompede) -> ssl.SSLContext | None:
    settings = app.settings
    if settings.tcp_certificate is not None:
        certfile = str(settings.tcp_certificate)
        keyfile = None if settings.tcp_key is None else str(settings.tcp_key)
    elif settings.tcp_key is not None:
        raise ConfigurationError("tcp_key needs its certificate: give tcp_certificate, too")
    elif app._certificate is not None:
        certfile, keyfile = app._certificate
    else:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certfile, keyfile)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise ConfigurationError(
            f"the certificate {certfile} with key {keyfile} does not load: {error}"
        ) from error
    return context


def _refused(refusal: Refusal) -> bytes:
    """The last bytes for a client that cannot be served now: the ERROR frame that it would get over WebSocket."""
    headers = {"reconnect": "true", "disconnect-reason": Disconnects.OVERLOADED.reason}
    if refusal.retry_after_s:
        headers["retry-after"] = str(refusal.retry_after_s)
    return encode_error(None, refusal.sentence, "", None, headers) + TCP.trailer
