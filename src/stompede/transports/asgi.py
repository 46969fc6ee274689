"""WebSocket by plain ASGI: the slower way, for any other server than uvicorn with picows.

Behind the same boundary as the fast one. What the hub has made ready for a socket is taken apart again into
its messages, since ASGI wants them one by one.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any, Final

from stompede.transports.base import NOBODY, Acceptor, Receiver
from stompede.transports.handshake import HandshakeRefused, Rules, admit
from stompede.transports.websocket import WEBSOCKET

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_HIGH_WATER_BYTES: Final = 64 * 1024
_TEXT: Final = 0x81
_LOST: Final = 1006  # stands for a connection that ended without a close frame (RFC 6455 section 7.1.5)
# A server says so that it has refused what the peer sent.
_VIOLATIONS: Final = frozenset({1002, 1003, 1007, 1009})


def split_frames(data: bytes) -> Iterator[tuple[bool, bytes]]:
    """Takes complete server frames apart: whether it is text, and the payload (RFC 6455 section 5.2)."""
    position = 0
    while position < len(data):
        text = data[position] == _TEXT
        length = data[position + 1]
        position += 2
        if length == 126:
            length = int.from_bytes(data[position : position + 2])
            position += 2
        elif length == 127:
            length = int.from_bytes(data[position : position + 8])
            position += 8
        yield text, data[position : position + length]
        position += length


class AsgiConnection:
    """One WebSocket of an ASGI server; a `Transport`."""

    framing = WEBSOCKET

    def __init__(self, address: str, max_message_bytes: int, close_timeout_s: float) -> None:
        self.address = address
        self.receiver: Receiver
        self._loop = asyncio.get_running_loop()
        self._max_message_bytes = max_message_bytes
        self._close_timeout_s = close_timeout_s
        self._outgoing: deque[bytes] = deque()
        self._outgoing_bytes = 0
        self._paused = False
        self._closing: tuple[int, str] | None = None
        self._aborted = False
        self._something = asyncio.Event()
        self._readable = asyncio.Event()
        self._readable.set()
        self._peer_close: tuple[int | None, str] = (None, "")
        self._tasks: tuple[asyncio.Task[None], ...] = ()
        self._close_timer: asyncio.TimerHandle | None = None

    # `Transport`.

    def write(self, data: bytes) -> None:
        """See `Transport`."""
        if self._closing is not None or self._aborted:
            return
        self._outgoing.append(data)
        self._outgoing_bytes += len(data)
        self._something.set()
        if self._outgoing_bytes > _HIGH_WATER_BYTES and not self._paused:
            self._paused = True
            self.receiver.paused()

    def ping(self) -> bool:
        """ASGI has no pings; the server below sends its own, and ends the connection when none is answered."""
        return False

    def progressed(self) -> bool:
        """ASGI shows whole messages only."""
        return False

    def unsent_bytes(self) -> int:
        """See `Transport`: in whole messages, since ASGI does not show parts of one."""
        return self._outgoing_bytes

    def pause_reading(self) -> None:
        """See `Transport`."""
        self._readable.clear()

    def resume_reading(self) -> None:
        """See `Transport`."""
        self._readable.set()

    def close(self, code: int, reason: str) -> None:
        """See `Transport`."""
        if self._closing is None and not self._aborted:
            self._closing = (code, reason)
            self._something.set()
            self._readable.set()  # to see the peer's close frame
            self._close_timer = self._loop.call_later(self._close_timeout_s, self.abort)

    def abort(self) -> None:
        """See `Transport`."""
        self._aborted = True
        for task in self._tasks:  # one may wait for a peer that takes nothing
            task.cancel()

    # The two tasks.

    async def serve(self, receive: Receive, send: Send) -> None:
        """Runs the connection to its end."""
        reader = asyncio.ensure_future(self._read(receive))
        writer = asyncio.ensure_future(self._write(send))
        self._tasks = (reader, writer)
        try:
            await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
            if not self._aborted and self._closing is not None and not reader.done():
                await asyncio.wait(
                    (reader,)
                )  # our close frame is sent: the peer's ends the reader, or the timer
        finally:
            self.abort()
            if self._close_timer is not None:
                self._close_timer.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            self._loop.call_soon(self._tell_end)

    def _tell_end(self) -> None:
        code, reason = self._peer_close
        if code in _VIOLATIONS and self._closing is None:
            self.receiver.broke(code, reason)
        receiver, self.receiver = self.receiver, NOBODY
        receiver.lost(None if code == _LOST else code, reason)

    async def _read(self, receive: Receive) -> None:
        while True:
            await self._readable.wait()
            event = await receive()
            if event["type"] == "websocket.disconnect":
                self._peer_close = (event.get("code"), event.get("reason") or "")
                return
            text = event.get("text")
            data = event.get("bytes") if text is None else text.encode()
            if self._closing is not None or data is None:
                continue
            if len(data) > self._max_message_bytes:
                self._loop.call_soon(
                    self.receiver.broke, 1009, f"a message of more than {self._max_message_bytes} bytes"
                )
                continue
            handled = self._loop.create_future()
            # A receiver is called from the loop, outside of any task.
            self._loop.call_soon(self._hand_over, data, handled)
            await handled

    def _hand_over(self, data: bytes, handled: asyncio.Future[None]) -> None:
        try:
            self.receiver.received(data)
        finally:
            if not handled.done():
                handled.set_result(None)

    async def _write(self, send: Send) -> None:
        while not self._aborted:
            if not self._outgoing:
                if self._closing is not None:
                    code, reason = self._closing
                    await send({"type": "websocket.close", "code": code, "reason": reason})
                    return
                if self._paused:
                    self._paused = False
                    self.receiver.resumed()
                    continue
                self._something.clear()
                await self._something.wait()
                continue
            data = self._outgoing.popleft()
            headers_bytes = len(data)
            for text, payload in split_frames(data):
                message: dict[str, Any] = {"type": "websocket.send"}
                if text:
                    message["text"] = payload.decode()
                else:
                    message["bytes"] = payload
                await send(message)
                self._outgoing_bytes -= len(payload)
                headers_bytes -= len(payload)
            self._outgoing_bytes -= headers_bytes


async def serve_asgi(
    acceptor: Acceptor,
    scope: Scope,
    receive: Receive,
    send: Send,
    *,
    rules: Rules,
    max_message_bytes: int,
    close_timeout_s: float,
) -> None:
    """Serves one ``websocket`` scope.

    Args:
        acceptor: decides about the connection.
        scope: ASGI scope.
        receive: ASGI receive.
        send: ASGI send.
        rules: origins and proxies.
        max_message_bytes: largest WebSocket message.
        close_timeout_s: time for the peer to answer our close frame.
    """
    await receive()  # websocket.connect
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    try:
        admitted = admit(headers, (scope.get("client") or ("",))[0], scope.get("scheme") == "wss", rules)
        busy = acceptor.refuse(admitted.address)
        if busy is not None:
            raise HandshakeRefused(*busy)
    except HandshakeRefused as refused:
        await _refuse(scope, send, refused)
        return
    await send({"type": "websocket.accept", "subprotocol": admitted.subprotocol})
    connection = AsgiConnection(admitted.address, max_message_bytes, close_timeout_s)
    connection.receiver = acceptor.accept(connection)
    await connection.serve(receive, send)


async def _refuse(scope: Scope, send: Send, refused: HandshakeRefused) -> None:
    if "websocket.http.response" in scope.get("extensions", {}):
        headers = [(b"content-type", b"text/plain; charset=utf-8")]
        headers += [(name.lower().encode(), value.encode()) for name, value in refused.headers.items()]
        await send({"type": "websocket.http.response.start", "status": refused.status, "headers": headers})
        await send({"type": "websocket.http.response.body", "body": refused.detail.encode()})
    else:
        await send({"type": "websocket.close", "code": 1008, "reason": refused.detail[:120]})
