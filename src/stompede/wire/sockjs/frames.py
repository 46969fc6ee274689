"""What a server sends: ``o`` opens, ``h`` beats, ``a[...]`` carries messages, ``c[code,"reason"]`` closes.

Messages are JSON strings. Some characters are valid JSON, but browsers' transports change or drop them on the way;
they go as ``\\uXXXX`` (sockjs-protocol, "JSON Unicode Encoding").
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

import msgspec

OPEN: Final = b"o"
HEART_BEAT: Final = b"h"

# JSON escapes what stands below the space by itself.
_MANGLED: Final = re.compile("[\u200c-\u200f\u2028-\u202f\u2060-\u206f\ufff0-\uffff]")
_encode: Final = msgspec.json.Encoder().encode


def quote(messages: Iterable[str]) -> bytes:
    """The inner part of an ``a`` frame: messages as JSON strings with commas between.

    Parts may be joined by commas, so that what many sessions get is quoted once, whatever else each of them gets.
    """
    return _escaped(_encode(messages)[1:-1])


def array_frame(parts: Iterable[bytes]) -> bytes:
    """An ``a`` frame of parts that `quote` made."""
    return b"a[%b]" % b",".join(parts)


def close_frame(code: int, reason: str) -> bytes:
    """A ``c`` frame; ``code`` is a WebSocket close code."""
    return _escaped(b"c" + _encode((code, reason)))


def _escaped(data: bytes) -> bytes:
    if data.isascii():
        return data
    text, found = _MANGLED.subn(lambda match: f"\\u{ord(match[0]):04x}", data.decode())
    return text.encode() if found else data
