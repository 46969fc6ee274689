"""Frames that are nearly right: written by the grammar, with something of it changed.

Fast, as it makes millions: what a frame is made of stands in tables, and chance is one call to `random` each.
"""

from __future__ import annotations

import random

CLIENT = (
    (b"SEND", (b"destination:/topic/a",), b"hello"),
    (b"SEND", (b"destination:/topic/a", b"content-type:application/json", b"content-length:7"), b'{"a":1}'),
    (b"SEND", (b"destination:/app/a", b"receipt:r-1", b"content-length:2"), b"{}"),
    (
        b"SEND",
        (b"destination:/app/b", b"client-request-code:17", b"receipt:18", b"Authorization:Bearer a.b"),
        b"{}",
    ),
    (b"SEND", (b"destination:/queue/a", b"content-length:8", b"k:a\\cb\\nc\\\\d"), b"a\0b\0\0cde"),
    (b"SEND", ("destination:/queue/ä€".encode(), b"transaction:t"), "🙂你".encode()),
    (b"SUBSCRIBE", (b"id:0", b"destination:/topic/a", b"ack:client-individual", b"receipt:s"), b""),
    (b"UNSUBSCRIBE", (b"id:0",), b""),
    (b"ACK", (b"id:1", b"message-id:1", b"subscription:0", b"transaction:t"), b""),
    (b"NACK", (b"id:1", b"message-id:1", b"subscription:0"), b""),
    (b"BEGIN", (b"transaction:t",), b""),
    (b"COMMIT", (b"transaction:t",), b""),
    (b"ABORT", (b"transaction:t", b"receipt:9"), b""),
)
RARE_CLIENT = (
    (
        b"CONNECT",
        (b"accept-version:1.0,1.1,1.2", b"host:/", b"heart-beat:10000,10000", b"login:a", b"passcode:b"),
        b"",
    ),
    (b"STOMP", (b"accept-version:1.2", b"host:/"), b""),
    (b"DISCONNECT", (b"receipt:bye",), b""),
)
SERVER = (
    (b"MESSAGE", (b"subscription:0", b"message-id:1", b"destination:/topic/a", b"content-length:2"), b"hi"),
    (
        b"MESSAGE",
        (b"subscription:0", b"message-id:e-2", b"destination:/queue/a", b"ack:7", b"k:a\\cb"),
        b"{}",
    ),
    (b"MESSAGE", (b"message-id:3", b"subscription:a\\cb", b"destination:/a", b"content-length:3"), b"\0\0\0"),
    (b"RECEIPT", (b"receipt-id:1",), b""),
    (b"RECEIPT", (b"receipt-id:2", b"recovered:true", b"position:e-7"), b""),
)
RARE_SERVER = (
    (b"CONNECTED", (b"version:1.2", b"heart-beat:1,2", b"session:s"), b""),
    (b"ERROR", (b"message:x", b"receipt-id:4"), b"more"),
)
# Lines that may come into any head: most are right anywhere.
LINES = (
    b"k:v", b"k:", b"receipt:r", b"receipt:\\c\\n\\\\", b"content-type:text/plain", b"destination:/topic/b", b"id:1",
    b"ack:client", b"ack:", b"transaction:u", b"client-request-code:1", b"authorization:Bearer x", b"LOGIN:x", b"k: v ",
    b"a\\cb:c", b"k:a:b", "ä:€🙂".encode(), b"message-id:9", b"subscription:9", b"selector:a = 'b'", b"x:" + b"y" * 40,
    b"content-length:0", b"content-length:5", b"host:/", b"accept-version:1.1", b"heart-beat:0,0", b"version:1.1",
    b"k:v\r", b"k:\\t", b"k:\\", b":v", b"k", b"", b"content-length:-1", b"content-length:99999999999999999999",
    b"ack:x", b"content-length:05", b"content-length:+1", b"content-length: 1", b"k:\xff", b"k:\0", b"x:" + b"y" * 600,
    b"heart-beat:a",
)  # fmt: skip
GOOD_LINES = 27
BODIES = (
    b"",
    b"x",
    b"\0",
    b"\0\0\n",
    b"\n\n",
    b"SEND\n",
    b"{}",
    b'{"text": "soup"}',
    b"\xff\xfe",
    b"x" * 300,
    "ä€🙂".encode(),
)
ENDS = (b"\0", b"\0", b"\0\n", b"\0\n", b"\0\r\n", b"\0\n\n\n", b"", b"\0\0", b"\0\r")
COMMANDS = (
    b"SEND",
    b"MESSAGE",
    b"ACK",
    b"send",
    b"SEND ",
    b"",
    b"\xef\xbb\xbfSEND",
    b"RECEIPT",
    b"SUBSCRIBE",
    b"STOMP",
)
BITS = (
    b"\0",
    b"\n",
    b"\r",
    b"\r\n",
    b"\n\n",
    b":",
    b"\\",
    b"\\n",
    b"\\x",
    b"\xff",
    b" ",
    b"-1",
    b"\xf0\x9f",
    b"content-length:",
)

Parts = tuple[bytes, tuple[bytes, ...], bytes]


class Mutator:
    """Makes frames of one side.

    Args:
        chance: where chance comes from: the same one makes the same frames.
        server: whether they are what a server sends.
        crlf: how many of them end their lines with CR LF; only 1.2 takes that.
    """

    def __init__(self, chance: random.Random, server: bool = False, crlf: float = 0.1) -> None:
        self._random = chance.random
        self._chance = chance
        self._crlf = crlf
        self._last: tuple[bytes, list[bytes]] | None = None
        self._usual: tuple[Parts, ...] = SERVER if server else CLIENT
        self._rare: tuple[Parts, ...] = RARE_SERVER if server else RARE_CLIENT

    def frame(self) -> bytes:
        """One frame with one thing or two changed."""
        rand = self._random
        if self._last is not None and rand() < 0.2:
            return self._another(*self._last)
        from_ = self._usual if rand() < 0.99 else self._rare
        command, given, body = from_[int(rand() * len(from_))]
        lines = list(given)
        kind = rand()
        if kind < 0.3:
            good = GOOD_LINES if rand() < 0.9 else len(LINES)
            lines.insert(int(rand() * (len(lines) + 1)), LINES[int(rand() * good)])
        elif kind < 0.55:
            at = int(rand() * len(lines))
            name, colon, value = lines[at].partition(b":")
            if name != b"content-length" or rand() < 0.1:
                lines[at] = name + colon + self._value(value)
        elif kind < 0.75:
            body = BODIES[int(rand() * len(BODIES))]
            if rand() < 0.9:
                lines = [line for line in lines if not line.startswith(b"content-length")]
                lines.append(b"content-length:%d" % len(body))
        elif kind < 0.77:
            del lines[int(rand() * len(lines))]
        elif kind < 0.85:
            lines.append(lines[int(rand() * len(lines))])
        elif kind < 0.86:
            command = COMMANDS[int(rand() * len(COMMANDS))]
        end = ENDS[int(rand() * (4 if rand() < 0.97 else len(ENDS)))]
        eol = b"\r\n" if rand() < self._crlf else b"\n"
        self._last = command, lines
        frame = eol.join((command, *lines, b"", b"")) + body + end
        return frame if kind < 0.97 else self.octets(frame)

    def _another(self, command: bytes, lines: list[bytes]) -> bytes:
        """The last frame once more, as clients send it: another receipt, another body."""
        rand = self._random
        body = BODIES[int(rand() * len(BODIES))] if command in (b"SEND", b"MESSAGE") else b""
        new = []
        for line in lines:
            name = line.partition(b":")[0]
            if name in (b"receipt", b"client-request-code", b"message-id"):
                line = name + b":" + self._value(b"a")
            elif name == b"content-length" and rand() < 0.98:
                line = b"content-length:%d" % len(body)
            new.append(line)
        return b"\n".join((command, *new, b"", b"")) + body + b"\0"

    def _value(self, value: bytes) -> bytes:
        """Another value for a header that was there."""
        rand = self._random
        kind = rand()
        if kind < 0.6:
            return b"%x" % int(rand() * 4096)
        if kind < 0.8:
            return value + b"/%d" % int(rand() * 100)
        if kind < 0.95:
            return value.replace(b"a", b"\\c")
        return value + BITS[int(rand() * len(BITS))]

    def octets(self, frame: bytes) -> bytes:
        """A frame with octets changed, lost, doubled or put in."""
        rand = self._random
        data = bytearray(frame)
        at = int(rand() * len(data))
        kind = int(rand() * 6)
        if kind == 0:
            data[at] = int(rand() * 256)
        elif kind == 1:
            data[at:at] = BITS[int(rand() * len(BITS))]
        elif kind == 2:
            del data[at : at + 1 + int(rand() * 20)]
        elif kind == 3:
            data[at:at] = data[at : at + 1 + int(rand() * 40)] * int(rand() * 60)
        elif kind == 4:
            data[at:at] = self._chance.randbytes(1 + int(rand() * 20))
        else:
            del data[at:]
        return bytes(data)

    def stream(self, frames: int) -> bytes:
        """So many frames, one behind the other."""
        return b"".join([self.frame() for _ in range(frames)])


def websocket_stream(chance: random.Random, frames: int) -> bytes:
    """WebSocket frames for `target_websocket`, most of them right, without the octet of settings."""
    rand = chance.random
    parts = []
    unfinished = False
    for _ in range(frames):
        kind = rand()
        if kind < 0.2:
            opcode, fin = 9 + int(rand() * 2), True
        else:
            opcode, fin = 0 if unfinished else 1 + int(rand() * 2), rand() < 0.6
            unfinished = not fin
        first = opcode | (0x80 if fin else 0)
        if kind > 0.97:
            first = int(rand() * 256)
        payload = (
            PAYLOADS[int(rand() * len(PAYLOADS))] if rand() < 0.9 else chance.randbytes(int(rand() * 100))
        )
        if opcode == 1 and kind < 0.95:
            payload = payload.decode("utf-8", "ignore").encode()
        parts.append(bytes((first, len(payload))) + payload)
    return b"".join(parts)


PAYLOADS = (
    b"",
    b"hello",
    "κόσμε".encode(),
    b"\xce",
    b"\xba",
    b"x" * 100,
    b"\x03\xe8",
    b"\xca\x48\xcd\xc9\xc9\x07\x00",
    b"\0" * 9,
)
