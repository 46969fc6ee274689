"""uvicorn's HTTP protocol with limits for the head of a request, in time, bytes and number, and for what may follow."""

from __future__ import annotations

import asyncio
import logging
import re
import sys
from collections.abc import Callable
from functools import partial
from typing import Any, Final, cast

from httptools import HttpParserUpgrade
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from stompede.transports.complaints import Complaints
from stompede.transports.unsent import unsent_bytes

_MAX_HEAD_BYTES: Final = 64 * 1024  # several times what browsers, proxies and tokens make of it
_TOO_LARGE: Final = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
)
_CROWD: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nretry-after: 1\r\nconnection: close\r\n\r\n"
)
_HANDSHAKE: Final = re.compile(
    rb"GET /[!-~]* HTTP/1\.1\r\n(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t -~\x80-\xff]*\r\n)+\r\n"
)
_TOO_EARLY: Final = "Data follows the WebSocket handshake before its answer was sent."


def _is_handshake(data: bytes) -> bool:
    """Whether bytes are the whole head of a WebSocket handshake, and nothing else, in the form that nearly all clients
    give it. Another form is not wrong: uvicorn's parser knows them all.
    """
    if len(data) > _MAX_HEAD_BYTES or _HANDSHAKE.fullmatch(data) is None:
        return False
    head = data.lower()
    return (
        b"\r\nupgrade: websocket\r\n" in head
        and (b"\r\nconnection: upgrade\r\n" in head or b"\r\nconnection: keep-alive, upgrade\r\n" in head)
        and head.count(b"\r\nupgrade:") == head.count(b"\r\nconnection:") == 1
        and b"\r\ncontent-length:" not in head
        and b"\r\ntransfer-encoding:" not in head
    )


class _UnknownLength(int):
    """The length of a body that ends with its connection, in a place where uvicorn counts what is left of it."""

    def __lt__(self, other: int) -> bool:
        return False

    def __sub__(self, other: int) -> _UnknownLength:
        return self

    def __ne__(self, other: object) -> bool:
        return False

    __hash__ = int.__hash__


def http_protocol(
    handshake_timeout_s: float, *, max_handshakes: int, refused: Callable[[], None], complaints: Complaints
) -> type[asyncio.Protocol]:
    """Builds the class for uvicorn's ``http`` option.

    uvicorn waits without end for the head of a request once its first byte is there, and takes any length of it;
    here the connection is closed when the head, of a WebSocket handshake or any other request, is not complete
    in time or is too long. uvicorn drops what stands behind a handshake in the same read; here such a handshake is
    refused with 400, since a client must wait for the answer (RFC 6455 section 4.1). uvicorn sends chunks to clients of
    HTTP/1.0, too, which cannot read them (RFC 9112 section 6.1); here the end of the connection ends such a response.

    A connection that begins with a plain WebSocket handshake goes on to the class of the ``ws`` option at once; what
    uvicorn needs for HTTP is made for others only.

    An application finds two extensions in the scope: ``stompede.abort``, a function that closes the connection at once,
    and ``stompede.unsent``, which says how many bytes the client has not taken yet.

    Args:
        handshake_timeout_s: seconds from the accepted connection, or from the first byte of a further request,
            to the end of the request's head.
        max_handshakes: connections that may be within the head of a request at once; a further one is refused.
        refused: told of each that was.
        complaints: where uvicorn says what is wrong with a request.
    """
    heads = 0

    class TimedHttpProtocol(HttpToolsProtocol):
        _uvicorn: (
            tuple[Any, ...] | None
        )  # what its constructor takes, until something other than a handshake comes
        _head_timer: asyncio.TimerHandle | None = None
        _read_bytes = 0  # in the present read
        _head_bytes = 0  # since the parser last told of anything whole; trailers count, too

        def __init__(self, config: Any, server_state: Any, app_state: Any, _loop: Any = None) -> None:
            self._uvicorn = (config, server_state, app_state, _loop)
            self.connections = server_state.connections

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            self.transport = transport
            self.connections.add(self)
            if heads >= max_handshakes:
                self._serve_http()
                refused()
                transport.write(_CROWD)
                transport.close()
            else:
                self._start_timer()

        def data_received(self, data: bytes) -> None:
            if self.transport.is_closing():
                return  # refused
            if self._uvicorn is not None:
                if _is_handshake(data):
                    self._serve_websocket(data)
                    return
                self._serve_http()
            if self.cycle is not None and self.cycle.response_complete:
                self._start_timer()  # a further request begins
            self._read_bytes = len(data)
            self._head_bytes += len(data)
            super().data_received(data)
            if self._head_bytes > _MAX_HEAD_BYTES and not self.transport.is_closing():
                self.transport.write(_TOO_LARGE)
                self.transport.close()

        def _serve_http(self) -> None:
            assert self._uvicorn is not None
            transport, arguments, self._uvicorn = self.transport, self._uvicorn, None
            super().__init__(*arguments)
            self.logger = cast(logging.Logger, complaints)
            super().connection_made(transport)

        def _serve_websocket(self, data: bytes) -> None:
            """What `handle_websocket_upgrade` does, without a parser."""
            assert self._uvicorn is not None
            self._stop_timer()
            self.connections.discard(self)
            config, server_state, app_state, _ = self._uvicorn
            protocol = config.ws_protocol_class(config=config, server_state=server_state, app_state=app_state)
            protocol.connection_made(self.transport)
            protocol.data_received(data)
            self.transport.set_protocol(protocol)

        def on_headers_complete(self) -> None:
            self._stop_timer()
            self._head_bytes = 0
            super().on_headers_complete()
            cycle = self.cycle
            if cycle is not None and cycle.scope is self.scope:  # not for an upgrade
                extensions = cast(dict[str, Any], self.scope.setdefault("extensions", {}))
                extensions["stompede.abort"] = self.transport.abort
                extensions["stompede.unsent"] = partial(unsent_bytes, self.transport)
                if self.scope["http_version"] == "1.0":
                    cycle.chunked_encoding = False
                    cycle.expected_content_length = _UnknownLength()

        def on_body(self, body: bytes) -> None:
            self._head_bytes = 0
            super().on_body(body)

        def on_message_complete(self) -> None:
            self._stop_timer()
            self._head_bytes = 0
            super().on_message_complete()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_timer()
            if self._uvicorn is None:
                super().connection_lost(exc)
            else:
                self.connections.discard(self)

        def shutdown(self) -> None:
            if self._uvicorn is None:
                super().shutdown()
            else:
                self.transport.close()

        def handle_websocket_upgrade(self) -> None:
            upgrade = (
                sys.exception()
            )  # uvicorn calls this where it catches what its parser raises for an upgrade
            assert isinstance(upgrade, HttpParserUpgrade)
            if upgrade.args[0] < self._read_bytes:  # where the head ends
                self.logger.warning(_TOO_EARLY)
                self.send_400_response(_TOO_EARLY)
                return
            super().handle_websocket_upgrade()
            # The two refer to each other: apart they are freed at once, without the garbage collector.
            self.parser = None  # type: ignore[assignment]  # nothing comes to be parsed any more

        def _start_timer(self) -> None:
            nonlocal heads
            if self._head_timer is None:
                heads += 1
                self._head_timer = asyncio.get_running_loop().call_later(
                    handshake_timeout_s, self.transport.abort
                )

        def _stop_timer(self) -> None:
            nonlocal heads
            if self._head_timer is not None:
                heads -= 1
                self._head_timer.cancel()
                self._head_timer = None

    return cast("type[asyncio.Protocol]", cast(Any, TimedHttpProtocol))
