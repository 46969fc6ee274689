"""Messages before they are quoted: each has its length in front.

Who makes messages ready for many connections at once does not know that SockJS must quote them; it puts this header
before each, as it would a WebSocket header, and joins them. The transport splits and quotes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

_HEADER: Final = struct.Struct(">BI")
_pack: Final = _HEADER.pack
_unpack: Final = _HEADER.unpack_from
_SIZE: Final = _HEADER.size


def prefix(length: int, text: bool) -> bytes:
    """The header of a message of ``length`` bytes; ``text`` says that it is UTF-8."""
    return _pack(text, length)


def split(data: bytes) -> Iterator[bytes | None]:
    """The messages of bytes that consist of whole ones; ``None`` stands for one that is not text."""
    position = 0
    while position < len(data):
        text, length = _unpack(data, position)
        position += _SIZE
        yield data[position : position + length] if text else None
        position += length
