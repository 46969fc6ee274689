"""A SockJS client for tests of the server: HTTP over raw sockets, so that a test sees every chunk as it was sent."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

from stompsocket import PATIENCE_S, Frame, Parser, encode

_sessions = itertools.count()
STREAMING = {"xhr_streaming": "POST", "eventsource": "GET", "htmlfile": "GET"}
POLLING = {"xhr": "POST", "jsonp": "GET"}
SENDING = {"jsonp": "jsonp_send"}
METHODS = {**STREAMING, **POLLING}


class Answer(NamedTuple):
    """A whole response."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


class Exchange:
    """One request and its response, read as the test asks for it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.status = 0
        self.headers: dict[str, str] = {}

    @classmethod
    async def open(cls, url: str) -> Exchange:
        parts = urlsplit(url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=64 * 1024 * 1024)
        return cls(reader, writer)

    async def ask(
        self,
        method: str,
        path: str,
        body: bytes | str = b"",
        headers: Mapping[str, str] = {},
        version: str = "1.1",
    ) -> None:
        """Sends a request."""
        data = body.encode() if isinstance(body, str) else body
        lines = [f"{method} {path} HTTP/{version}", "Host: 127.0.0.1"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if data or method == "POST":
            lines.append(f"Content-Length: {len(data)}")
        self.writer.write("\r\n".join((*lines, "", "")).encode() + data)
        await self.writer.drain()

    async def head(self) -> int:
        """Reads the response's head."""
        async with asyncio.timeout(PATIENCE_S):
            status, *lines = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        self.status = int(status.split(" ")[1])
        for line in filter(None, lines):
            name, _, value = line.partition(":")
            name, value = name.lower(), value.strip()
            self.headers[name] = f"{self.headers[name]}, {value}" if name in self.headers else value
        return self.status

    async def chunk(self) -> bytes:
        """The next chunk; empty at the end."""
        async with asyncio.timeout(PATIENCE_S):
            size = int(await self.reader.readuntil(b"\r\n"), 16)
            data = await self.reader.readexactly(size + 2)
        return data[:-2]

    async def body(self) -> bytes:
        """What is left of the response."""
        if self.headers.get("transfer-encoding") == "chunked":
            parts = []
            while part := await self.chunk():
                parts.append(part)
            return b"".join(parts)
        async with asyncio.timeout(PATIENCE_S):
            if "content-length" in self.headers:
                return await self.reader.readexactly(int(self.headers["content-length"]))
            return b"" if self.status in (204, 304) else await self.reader.read()

    def close(self) -> None:
        self.writer.close()


async def fetch(
    url: str,
    method: str = "GET",
    body: bytes | str = b"",
    headers: Mapping[str, str] = {},
    version: str = "1.1",
) -> Answer:
    """One request, and its whole response."""
    exchange = await Exchange.open(url)
    parts = urlsplit(url)
    try:
        await exchange.ask(
            method, parts.path + (f"?{parts.query}" if parts.query else ""), body, headers, version
        )
        status = await exchange.head()
        return Answer(status, exchange.headers, await exchange.body())
    finally:
        exchange.close()


async def stream(url: str, method: str = "POST", **options: Any) -> Exchange:
    """A request whose response is read chunk by chunk; its head is read."""
    exchange = await Exchange.open(url)
    parts = urlsplit(url)
    try:
        await exchange.ask(method, parts.path + (f"?{parts.query}" if parts.query else ""), **options)
        await exchange.head()
    except BaseException:
        exchange.close()
        raise
    return exchange


def session_url(base: str) -> str:
    """A session that nobody has."""
    return f"{base}/000/session-{next(_sessions)}"


def frame_of(transport: str, chunk: bytes) -> str:
    """Unwraps a frame, by other means than those under test."""
    text = chunk.decode()
    if transport == "eventsource":
        assert text.startswith("data: ")
        assert text.endswith("\r\n\r\n")
        return text[6:-4]
    if transport == "htmlfile":
        return str(json.loads(text.removeprefix("<script>\np(").removesuffix(");\n</script>\r\n")))
    if transport == "jsonp":
        return str(json.loads(text.removeprefix("cb(").removesuffix(");\r\n")))
    return text.removesuffix("\n")


class SockJsStomp:
    """STOMP over one of SockJS's HTTP transports."""

    def __init__(self, base: str, transport: str) -> None:
        self.url = session_url(base)
        self.transport = transport
        self.frames: list[Frame] = []
        self.closed: tuple[int, str] | None = None
        self.parser = Parser()
        self.responses = 0
        self.beats = 0
        self.session = ""
        self._stream: Exchange | None = None
        self._receipts = itertools.count(1)

    @property
    def receiving_url(self) -> str:
        return f"{self.url}/{self.transport}" + ("?c=cb" if self.transport in ("htmlfile", "jsonp") else "")

    async def open(self) -> SockJsStomp:
        """Waits for the open frame."""
        assert await self.receive() == "o"
        return self

    async def receive(self) -> str:
        """Waits for one SockJS frame; asks anew where the response is over."""
        method = METHODS[self.transport]
        if self.transport in POLLING:
            self.responses += 1
            frame = frame_of(self.transport, (await fetch(self.receiving_url, method)).body)
        else:
            chunk = b"" if self._stream is None else await self._stream.chunk()
            while not chunk:
                self.drop()
                self.responses += 1
                self._stream = await stream(self.receiving_url, method)
                await self._stream.chunk()  # the prelude
                chunk = await self._stream.chunk()
            frame = frame_of(self.transport, chunk)
        if frame.startswith("a"):
            for message in json.loads(frame[1:]):
                self.frames += self.parser.feed(message.encode())
        elif frame.startswith("c"):
            code, reason = json.loads(frame[1:])
            self.closed = (code, reason)
        elif frame == "h":
            self.beats += 1
        return frame

    async def send(self, command: str, headers: Mapping[str, object] = {}, body: str = "") -> None:
        """One STOMP frame in one message."""
        await self.send_raw([encode(command, headers, body).decode()])

    async def send_raw(self, messages: list[str]) -> Answer:
        """Messages in one request."""
        body, headers = json.dumps(messages), {}
        if self.transport == "jsonp":
            body, headers = "d=" + quote(body), {"Content-Type": "application/x-www-form-urlencoded"}
        answer = await fetch(f"{self.url}/{SENDING.get(self.transport, 'xhr_send')}", "POST", body, headers)
        assert answer.status in (200, 204), answer
        return answer

    async def frame(self, command: str) -> Frame:
        """The next STOMP frame of that command; others stay."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                for index, frame in enumerate(self.frames):
                    if frame.command == command:
                        return self.frames.pop(index)
                assert self.closed is None, self.closed
                await self.receive()

    async def connect(self, **headers: object) -> Frame:
        await self.send("CONNECT", {"accept-version": "1.2", "host": "test", **headers})
        frame = await self.frame("CONNECTED")
        self.session = frame.headers["session"]
        return frame

    async def request(self, command: str, headers: Mapping[str, object] = {}, body: str = "") -> Frame:
        receipt = f"receipt-{next(self._receipts)}"
        await self.send(command, {**headers, "receipt": receipt}, body)
        frame = await self.frame("RECEIPT")
        assert frame.headers["receipt-id"] == receipt
        return frame

    async def subscribe(self, destination: str, sid: object = "0") -> None:
        await self.request("SUBSCRIBE", {"id": sid, "destination": destination})

    def drop(self) -> None:
        """Leaves the stream, if there is one."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None
