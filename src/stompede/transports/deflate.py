"""Frames of permessage-deflate: which endpoints offer it, and how payloads are compressed for who took the offer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple, final

import msgspec

from stompede.transports.base import Compression, Framing
from stompede.transports.websocket import WEBSOCKET
from stompede.wire.websocket import InflateCounters, agree, deflate, encode_header, stored

_OPCODE_TEXT: Final = 1
_OPCODE_BINARY: Final = 2
_RSV1: Final = 0x40
_RECENT_BYTES: Final = 256 * 1024  # about what a tick has at most


class CompressionStatistics(msgspec.Struct):
    """What `Compressing.statistics` tells: of all its connections since the start.

    Attributes:
        connections: handshakes that agreed on compression.
        frames: compressed frames that were made, each for all connections that get the same bytes.
        plain: frames for such connections that were made as they are: short, or not shorter by it.
        payload_bytes: of the compressed frames, before.
        packed_bytes: of the compressed frames, after.
        deflated: times that zlib compressed something; what it had just compressed for others, it need not again.
        inflated: what clients compressed.
    """

    connections: int = 0
    frames: int = 0
    plain: int = 0
    payload_bytes: int = 0
    packed_bytes: int = 0
    deflated: int = 0
    inflated: InflateCounters = msgspec.field(default_factory=InflateCounters)


@final
class DeflateFraming:
    """A `Framing` and its `Compression`: one for all connections whose clients read the same window.

    Args:
        min_bytes: a shorter payload is sent as it is; so is one that does not become shorter.
        level: 1, fast, to 9, small.
        window_bits: as agreed.
        counters: shared with others.
    """

    __slots__ = ("_counters", "_level", "_min_bytes", "_recent", "_recent_bytes", "_window_bits")
    header = staticmethod(WEBSOCKET.header)
    trailer = b""

    def __init__(
        self, min_bytes: int, level: int, window_bits: int, counters: CompressionStatistics | None = None
    ) -> None:
        self._counters = CompressionStatistics() if counters is None else counters
        self._min_bytes = min_bytes
        self._level = level
        self._window_bits = window_bits
        # What a tick has compressed for ids of one length it need not compress for others, nor for a wildcard.
        self._recent: dict[bytes, bytes] = {}
        self._recent_bytes = 0

    @property
    def compression(self) -> Compression:
        """See `Framing`."""
        return self

    @property
    def inflated(self) -> InflateCounters:
        """See `Compression`."""
        return self._counters.inflated

    def frame(self, payload: bytes, text: bool) -> bytes:
        """See `Compression`."""
        if len(payload) >= self._min_bytes:
            self._counters.deflated += 1
            packed = deflate(payload, self._level, self._window_bits)
            if len(packed) < len(payload):
                self._count(len(payload), len(packed))
                return _header(len(packed), text) + packed
        self._counters.plain += 1
        return self.header(len(payload), text) + payload

    def around(self, before: bytes, gap: int, after: bytes, text: bool) -> tuple[bytes, bytes]:
        """See `Compression`: what comes up to the end of the gap is stored, the rest is compressed."""
        first = len(before) + gap
        length = first + len(after)
        if length >= self._min_bytes and (opening := stored(first)) is not None:
            packed = self._deflated(after)
            packed_length = len(opening) + first + len(packed)
            if packed_length < length:
                self._count(length, packed_length)
                return _header(packed_length, text) + opening + before, packed
        self._counters.plain += 1
        return self.header(length, text) + before, after

    def _count(self, payload_bytes: int, packed_bytes: int) -> None:
        counters = self._counters
        counters.frames += 1
        counters.payload_bytes += payload_bytes
        counters.packed_bytes += packed_bytes

    def _deflated(self, data: bytes) -> bytes:
        packed = self._recent.get(data)
        if packed is None:
            packed = deflate(data, self._level, self._window_bits)
            self._counters.deflated += 1
            self._recent_bytes += len(data)
            if self._recent_bytes > _RECENT_BYTES:
                self._recent.clear()
                self._recent_bytes = len(data)
            if len(data) <= _RECENT_BYTES:
                self._recent[data] = packed
        return packed


def _header(length: int, text: bool) -> bytes:
    return encode_header(_RSV1 | (_OPCODE_TEXT if text else _OPCODE_BINARY), length)


class Agreed(NamedTuple):
    """What a connection got.

    Attributes:
        framing: for what is sent.
        answer: for the ``Sec-WebSocket-Extensions`` header of the response.
    """

    framing: Framing
    answer: str


@final
class Compressing:
    """The endpoints that offer permessage-deflate.

    Args:
        paths: of the endpoints; what is below one belongs to it, and ``*`` is all.
        min_bytes: see `DeflateFraming`.
        level: see `DeflateFraming`.
    """

    def __init__(self, paths: Iterable[str], min_bytes: int, level: int) -> None:
        self._paths = frozenset(paths)
        self._below = tuple(f"{path}/" for path in self._paths)
        self._min_bytes = min_bytes
        self._level = level
        self._framings: dict[int, DeflateFraming] = {}
        self._counters = CompressionStatistics()

    def statistics(self) -> CompressionStatistics:
        """Figures since the start."""
        counters = self._counters
        return msgspec.structs.replace(counters, inflated=msgspec.structs.replace(counters.inflated))

    def agree(self, path: str, offers: str) -> Agreed | None:
        """Answers the offers of a handshake; ``None``: no compression.

        Args:
            path: that was asked for.
            offers: what the ``Sec-WebSocket-Extensions`` headers of the request say.
        """
        if not offers or not ("*" in self._paths or path in self._paths or path.startswith(self._below)):
            return None
        agreement = agree(offers)
        if agreement is None:
            return None
        bits = agreement.window_bits
        framing = self._framings.get(bits)
        if framing is None:
            framing = DeflateFraming(self._min_bytes, self._level, bits, self._counters)
            self._framings[bits] = framing
        self._counters.connections += 1
        return Agreed(framing, agreement.answer)
