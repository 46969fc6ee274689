"""The class that uvicorn makes for an upgrade: picows' protocol, behind the rules of a handshake.

uvicorn reads the HTTP request; for an upgrade it makes an object of the class that its ``ws`` option names,
hands it the socket's transport and the bytes of the request, and makes it the socket's protocol.
`websocket_protocol` builds that class. From then on bytes go from the socket to picows' frame parser and on
to a `WebSocketConnection`, with nothing of ASGI between.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable
from typing import Any, Final, cast
from urllib.parse import unquote_to_bytes

from picows import WSAutoPingStrategy, WSUpgradeRequest, WSUpgradeResponse
from picows.common import WSUpgradeResponseWithListener
from picows.picows import WSProtocol  # type: ignore[attr-defined]  # its stub leaves the class out

from stompede.transports.base import Acceptor
from stompede.transports.deflate import Compressing
from stompede.transports.handshake import HandshakeRefused, Rules, admit
from stompede.transports.websocket import WEBSOCKET, WebSocketConnection

logger = logging.getLogger(__name__)

_CONNECTION: Final = re.compile(rb"\r\nconnection:[^\r]*", re.IGNORECASE)
_DRAFT: Final = re.compile(rb"\r\nsec-websocket-version: *[78](?=\r)", re.IGNORECASE)
_VERSION: Final = re.compile(rb"\r\nsec-websocket-version: *([^\r]*?) *\r", re.IGNORECASE)
_VERSIONS: Final = (b"13", b"8", b"7")
_DRAFT_ORIGIN: Final = re.compile(rb"\r\nsec-websocket-origin:", re.IGNORECASE)


class _Faults:
    """What picows logs to, one for each connection: a line is how it tells at once that a frame cannot be parsed.

    It would also make a child logger for each connection of a real `logging.Logger`; this spares that memory. Its
    lines about connections that come and go are not kept: the session logs its end, with the reason.
    """

    __slots__ = ("connection",)

    def __init__(self) -> None:
        self.connection: WebSocketConnection | None = None

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802 - the face of a logger
        return level >= logging.WARNING

    def log(self, level: int, message: str, *arguments: Any) -> None:
        pass

    def debug(self, message: str, *arguments: Any) -> None:
        pass

    def info(self, message: str, *arguments: Any) -> None:
        pass

    def warning(self, message: str, *arguments: Any) -> None:
        logger.warning(message, *arguments)

    def error(self, message: str, *arguments: Any) -> None:
        if self.connection is not None and message.startswith("WS parser error"):
            code, reason = arguments[0]
            self.connection.unreadable(int(code.value), str(reason))
        else:
            logger.error(message, *arguments)

    def exception(self, message: str, *arguments: Any) -> None:
        logger.exception(message, *arguments)


def websocket_protocol(
    acceptor_at: Callable[[str], Acceptor | None],
    *,
    rules: Rules,
    compressing: Compressing,
    max_message_bytes: int,
    close_timeout_s: float,
    fallback: Callable[..., asyncio.Protocol] | None,
) -> type[asyncio.Protocol]:
    """Builds the class for uvicorn's ``ws`` option.

    Args:
        acceptor_at: who decides about new connections at a path; ``None`` for one that is not served here.
        rules: origins and proxies.
        compressing: where permessage-deflate is offered.
        max_message_bytes: largest WebSocket message.
        close_timeout_s: time for the peer to answer our close frame.
        fallback: uvicorn's own class, for WebSocket routes of the application on other paths.
    """

    def listen(
        request: WSUpgradeRequest, protocol: WSProtocol, faults: _Faults
    ) -> WSUpgradeResponseWithListener | WSUpgradeResponse:
        path, acceptor = protocol.place
        del protocol.place
        headers = {name.lower(): value for name, value in request.headers.items()}
        socket = protocol.transport.underlying_transport
        peer = socket.get_extra_info("peername")
        try:
            if acceptor is None:
                raise HandshakeRefused(404, "no WebSocket is served here; see the setting endpoints")
            admitted = admit(headers, peer[0] if peer else "", protocol.transport.is_secure, rules)
            busy = acceptor.refuse(admitted.address)
            if busy is not None:
                raise HandshakeRefused(*busy)
        except HandshakeRefused as refused:
            return WSUpgradeResponseWithListener(
                WSUpgradeResponse.create_error_response(
                    refused.status, refused.detail.encode(errors="replace"), refused.headers
                ),
                None,
            )
        offers = ", ".join(request.headers.getall("Sec-WebSocket-Extensions", ()))
        agreed = compressing.agree(path, offers)
        free_bytes = len(protocol.get_buffer(-1))
        connection = WebSocketConnection(
            acceptor,
            admitted.address,
            max_message_bytes,
            close_timeout_s,
            free_bytes,
            WEBSOCKET if agreed is None else agreed.framing,
        )
        faults.connection = connection
        chosen = {} if admitted.subprotocol is None else {"Sec-WebSocket-Protocol": admitted.subprotocol}
        if agreed is not None:
            chosen["Sec-WebSocket-Extensions"] = agreed.answer
        return WSUpgradeResponseWithListener(
            WSUpgradeResponse.create_101_response(extra_headers=chosen), connection
        )

    class UpgradedConnection(WSProtocol):  # type: ignore[misc]  # a Cython class without types
        """What uvicorn makes for an upgrade: picows' protocol with uvicorn's constructor."""

        def __init__(self, config: Any, server_state: Any, app_state: Any, _loop: Any = None) -> None:
            self._uvicorn = (config, server_state, app_state)
            faults = _Faults()
            super().__init__(
                None, None, False, lambda request: listen(request, self, faults), faults, True, None,
                False, None, None, WSAutoPingStrategy.PING_WHEN_IDLE, False, max_message_bytes, None, 2048,
            )  # fmt: skip

        def data_received(self, data: bytes) -> None:
            """Takes the bytes of the request, which uvicorn has read already."""
            method, target = data[: data.find(b"\r\n")].split(b" ")[:2]
            path = _path_of(target)
            acceptor = acceptor_at(path)
            if acceptor is not None or fallback is None:
                del self._uvicorn
                self.place = path, acceptor
                if method != b"GET":
                    self._refuse(b"405 Method Not Allowed\r\nAllow: GET")
                    return
                version = _VERSION.search(data)
                if version is not None and version[1] not in _VERSIONS:
                    # RFC 6455 section 4.4: the versions that would do are said.
                    self._refuse(
                        b"426 Upgrade Required\r\nUpgrade: websocket\r\nSec-WebSocket-Version: "
                        + b", ".join(_VERSIONS)
                    )
                    return
                try:
                    self._begin(_as_picows_wants(data))
                except UnicodeError:  # of picows' answer to a header that is not UTF-8
                    self._refuse(b"400 Bad Request")
            else:
                self._hand_over(data)

        def _begin(self, data: bytes) -> None:
            while data:  # the read buffer grows as it fills
                view = self.get_buffer(-1)
                part = data[: len(view)]
                view[: len(part)] = part
                data = data[len(part) :]
                self.buffer_updated(len(part))

        def _refuse(self, status: bytes) -> None:
            socket = self.transport.underlying_transport
            socket.write(b"HTTP/1.1 %b\r\nConnection: close\r\nContent-Length: 0\r\n\r\n" % status)
            socket.close()

        def _hand_over(self, data: bytes) -> None:
            """Another path: the application's own WebSocket route, served by uvicorn's class."""
            assert fallback is not None
            config, server_state, app_state = self._uvicorn
            protocol = fallback(config=config, server_state=server_state, app_state=app_state)
            socket = self.transport.underlying_transport
            # uvicorn makes this object the socket's protocol when we return; ours is a step later, before
            # any new byte is read, and before a connection that is refused at once is told of its end.
            asyncio.get_running_loop().call_soon(socket.set_protocol, protocol)
            protocol.connection_made(socket)
            protocol.data_received(data)

    return cast("type[asyncio.Protocol]", UpgradedConnection)


def _as_picows_wants(request: bytes) -> bytes:
    """The head of an upgrade with what uvicorn has checked already in the one form that picows knows: browsers send
    ``Connection: keep-alive, Upgrade``, and the drafts 7 to 12 differ from RFC 6455 in the name of one header alone.
    """
    request = _CONNECTION.sub(b"\r\nconnection: Upgrade", request)
    if _DRAFT.search(request):
        request = _DRAFT.sub(b"\r\nsec-websocket-version: 13", request)
        request = _DRAFT_ORIGIN.sub(b"\r\norigin:", request)
    return request


def _path_of(target: bytes) -> str:
    return unquote_to_bytes(target.partition(b"?")[0]).decode("utf-8", "replace")
