"""TLS handshakes that fail: port scanners, clients that speak no TLS, or do not know the certificate.

The loop is told of some of them, of clients that go away in the middle, as of unexpected errors, and would log each
with a traceback. Anybody can cause as many as they like; so a line in the log tells of them now and then.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Any, Final, final

import structlog

log = structlog.get_logger("stompede.serve")

_LINE_EVERY_S: Final = 10.0
_HANDSHAKE: Final = "SSL handshake failed"  # aiofastnet's and asyncio's word for it

Handler = Callable[[asyncio.AbstractEventLoop, dict[str, Any]], object]


@final
class TlsFailures:
    """Stands before a loop's exception handler; see the module."""

    def __init__(self) -> None:
        self._before: Handler | None = None
        self._line_at = float("-inf")
        self._untold = 0

    def watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Looks at what the loop is told of from now on, and passes on what it is not for."""
        self._before = loop.get_exception_handler()
        loop.set_exception_handler(self._handle)

    def release(self, loop: asyncio.AbstractEventLoop) -> None:
        """The loop's handler is again what it was. Idempotent."""
        if loop.get_exception_handler() == self._handle:
            loop.set_exception_handler(self._before)

    def _handle(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if str(context.get("message")).startswith(_HANDSHAKE) or isinstance(error, ssl.SSLError):
            self._count(loop.time(), error, context.get("transport"))
        elif self._before is not None:
            self._before(loop, context)
        else:
            loop.default_exception_handler(context)

    def _count(self, now: float, error: object, transport: asyncio.BaseTransport | None) -> None:
        self._untold += 1
        if now < self._line_at:
            return
        self._line_at = now + _LINE_EVERY_S
        peer = None if transport is None else transport.get_extra_info("peername")
        log.info(
            "TLS handshakes failed",
            failed=self._untold,
            last=error.__name__ if isinstance(error, type) else repr(error),
            last_address=peer[0] if peer else None,
        )
        self._untold = 0
