"""Plays one vector of ``stomp_vectors.json`` and says what was not as expected.

A vector is one conversation. Its input is sent element by element; between two elements what comes is read until the
server is quiet. Then its expectations are held against all that came after the preamble.

In the input, ``{D}`` is a fresh part of a destination, ``{LOGIN}`` and ``{PASS}`` are the login, ``{ACK}`` and
``{MSGID}`` are those headers of the last MESSAGE, ``{REP:c:n}`` is n times c, and ``{RECONNECT}`` at the beginning
drops the connection and opens another.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
import uuid
from pathlib import Path
from typing import Any

from stompline import StompLine
from stompsocket import Closed, Frame, Parser, StompSocket, escape

VECTORS: dict[str, dict[str, Any]] = {
    vector["id"]: vector for vector in json.loads(Path(__file__).with_name("stomp_vectors.json").read_text())
}
LOGIN = PASSCODE = "guest"
QUIET_S = 0.2
PATIENCE_S = 6.0


def matches(frame: Frame, wanted: dict[str, Any]) -> bool:
    """Whether a frame is what an expectation describes."""
    return (
        wanted.get("cmd", frame.command) == frame.command
        and all(frame.headers.get(name) == value for name, value in wanted.get("headers", {}).items())
        and all(name in frame.headers for name in wanted.get("has", ()))
        and not any(name in frame.headers for name in wanted.get("hasnot", ()))
        and ("body" not in wanted or frame.body == wanted["body"].encode())
    )


class Player:
    """One play of one vector."""

    def __init__(self, vector: dict[str, Any], url: str) -> None:
        self.vector = vector
        self.url = url
        self.expect: dict[str, Any] = vector["expect"]
        self.suffix = f"v{uuid.uuid4().hex[:12]}"
        self.client: StompSocket
        self.frames: list[Frame] = []
        self.raw = b""
        self.beats = 0
        self.is_closed = False

    async def play(self) -> list[str]:
        """Returns what was not as expected."""
        await self._connect()
        if self.vector["preamble"] == "connect":
            await self._hello()
        elements = self.vector["input"] if isinstance(self.vector["input"], list) else [self.vector["input"]]
        try:
            for index, element in enumerate(elements):
                if element.startswith("{RECONNECT}"):
                    element = element.removeprefix("{RECONNECT}")
                    self.client.drop()
                    await self._connect()
                    await self._hello()
                await self._send(element)
                if index < len(elements) - 1:
                    beats = self.vector["group"] == "heart-beat"
                    await self._read(self.vector.get("wait", QUIET_S) if beats else QUIET_S)
            await self._wait_for_the_end()
        finally:
            self.client.drop()
        return self._complaints()

    async def _connect(self) -> None:
        opens = StompLine.dial if self.url.startswith("stomp:") else StompSocket.open
        self.client = await opens(self.url)
        self.client.parser = Parser(self.vector["version"])

    async def _hello(self) -> None:
        version = self.vector["version"]
        headers = {"host": "/", "login": LOGIN, "passcode": PASSCODE, "heart-beat": "0,0"}
        await self.client.send(
            "CONNECT", headers if version == "1.0" else {"accept-version": version, **headers}
        )
        frame = await self.client.frame()
        assert frame.command == "CONNECTED", frame
        await self._read(0.02)
        self.client.frames.clear()
        self.client.messages.clear()
        self.client.parser.beats = 0

    async def _send(self, element: str) -> None:
        data = self._filled(element.encode("latin-1").decode("unicode_escape").encode("latin-1"))
        try:
            data.decode()
        except UnicodeDecodeError:
            text = False
        else:
            text = True
        try:
            await self.client.send_ws(data, text=text)
        except OSError:  # it has closed already, as some vectors want it to
            await self._read(QUIET_S)

    def _filled(self, data: bytes) -> bytes:
        messages = [frame for frame in self.frames if frame.command == "MESSAGE"]
        headers = messages[-1].headers if messages else {}
        words = {
            "D": self.suffix, "LOGIN": LOGIN, "PASS": PASSCODE,
            "ACK": escape(headers.get("ack", "none")), "MSGID": escape(headers.get("message-id", "none")),
        }  # fmt: skip
        for name, value in words.items():
            data = data.replace(b"{%s}" % name.encode(), value.encode())
        return re.sub(rb"\{REP:(.):(\d+)\}", lambda found: found[1] * int(found[2]), data)

    async def _read(self, quiet_s: float) -> None:
        """Reads until nothing has come for a while."""
        while not self.is_closed and await self._read_once(quiet_s):
            pass

    async def _read_once(self, wait_s: float) -> bool:
        try:
            async with asyncio.timeout(wait_s):
                await self.client._receive()
        except TimeoutError:
            return False
        except Closed:
            self.is_closed = True
        self._gather()
        return True

    def _gather(self) -> None:
        self.frames += self.client.frames
        self.raw += b"".join(payload for _, payload in self.client.messages)
        self.beats += self.client.parser.beats
        self.client.frames.clear()
        self.client.messages.clear()
        self.client.parser.beats = 0

    async def _wait_for_the_end(self) -> None:
        """Until all is as expected and quiet; no longer than patience lasts, and as long as the vector says."""
        begin = time.monotonic()
        least, most = self.vector.get("wait", 0), max(PATIENCE_S, self.vector.get("wait", 0))
        while not self.is_closed and (passed := time.monotonic() - begin) < most:
            came = await self._read_once(QUIET_S)
            if not came and passed >= least and not self._complaints():
                return

    def _complaints(self) -> list[str]:
        expect, found = self.expect, []
        position = 0
        for wanted in expect.get("frames", ()):
            while position < len(self.frames) and not matches(self.frames[position], wanted):
                position += 1
            if position == len(self.frames):
                found.append(f"{wanted} is missing, or out of order")
                break
            position += 1
        found += [
            f"{wanted} is missing"
            for wanted in expect.get("frames_any", ())
            if not any(matches(frame, wanted) for frame in self.frames)
        ]
        found += [
            f"{frame.command} came" for frame in self.frames if frame.command in expect.get("absent", ())
        ]
        messages = [frame for frame in self.frames if frame.command == "MESSAGE"]
        if len(messages) > expect.get("max_messages", len(messages)):
            found.append(f"{len(messages)} MESSAGE frames came")
        receipts = {frame.headers.get("receipt-id") for frame in self.frames if frame.command == "RECEIPT"}
        found += [
            f"RECEIPT {receipt} came" for receipt in expect.get("hasnot_receipt", ()) if receipt in receipts
        ]
        if "body_hex" in expect and not any(frame.body.hex() == expect["body_hex"] for frame in self.frames):
            found.append("the body is not the one that was sent")
        if expect.get("closed", self.is_closed) != self.is_closed:
            found.append("the connection is closed" if self.is_closed else "the connection is not closed")
        if not expect.get("eol_min", 0) <= self.beats <= expect.get("eol_max", self.beats):
            found.append(f"{self.beats} end-of-lines came")
        found += [
            f"{part!r} is not in it"
            for part in expect.get("raw_contains", ())
            if part.encode() not in self.raw
        ]
        return found
