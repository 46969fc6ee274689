"""Frames into bytes.

Fan-out makes a MESSAGE once for all subscribers that differ only in their subscription id; so it is written
as what stands before the id and what stands after it. A content-length is always there: bodies may hold NUL
octets, and the reader need not search.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Final, Protocol, final

import msgspec

from stompede._types import NO_HEADERS
from stompede.wire.stomp.escaping import escape
from stompede.wire.stomp.tables import RULES
from stompede.wire.stomp.versions import Version

_BEFORE: Final = b"MESSAGE\nsubscription:"

# What `message_parts` writes itself, so that a header of the application cannot say it a second time.
_OWN: Final = frozenset(
    {"subscription", "message-id", "destination", "content-type", "content-length", "ack"}
)


class Frame(msgspec.Struct, frozen=True):
    """A frame as such.

    Attributes:
        command: its name.
        headers: unescaped.
        body: as it is.
    """

    command: str
    headers: Mapping[str, str] = NO_HEADERS
    body: bytes = b""


class Publishable(Protocol):
    """What a MESSAGE is made from; `stompede.messaging.message.Message` is one."""

    @property
    def destination(self) -> str:
        """Where it was sent or published to."""
        ...

    @property
    def body(self) -> bytes:
        """The payload."""
        ...

    @property
    def content_type(self) -> str | None:
        """MIME type of the payload."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """Further headers."""
        ...


def encode_frame(version: Version | None, frame: Frame) -> bytes:
    """Writes any frame, with a content-length where it has a body and names none.

    Args:
        version: the version that is spoken, ``None`` before it is agreed on.
        frame: what to write; its headers are escaped as the version and the command want it.
    """
    escapes = version if RULES[frame.command].escaped else None
    lines = [frame.command]
    for name, value in frame.headers.items():
        lines.append(f"{_name(escapes, name)}:{escape(escapes, value)}")
    if frame.body and "content-length" not in frame.headers:
        lines.append(f"content-length:{len(frame.body)}")
    return "\n".join(lines).encode() + b"\n\n" + frame.body + b"\0"


def message_parts(version: Version, message_id: str | bytes, message: Publishable) -> tuple[bytes, bytes]:
    """What stands before and after the escaped subscription id in a MESSAGE frame.

    Args:
        version: the subscribers' version.
        message_id: unique id of the message, unescaped.
        message: what to deliver.

    Returns:
        ``(before, after)``: the frame is ``before + escape(version, subscription).encode() + after``.
    """
    return _BEFORE, _after("\n", version, message_id, message)


def message_without_subscription(version: Version, message_id: str | bytes, message: Publishable) -> bytes:
    """A whole MESSAGE for a 1.0 subscriber that gave no id."""
    return _after("MESSAGE\n", version, message_id, message)


def encode_message(
    version: Version, message_id: str | bytes, message: Publishable, subscription: str | None, ack: str | None
) -> bytes:
    """A whole MESSAGE for one subscriber.

    Args:
        version: the subscriber's version.
        message_id: unique id of the message.
        message: what to deliver.
        subscription: the subscription's id, ``None`` where a 1.0 client gave none.
        ack: what the client acknowledges it by, where it must (1.2).
    """
    start = "MESSAGE\n"
    if subscription is not None:
        start = f"MESSAGE\nsubscription:{escape(version, subscription)}\n"
    if ack is not None:
        start = f"{start}ack:{escape(version, ack)}\n"
    return _after(start, version, message_id, message)


@final
class MessageTemplate:
    """MESSAGE frames for one subscription of one destination, whose head is the same in nearly every octet.

    Its frames are those of `encode_message`.

    Args:
        version: the subscriber's version.
        subscription: the subscription's id, ``None`` where a 1.0 client gave none.
        destination: of all messages that are encoded.
    """

    __slots__ = ("_destination", "_named", "_start", "_version")

    def __init__(self, version: Version, subscription: str | None, destination: str) -> None:
        self._version = version
        named = "" if subscription is None else f"subscription:{escape(version, subscription)}\n"
        self._named = f"MESSAGE\n{named}"
        self._start = f"{self._named}message-id:"
        self._destination = f"\ndestination:{escape(version, destination)}\n"

    def encode(self, message_id: str, message: Publishable, ack: str | None = None) -> bytes:
        """A whole MESSAGE.

        Args:
            message_id: unique id of the message; without a character that any version escapes.
            message: what to deliver.
            ack: what the client acknowledges it by, where it must (1.2); without such a character, too.
        """
        body = message.body
        version = self._version
        start = self._start if ack is None else f"{self._named}ack:{ack}\nmessage-id:"
        content_type = message.content_type
        if content_type is None:
            head = f"{start}{message_id}{self._destination}content-length:{len(body)}\n"
        else:
            typed = escape(version, content_type)
            head = f"{start}{message_id}{self._destination}content-type:{typed}\ncontent-length:{len(body)}\n"
        if message.headers:
            head += _further(version, message.headers)
        return b"%b\n%b\0" % (head.encode(), body)


def encode_error(
    version: Version | None, message: str, detail: str, receipt_id: str | None, headers: Mapping[str, str]
) -> bytes:
    """An ERROR frame.

    Args:
        version: the version that is spoken, ``None`` before it is agreed on.
        message: a few words, for the ``message`` header.
        detail: more, for the body.
        receipt_id: the receipt that the frame in question asked for.
        headers: further headers.
    """
    if version is None:
        # The client may read this by any version; a backslash could be an undefined escape there. A
        # receipt-id of that time was not unescaped and goes back as it came.
        message = message.replace("\\", "/")
    body = detail.encode("utf-8", "replace")
    said = {"message": message}
    if receipt_id is not None:
        said["receipt-id"] = receipt_id
    said.update(headers)
    said["content-type"] = "text/plain"
    said["content-length"] = str(len(body))
    return encode_frame(version, Frame("ERROR", said, body))


def _after(start: str, version: Version, message_id: str | bytes, message: Publishable) -> bytes:
    """``start``, and all that follows the subscription."""
    body = message.body
    own = message_id if isinstance(message_id, str) else message_id.decode()
    content_type = message.content_type
    typed = "" if content_type is None else f"content-type:{escape(version, content_type)}\n"
    head = (
        f"{start}message-id:{escape(version, own)}\ndestination:{escape(version, message.destination)}\n"
        f"{typed}content-length:{len(body)}\n"
    )
    if message.headers:
        head += _further(version, message.headers)
    return b"".join((head.encode(), b"\n", body, b"\0"))


def _further(version: Version, headers: Mapping[str, str]) -> str:
    """The lines of the sender's headers, but for those that would be one of our own, or none, to who reads them."""
    lines = []
    for name, value in headers.items():
        written = _further_name(version, name)
        if written:
            lines.append(f"{written}:{escape(version, value)}\n")
    return "".join(lines)


@lru_cache(maxsize=256)  # senders use few names
def _further_name(version: Version, name: str) -> str:
    """A name of a sender's header as it is written; empty for one that is left out."""
    read = name_read(version, name)
    return _name(version, name) if read and read not in _OWN else ""


def name_read(version: Version | None, name: str) -> str:
    """A header name as the other side reads it, still escaped; empty where it would refuse the frame for it."""
    written = _name(version, name)
    return written.strip() if version is Version.V1_0 else written


def _name(version: Version | None, name: str) -> str:
    """A header name as it is written. Versions without escapes cannot have a colon in it."""
    escaped = escape(version, name)
    if ":" in escaped:
        return escaped.replace(":", " ")
    return escaped
