"""What must hold of WebSocket messages and of permessage-deflate: `websocket` and `compression`.

`websocket` takes one octet of settings (1: compression was agreed on; 2: small messages only), then frames as they go
over the wire (RFC 6455 section 5.2), unmasked.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import NamedTuple

from stompede.wire.websocket import (
    Complete,
    MessageAssembler,
    WebSocketViolation,
    agree,
    check_close,
    deflate,
    encode_close,
    encode_header,
    stored,
)

CODES = (1002, 1007, 1009)
TAIL = b"\x00\x00\xff\xff"


class WsFrame(NamedTuple):
    """One frame."""

    opcode: int
    payload: bytes
    fin: bool
    rsv: bool
    compressed: bool


def frames(stream: bytes, compression: bool) -> Iterator[WsFrame]:
    """The frames of a stream; the last one may be cut short, as if its length had said so."""
    at = 0
    while at + 2 <= len(stream):
        first, length = stream[at], stream[at + 1] & 0x7F
        at += 2
        if length > 125:
            size = 2 if length == 126 else 8
            length = int.from_bytes(stream[at : at + size], "big")
            at += size
        payload = stream[at : at + length]
        at += length
        compressed = compression and bool(first & 0x40)
        rsv = bool(first & (0x30 if compression else 0x70))
        yield WsFrame(first & 0xF, payload, bool(first & 0x80), rsv, compressed)


def assembled(found: list[WsFrame], limit_bytes: int) -> tuple[list[Complete], WebSocketViolation | None]:
    """What an assembler makes of frames; its memory is held against the limit on the way."""
    assembler = MessageAssembler(limit_bytes)
    messages: list[Complete] = []
    try:
        for frame in found:
            message = assembler.frame(*frame)
            assert assembler.buffered_bytes <= limit_bytes
            if message is not None:
                assert not assembler.unfinished
                messages.append(message)
    except WebSocketViolation as violation:
        assert violation.code in CODES  # noqa: PT017 - most of them end so
        return messages, violation
    return messages, None


def limit_of(data: bytes) -> int:
    return 64 if data[:1] and data[0] & 2 else 4096


def websocket_once(data: bytes, _: object = None) -> tuple[int, int]:
    """Plays the frames; returns how many were taken, and how many refused."""
    found = list(frames(data[1:], bool(data[:1]) and bool(data[0] & 1)))
    messages, violation = assembled(found, limit_of(data))
    for message in messages:
        assert not message.text or message.data.decode() is not None
    return (len(messages), 1) if violation is not None else (len(found), 0)


def websocket(data: bytes) -> None:
    """All that must hold of messages."""
    limit_bytes = limit_of(data)
    found = list(frames(data[1:], bool(data[:1]) and bool(data[0] & 1)))
    messages, violation = assembled(found, limit_bytes)
    for message in messages:
        assert len(message.data) <= limit_bytes
        if message.text:
            message.data.decode()
    for frame in found:
        if frame.opcode == 8:
            closes(frame.payload)
    if violation is None:
        assert messages == list(simply(found))
    # In other fragments the messages are the same.
    assert assembled(list(refragmented(found)), limit_bytes)[0][: len(messages)] == messages


def simply(found: list[WsFrame]) -> Iterator[Complete]:
    """The messages of frames that keep all rules, by another way: whole, then decompressed in one go."""
    parts = b""
    first: WsFrame | None = None
    for frame in found:
        if frame.opcode >= 8:
            continue
        first = frame if first is None else first
        parts += frame.payload
        if frame.fin:
            data = zlib.decompressobj(-15).decompress(parts + TAIL) if first.compressed else parts
            yield Complete(data, first.opcode == 1)
            first = None
            parts = b""


def refragmented(found: list[WsFrame]) -> Iterator[WsFrame]:
    """The same messages with a ping between halves of their fragments."""
    for frame in found:
        if frame.opcode >= 8 or len(frame.payload) < 2:
            yield frame
            continue
        half = len(frame.payload) // 2
        yield frame._replace(payload=frame.payload[:half], fin=False)
        yield WsFrame(9, b"", True, False, False)
        yield WsFrame(0, frame.payload[half:], frame.fin, frame.rsv, False)


def closes(payload: bytes) -> None:
    """A close frame is refused, or says what ours would."""
    try:
        code, reason = check_close(payload)
    except WebSocketViolation as violation:
        assert violation.code in CODES  # noqa: PT017 - refused or not
        return
    if code is not None:
        assert encode_close(code, reason) == encode_header(8, len(payload)) + payload
    else:
        assert not payload


def compression(data: bytes) -> None:
    """What is compressed here is decompressed here; an offer is answered or not, and never breaks anything.

    One octet is the level, one the window, one where the payload is cut; the rest is an offer, FF, and the payload.
    """
    level, window, cut = data[:3].ljust(3, b"\0")
    offers, _, payload = data[3:].partition(b"\xff")
    agreement = agree(offers.decode("latin-1"))
    bits = window % 7 + 9
    if agreement is not None:
        assert 9 <= agreement.window_bits <= 15
        assert agreement.answer.startswith("permessage-deflate; server_no_context_takeover")
        assert agreement.answer.isascii()
        assert agree(agreement.answer) == agreement
        bits = agreement.window_bits
    packed = deflate(payload, level % 9 + 1, bits)
    comes_back(packed, payload, cut)
    assert zlib.decompressobj(-bits).decompress(packed + TAIL) == payload
    header = stored(len(payload))
    assert header is not None
    comes_back(header + payload + packed, payload * 2, cut)


def comes_back(packed: bytes, payload: bytes, cut: int) -> None:
    """A payload, sent in two fragments; where only one octet less is allowed, it is refused and not kept."""
    found = [WsFrame(2, packed[:cut], False, False, True), WsFrame(0, packed[cut:], True, False, False)]
    assert assembled(found, len(payload)) == ([Complete(payload, False)], None)
    if payload:
        messages, violation = assembled(found, len(payload) - 1)
        assert messages == []
        assert violation is not None
        assert violation.code == 1009
