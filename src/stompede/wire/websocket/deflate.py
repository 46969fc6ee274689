"""permessage-deflate (RFC 7692): compressed WebSocket messages, without I/O.

Nothing is remembered from one message to the next, in neither direction: both ends agree on no context takeover. So an
idle connection costs no memory, and one compressed frame is the same for all who get it.

A compressed payload is a sequence of DEFLATE blocks (RFC 1951) that ends with an empty one, whose last four octets are
left out. Blocks that are compressed apart may follow each other, and a block may hold its octets as they are: so what
differs between receivers stands in a block of its own, uncompressed, and the rest is compressed once for all of them.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from typing import Final, final

import msgspec

_NAME: Final = "permessage-deflate"
_QUOTED: Final = re.compile(r'"[^"]*"')
_TAIL: Final = b"\x00\x00\xff\xff"
_EMPTY_BLOCK: Final = b"\x00"
_STORED_HEADER_BYTES: Final = 5
_MAX_STORED_BYTES: Final = 0xFFFF
_MAX_WINDOW_BITS: Final = 15
_MIN_WINDOW_BITS: Final = 9  # zlib makes no raw stream with 8, though RFC 7692 knows it
_MEMORY_LEVEL: Final = (
    5  # zlib's own 8 asks for 128 KiB more, which for a message of some KiB is most of the work
)


class InflateCounters(msgspec.Struct):
    """What was decompressed; shared by many who do it.

    Attributes:
        messages: compressed messages that became whole.
        packed_bytes: of the frames of compressed messages, whole or not.
        inflated_bytes: what those became.
        bombs: messages given up because they became more than a message may have.
    """

    messages: int = 0
    packed_bytes: int = 0
    inflated_bytes: int = 0
    bombs: int = 0


class Agreement(msgspec.Struct, frozen=True):
    """What was agreed on.

    Attributes:
        answer: for the ``Sec-WebSocket-Extensions`` header of the response.
        window_bits: the largest window that the client can read, as a power of two.
    """

    answer: str
    window_bits: int


def agree(offers: str) -> Agreement | None:
    """Takes the first offer of permessage-deflate that can be kept (RFC 7692 section 7.1).

    Args:
        offers: what the ``Sec-WebSocket-Extensions`` headers of the request say, joined by commas.

    Returns:
        ``None`` where there is no such offer: the connection goes on without compression.
    """
    offers = _QUOTED.sub(_without_separators, offers)
    for offer in offers.split(","):
        name, *parameters = (part.strip() for part in offer.split(";"))
        if name == _NAME and (agreement := _answer(parameters)) is not None:
            return agreement
    return None


def _without_separators(quoted: re.Match[str]) -> str:
    return quoted[0].replace(",", " ").replace(";", " ")


def _answer(parameters: list[str]) -> Agreement | None:
    given: dict[str, str | None] = {}
    for parameter in parameters:
        name, equals, value = (part.strip() for part in parameter.partition("="))
        if name in given:
            return None
        if len(value) > 1 and value[0] == value[-1] == '"':
            value = value[1:-1]
        given[name] = value if equals else None
    answer = f"{_NAME}; server_no_context_takeover; client_no_context_takeover"
    window_bits = _MAX_WINDOW_BITS
    for name, text in given.items():
        match name:
            case "server_no_context_takeover" | "client_no_context_takeover" if text is None:
                pass
            case "client_max_window_bits" if text is None or _bits(text) is not None:
                pass  # we read every window, and need not say so
            case "server_max_window_bits" if text is not None and (_bits(text) or 0) >= _MIN_WINDOW_BITS:
                window_bits = int(text)
                answer += f"; server_max_window_bits={window_bits}"
            case _:
                return None
    return Agreement(answer, window_bits)


def _bits(text: str) -> int | None:
    return int(text) if text in _WINDOWS else None


_WINDOWS: Final = tuple(str(bits) for bits in range(8, _MAX_WINDOW_BITS + 1))


def deflate(data: bytes, level: int, window_bits: int) -> bytes:
    """Compresses a payload, or what follows `stored` in it.

    Args:
        data: what to compress.
        level: 1, fast, to 9, small.
        window_bits: as agreed.
    """
    # A window beyond the data is good for nothing, but has to be made ready.
    window = min(window_bits, max(_MIN_WINDOW_BITS, len(data).bit_length()))
    stream = zlib.compressobj(level, zlib.DEFLATED, -window, _MEMORY_LEVEL)
    return (stream.compress(data) + stream.flush(zlib.Z_SYNC_FLUSH))[: -len(_TAIL)]


def stored(length: int) -> bytes | None:
    """What stands before ``length`` octets that follow as they are (RFC 1951 section 3.2.4); ``None`` where they are
    too many for one block.
    """
    if length > _MAX_STORED_BYTES:
        return None
    return _EMPTY_BLOCK + length.to_bytes(2, "little") + (length ^ 0xFFFF).to_bytes(2, "little")


@final
class Inflater:
    """Decompresses one message, of which the parts come one by one."""

    __slots__ = ("_stream",)

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(-_MAX_WINDOW_BITS)

    def inflate(self, data: bytes, fin: bool, room_bytes: int) -> bytes | None:
        """Takes a part of the payload.

        Args:
            data: the part.
            fin: whether it is the last.
            room_bytes: how many octets it may become; no more than that and one are ever made.

        Returns:
            what it becomes; ``None`` where that is more.

        Raises:
            ValueError: the payload is not what DEFLATE makes.
        """
        parts: list[bytes] = []
        for piece in self._pieces(data, fin):
            try:
                part = self._stream.decompress(piece, room_bytes + 1)
            except zlib.error:
                raise ValueError("a compressed message cannot be decompressed") from None
            if len(part) > room_bytes:
                return None
            room_bytes -= len(part)
            parts.append(part)
        if self._stream.unused_data not in (b"", _EMPTY_BLOCK):
            raise ValueError("a compressed message goes on behind its last block")
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _pieces(self, data: bytes, fin: bool) -> Iterator[bytes]:
        yield data
        if fin and not self._stream.eof:  # a sender may mark its last block as such (section 7.2.3.4)
            yield _TAIL
