"""uvicorn's HTTP protocol with a time limit for the first request."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


def http_protocol(handshake_timeout_s: float) -> type[asyncio.Protocol]:
    """Builds the class for uvicorn's ``http`` option.

    uvicorn waits without end for the first request of a connection; here the connection is closed when the
    head of the request, a WebSocket handshake or any other, is not complete in time.

    Args:
        handshake_timeout_s: seconds from the accepted connection to the end of the request's head.
    """

    class TimedHttpProtocol(HttpToolsProtocol):
        _first_request: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._first_request = self.loop.call_later(handshake_timeout_s, transport.abort)

        def on_headers_complete(self) -> None:
            self._stop_timer()
            super().on_headers_complete()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_timer()
            super().connection_lost(exc)

        def handle_websocket_upgrade(self) -> None:
            super().handle_websocket_upgrade()
            # The two refer to each other: apart they are freed at once, without the garbage collector.
            self.parser = None  # type: ignore[assignment]  # nothing comes to be parsed any more

        def _stop_timer(self) -> None:
            if self._first_request is not None:
                self._first_request.cancel()
                self._first_request = None

    return cast("type[asyncio.Protocol]", cast(Any, TimedHttpProtocol))
