"""A STOMP client for tests of the server, made of other people's parts.

WebSocket is spoken by ``websockets``' sans-I/O core, over a socket that is read only when a test asks for something:
so one client can be slow, break rules on purpose, or leave nothing but raw bytes. STOMP is parsed here once more, in
thirty lines, and not by the code under test.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

from websockets.client import ClientProtocol
from websockets.datastructures import Headers
from websockets.exceptions import InvalidStatus
from websockets.extensions import ClientExtensionFactory
from websockets.frames import Frame as WsFrame
from websockets.frames import Opcode
from websockets.http11 import Response
from websockets.uri import parse_uri

PATIENCE_S = 10.0
SUBPROTOCOLS = ("v12.stomp", "v11.stomp", "v10.stomp")
# By version: 1.0 escapes nothing, 1.1 knows no \\r.
_ESCAPES = {
    "1.0": {},
    "1.1": {"n": "\n", "c": ":", "\\": "\\"},
    "1.2": {"n": "\n", "c": ":", "\\": "\\", "r": "\r"},
}


class Frame(NamedTuple):
    """A STOMP frame, its headers unescaped."""

    command: str
    headers: dict[str, str]
    body: bytes = b""

    @property
    def text(self) -> str:
        return self.body.decode()


class Closed(Exception):  # noqa: N818 - an expected outcome
    """The server ended the connection; ``code`` is ``None`` where it sent no close frame."""

    def __init__(self, code: int | None, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


def unescape(text: str, version: str = "1.2") -> str:
    """Undoes a version's escapes; others stay, for the test to see."""
    known = _ESCAPES[version]
    return re.sub(r"\\(.)", lambda found: known.get(found[1], found[0]), text)


def escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\r", "\\r").replace("\n", "\\n").replace(":", "\\c")


def encode(command: str, headers: Mapping[str, object], body: bytes | str = b"") -> bytes:
    data = body.encode() if isinstance(body, str) else body
    exempt = command in ("CONNECT", "STOMP")
    lines = [command]
    for name, value in headers.items():
        lines.append(f"{name}:{value}" if exempt else f"{escape(name)}:{escape(str(value))}")
    return "\n".join((*lines, "", "")).encode() + data + b"\0"


class Parser:
    """Frames from bytes; counts the end-of-lines between them."""

    def __init__(self, version: str = "1.2") -> None:
        self.beats = 0
        self._version = version
        self._data = b""

    def feed(self, data: bytes) -> list[Frame]:
        self._data += data
        frames = []
        while (frame := self._next()) is not None:
            frames.append(frame)
        return frames

    def _next(self) -> Frame | None:
        stripped = self._data.lstrip(b"\n")
        self.beats += len(self._data) - len(stripped)
        self._data = stripped
        head, blank, rest = stripped.partition(b"\n\n")
        if not blank:
            return None
        command, *lines = head.decode().split("\n")
        headers: dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(":")
            if command != "CONNECTED":
                name, value = unescape(name, self._version), unescape(value, self._version)
            headers.setdefault(name, value)
        length = int(headers["content-length"]) if "content-length" in headers else rest.find(b"\0")
        if length < 0 or len(rest) <= length:
            return None
        assert rest[length] == 0, "no NUL after the body"
        self._data = rest[length + 1 :]
        return Frame(command, headers, rest[:length])


class StompSocket:
    """One connection. Made by `open`; nothing is read unless a method waits for something."""

    def __init__(self, sock: socket.socket, protocol: ClientProtocol) -> None:
        self.sock = sock
        self.protocol = protocol
        self.frames: list[Frame] = []
        self.messages: list[tuple[bool, bytes]] = []
        self.parser = Parser()
        self.session = ""
        self._parts: list[bytes] = []
        self._text = True
        self._eof = False
        self._receipts = 0
        self.read_bytes = 0

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        subprotocols: Sequence[str] = SUBPROTOCOLS,
        headers: Mapping[str, str] = {},
        receive_buffer: int | None = None,
        extensions: Sequence[ClientExtensionFactory] = (),
    ) -> Self:
        """Connects and shakes hands; raises `InvalidStatus` where the server refuses."""
        target = urlsplit(url)
        sock = socket.socket()
        if receive_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.setblocking(False)
        protocol = ClientProtocol(
            parse_uri(url),
            subprotocols=list(subprotocols) or None,
            extensions=list(extensions) or None,
            max_size=None,
        )
        self = cls(sock, protocol)
        request = protocol.connect()
        request.headers.update(Headers(headers))
        protocol.send_request(request)
        try:
            await asyncio.get_running_loop().sock_connect(sock, (target.hostname, target.port))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await self._flush()
            while (response := self._response()) is None:
                await self._read()
            if protocol.handshake_exc is not None:
                if response.status_code != 101:
                    raise InvalidStatus(response)
                raise protocol.handshake_exc
        except BaseException:
            sock.close()
            raise
        return self

    def _response(self) -> Response | None:
        response = None
        for event in self.protocol.events_received():
            if isinstance(event, Response):
                response = event
            else:
                self._take(event)
        if response is None and self._eof:
            raise self.protocol.handshake_exc or Closed(None, "closed within the handshake")
        return response

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.drop()

    def drop(self) -> None:
        """Ends the connection without a word."""
        self.sock.close()

    @property
    def subprotocol(self) -> str | None:
        return self.protocol.subprotocol

    # Out.

    async def send_bytes(self, data: bytes) -> None:
        """Bytes as they are, below WebSocket."""
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.get_running_loop().sock_sendall(self.sock, data)

    async def _flush(self) -> None:
        for data in self.protocol.data_to_send():
            if data:
                await self.send_bytes(data)

    async def send_ws(
        self, payload: bytes, *, text: bool = True, fin: bool = True, opcode: int | None = None
    ) -> None:
        """One WebSocket frame."""
        code = Opcode(opcode) if opcode is not None else Opcode.TEXT if text else Opcode.BINARY
        await self.send_bytes(WsFrame(code, payload, fin=fin).serialize(mask=True))

    async def send(self, command: str, headers: Mapping[str, object] = {}, body: bytes | str = b"") -> None:
        """One STOMP frame in one WebSocket message."""
        await self.send_ws(encode(command, headers, body), text=not isinstance(body, bytes))

    async def connect(self, headers: Mapping[str, object] = {}, *, command: str = "CONNECT") -> Frame:
        """CONNECT, and the CONNECTED that must follow."""
        await self.send(command, {"accept-version": "1.2", "host": "test", **headers})
        frame = await self.frame()
        assert frame.command == "CONNECTED", frame
        self.session = frame.headers["session"]
        return frame

    async def subscribe(self, destination: str, sid: object = "0", **headers: object) -> None:
        """SUBSCRIBE, and waits until the subscription is live."""
        await self.request("SUBSCRIBE", {"id": sid, "destination": destination, **headers})

    async def told(self) -> tuple[str, str]:
        """Code and destination of the next soft error."""
        body = json.loads((await self.message()).body)
        return body["code"], body["destination"]

    async def errors(self) -> None:
        """Subscribes to the error channel."""
        await self.subscribe("/session/queue/request-error", "errors")

    async def replies(self) -> None:
        """Subscribes to the replies."""
        await self.subscribe("/session/queue/replies", "replies")

    async def request(
        self, command: str, headers: Mapping[str, object] = {}, body: bytes | str = b""
    ) -> Frame:
        """Sends a frame and waits for its RECEIPT; what came before it stays to be read."""
        self._receipts += 1
        receipt = f"receipt-{self._receipts}"
        await self.send(command, {**headers, "receipt": receipt}, body)
        return await self.frame_where(
            lambda frame: (
                frame.command in ("RECEIPT", "ERROR") and frame.headers.get("receipt-id") == receipt
            ),
            f"RECEIPT of {command} {dict(headers)}",
        )

    async def settle(self) -> list[Frame]:
        """What has come when the server has answered a question asked now: to assert that something did not."""
        await self.request("SEND", {"destination": "/topic/nobody-listens"})
        frames, self.frames = self.frames, []
        return frames

    # In.

    async def frame(self) -> Frame:
        """The next frame; raises `Closed` where the connection ends instead."""
        return await self.frame_where(lambda _: True, "a frame")

    async def message(self) -> Frame:
        """The next frame, which must be a MESSAGE."""
        frame = await self.frame()
        assert frame.command == "MESSAGE", frame
        return frame

    async def frame_where(self, wanted: Any, what: str) -> Frame:
        """The first frame that is wanted; the others stay."""
        seen = 0
        try:
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    for index in range(seen, len(self.frames)):
                        if wanted(self.frames[index]):
                            return self.frames.pop(index)
                    seen = len(self.frames)
                    await self._receive()
        except TimeoutError:
            raise AssertionError(f"{what} did not come; there is {self.frames}") from None

    async def error(self) -> Frame:
        """An ERROR frame; raises where another comes."""
        frame = await self.frame()
        assert frame.command == "ERROR", frame
        return frame

    async def closed(self) -> Closed:
        """Waits for the end, answers the close frame, and says what was in it."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    await self._receive()
        except Closed as closed:
            return closed
        except TimeoutError:
            raise AssertionError(f"the connection did not end; there is {self.frames}") from None

    async def beat(self) -> None:
        """Waits for one more heart-beat."""
        before = self.parser.beats
        async with asyncio.timeout(PATIENCE_S):
            while self.parser.beats == before:
                await self._receive()

    async def _receive(self) -> None:
        """Takes what has been read, or reads once; raises `Closed` at the end."""
        if self._take_all():
            return
        if self._eof:
            received = self.protocol.close_rcvd
            raise Closed(None, "") if received is None else Closed(received.code, received.reason)
        await self._read()
        self._take_all()

    def _take_all(self) -> bool:
        events = self.protocol.events_received()
        for event in events:
            self._take(event)
        return bool(events)

    async def _read(self) -> None:
        try:
            data = await asyncio.get_running_loop().sock_recv(self.sock, 65536)
        except ConnectionError:
            data = b""
        if data:
            self.read_bytes += len(data)
            self.protocol.receive_data(data)
        else:
            self._eof = True
            self.protocol.receive_eof()
        try:
            await self._flush()
        except OSError:
            self._eof = True

    def _take(self, event: Any) -> None:
        if not isinstance(event, WsFrame) or event.opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            return
        if event.opcode is not Opcode.CONT:
            self._text = event.opcode is Opcode.TEXT
        self._parts.append(bytes(event.data))
        if event.fin:
            payload = b"".join(self._parts)
            self._parts = []
            self.messages.append((self._text, payload))
            self.frames += self.parser.feed(payload)


__all__ = ["PATIENCE_S", "Closed", "Frame", "InvalidStatus", "Parser", "StompSocket", "encode"]
