"""Serving on a port: uvicorn for HTTP, picows for WebSocket, aiofastnet's transports below both."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
import ssl
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

import structlog
import uvicorn
from aiofastnet import connect_accepted_socket
from aiofastnet.api_patch import loop_factory
from uvicorn.protocols.websockets.auto import AutoWebSocketsProtocol

from stompede._app.listening import authority_of, listen
from stompede._app.places import warn_of_nowhere
from stompede._app.tcp import stop_listening
from stompede._app.tls import TlsFailures
from stompede._traceback import traceback_of
from stompede.errors import ConfigurationError, StompedeError
from stompede.server.handlers.pool import THREAD_NAME
from stompede.server.logs import configure_logging
from stompede.transports import TlsHandshakes, TlsListener, http_protocol, websocket_protocol

if TYPE_CHECKING:
    from stompede._app.application import Stompede

log = structlog.get_logger("stompede.serve")

# Python's defaults (700, 10, 10) are reached by 25 new sessions. When 9,000 connect, they made the collector walk
# through all live objects ten times: a third of the whole work. The first two generations stay small here, so that a
# pass takes milliseconds, and the third waits for a million objects; what ends is freed without it.
_GC_THRESHOLDS: Final = (2_000, 5, 100)
_THREADS_END_S: Final = 1.0  # idle threads of the pool end at once


_CUT_SHORT: Final = (
    b"stompede: a second Ctrl-C: ended at once, without the handlers and clients that it waited for\n"
)


class _Server(uvicorn.Server):
    """uvicorn's server, which stops the node before it cuts connections. A Ctrl-C while it stops ends the process
    at once, where that is its own.

    Attributes:
        owns_process: whether nothing else runs in this process, so that its settings may be made here.
    """

    owns_process = False

    def __init__(self, config: uvicorn.Config, app: Stompede) -> None:
        super().__init__(config)
        self._stompede = app
        self._tls_failures = TlsFailures()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        stop_listening(self._stompede._tcp_server)
        if self._stompede._node is not None and not self.force_exit:
            await self._stompede._node.stop()
        await super().shutdown(sockets)
        # uvicorn raises the signal that it was stopped by once more; but it has been obeyed: exit code 0.
        self._captured_signals.clear()
        self._tls_failures.release(asyncio.get_running_loop())

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self.owns_process and self.should_exit and sig == signal.SIGINT:
            # Past everything that could take time: handlers in threads, or a loop that one of them blocks. And past
            # `sys.stderr`, which the signal may have found in the middle of a line of the log.
            os.write(2, _CUT_SHORT)
            os._exit(128 + signal.SIGINT)
        super().handle_exit(sig, frame)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        assert sockets
        authority = authority_of(sockets[0])
        self._tls_failures.watch(asyncio.get_running_loop())
        self._stompede.serves_at(authority, secure=bool(self.config.ssl))
        app = self._stompede
        warn_of_nowhere(app.settings, app.public_url)
        with _counted_tls(self.config.ssl, app._tls_handshakes, app.settings.handshake_timeout_s):
            await super().startup(sockets)
        if self.owns_process:
            _settle_garbage_collector()
        scheme = "https" if self.config.ssl else "http"
        log.info(
            "serving", url=f"{scheme}://{authority}", websocket=", ".join(self._stompede.settings.endpoints)
        )


@contextlib.contextmanager
def _counted_tls(tls: ssl.SSLContext | None, handshakes: TlsHandshakes, timeout_s: float) -> Iterator[None]:
    """uvicorn opens a port now whose TLS handshakes are counted, and have so long. It has no option for either, and
    asyncio's own time is a minute.
    """
    loop = asyncio.get_running_loop()
    create_server, connect = loop.create_server, loop.connect_accepted_socket

    async def create(*arguments: Any, **options: Any) -> Any:
        if tls is None or options.get("ssl") is not tls:
            return await create_server(*arguments, **options)
        return TlsListener(
            arguments[0],
            options["sock"],
            options["backlog"],
            handshakes,
            ssl=tls,
            ssl_handshake_timeout=timeout_s,
        )

    loop.create_server = create  # type: ignore[method-assign]
    # The one of the loop's methods that aiofastnet has and does not put there by itself.
    loop.connect_accepted_socket = partial(connect_accepted_socket, loop)  # type: ignore[method-assign]
    try:
        yield
    finally:
        loop.create_server = create_server  # type: ignore[method-assign]
        loop.connect_accepted_socket = connect  # type: ignore[method-assign]


def _end_with_stuck_threads() -> None:
    """Ends the process where handlers that are plain ``def`` never return: the interpreter would wait for them."""
    end = time.monotonic() + _THREADS_END_S
    threads = [thread for thread in threading.enumerate() if thread.name.startswith(THREAD_NAME)]
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    stuck = sum(thread.is_alive() for thread in threads)
    if stuck:
        log.warning(
            "handlers that are plain def have not returned; the process ends without them", threads=stuck
        )
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def _settle_garbage_collector() -> None:
    """What the imports and the start have left is there to stay: it is never looked at again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)


def serve(app: Stompede, host: str, port: int, *, certfile: str | None, keyfile: str | None) -> None:
    """See `Stompede.run`."""
    configure_logging(app.settings)
    listener = listen(host, port)
    try:
        server = build_server(app, certfile=certfile, keyfile=keyfile)
    except BaseException:
        listener.close()
        raise
    server.owns_process = True
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        try:
            runner.run(server.serve(sockets=[listener]))
        except SystemExit as wanted:  # uvicorn's answer to an application that does not start
            if server.started:
                log.error(
                    "something wants to end the process",
                    exit_code=wanted.code,
                    exception=traceback_of(wanted),
                )
                raise
            error = app._start_error
            if isinstance(error, StompedeError):
                raise error from None
            raise ConfigurationError("the application did not start; the log above says why") from error
    _end_with_stuck_threads()


def build_server(app: Stompede, *, certfile: str | None = None, keyfile: str | None = None) -> _Server:
    """uvicorn's server for an application, configured but not started; it wants a loop that is patched by aiofastnet.

    Raises:
        ConfigurationError: the certificate does not load.
    """
    settings = app.settings
    app._server_stops_node = True
    app._certificate = None if certfile is None else (certfile, keyfile)
    websocket = websocket_protocol(
        app._endpoints.websocket,
        rules=app._rules,
        compressing=app._compressing,
        max_message_bytes=settings.max_message_bytes,
        close_timeout_s=settings.close_timeout_s,
        fallback=AutoWebSocketsProtocol,
    )
    config = uvicorn.Config(
        app,
        http=http_protocol(
            settings.handshake_timeout_s,
            max_handshakes=settings.max_handshakes,
            refused=app.handshake_refused,
        ),
        ws=websocket,
        lifespan="on",
        log_config=None,
        access_log=False,
        ssl_certfile=certfile,
        ssl_keyfile=keyfile,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        timeout_graceful_shutdown=int(settings.close_timeout_s) + 1,
        backlog=4096,
        server_header=False,
    )
    try:
        config.load()
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        key = "" if keyfile is None else f" with the key {keyfile}"
        why = (
            error.strerror
            if isinstance(error, OSError) and not isinstance(error, ssl.SSLError)
            else str(error)
        )
        raise ConfigurationError(f"the certificate {certfile}{key} does not load: {why}") from error
    return _Server(config, app)
