"""A message on its way, after the wire and before the handler or the subscribers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from stompede._types import NO_HEADERS

MESSAGE_BYTES: Final = 384
"""What a message takes where it is kept, besides its text: as measured on CPython 3.11, its place there included."""
HEADER_BYTES: Final = 128
"""The same for each of its headers."""
_WIDEST: Final = 4  # bytes that a character takes where a text has one beyond the BMP


class Message(msgspec.Struct, frozen=True, gc=False):
    """One message with the destination it was sent or published to.

    Attributes:
        destination: where it goes, as the sender wrote it, unescaped.
        body: the payload as it came; never decoded twice.
        content_type: MIME type of the body, or ``None`` where the sender named none.
        headers: the sender's other headers, read-only; the protocol's own and secret ones
            (``Authorization``, ``login``, ``passcode``, ``receipt``, ``transaction``) are never among them.
    """

    destination: str
    body: bytes
    content_type: str | None = None
    headers: Mapping[str, str] = NO_HEADERS


def size_of(message: Message) -> int:
    """What a message counts for in every bound of what is kept, in bytes: about the memory that it takes.

    That is its body, destination, content type and headers, `HEADER_BYTES` for each header and `MESSAGE_BYTES` for the
    message. Text that is not ASCII counts with four bytes a character.
    """
    size = MESSAGE_BYTES + len(message.body) + _length(message.destination)
    if message.content_type is not None:
        size += _length(message.content_type)
    for name, value in message.headers.items():
        size += HEADER_BYTES + _length(name) + _length(value)
    return size


def _length(text: str) -> int:
    return len(text) if text.isascii() else _WIDEST * len(text)
