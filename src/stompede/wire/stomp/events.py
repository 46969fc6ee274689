"""What sessions tell: one event for each frame that arrived, or for the rule that it broke."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any

import msgspec

from stompede._types import NO_HEADERS
from stompede.wire.stomp.head import Head
from stompede.wire.stomp.heartbeat import HeartBeat
from stompede.wire.stomp.versions import Version


class Deadline(enum.Enum):
    """What is due."""

    SEND_HEART_BEAT = "send-heart-beat"
    PEER_SILENT = "peer-silent"


# What a server sees. `gc=False`: events hold nothing that could lead back to them, and live for a moment.


class Connect(msgspec.Struct, frozen=True):
    """CONNECT or STOMP. The session waits for `ServerSession.send_connected` or `ServerSession.send_error`.

    Attributes:
        head: all headers; ``login``, ``passcode`` and ``Authorization`` are among them, but not among
            `Head.forwarded`.
        version: the version that will be spoken.
        version_offer: what the client offered.
        host: virtual host that the client wants, or ``None``.
        login: or ``None``.
        passcode: or ``None``.
        heart_beat: what the client can send and wants to receive.
    """

    head: Head
    version: Version
    version_offer: tuple[str, ...]
    host: str | None
    login: str | None
    passcode: str | None
    heart_beat: HeartBeat

    def __repr__(self) -> str:
        return f"Connect(head={self.head!r}, version={self.version!r}, host={self.host!r}, ...)"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("head", self.head), ("version", self.version), ("host", self.host)]


class Send(msgspec.Struct, frozen=True, gc=False):
    """SEND.

    Attributes:
        head: headers and what is known about them; ``receipt``, ``content_type``, ``transaction`` and the
            like stand there.
        destination: where to.
        body: as it came.
    """

    head: Head
    destination: str
    body: bytes


class Subscribe(msgspec.Struct, frozen=True, gc=False):
    """SUBSCRIBE.

    Attributes:
        head: headers.
        id: the subscription's id; where a 1.0 client gave none, the destination.
        destination: what to subscribe to.
        ack: ``auto``, ``client`` or ``client-individual``.
        id_given: whether the client gave the id; if not, its MESSAGE frames carry no ``subscription`` header.
    """

    head: Head
    id: str
    destination: str
    ack: str
    id_given: bool


class Unsubscribe(msgspec.Struct, frozen=True, gc=False):
    """UNSUBSCRIBE. ``id`` is the subscription's, or the destination where a 1.0 client gave no id."""

    head: Head
    id: str


class Ack(msgspec.Struct, frozen=True, gc=False):
    """ACK.

    Attributes:
        head: headers.
        id: the ``id`` header (1.2), or ``message-id`` (1.0 and 1.1).
        subscription: the ``subscription`` header, which 1.1 requires.
    """

    head: Head
    id: str
    subscription: str | None


class Nack(msgspec.Struct, frozen=True, gc=False):
    """NACK; see `Ack`."""

    head: Head
    id: str
    subscription: str | None


class Begin(msgspec.Struct, frozen=True, gc=False):
    """BEGIN of a transaction."""

    head: Head
    transaction: str


class Commit(msgspec.Struct, frozen=True, gc=False):
    """COMMIT of a transaction."""

    head: Head
    transaction: str


class Abort(msgspec.Struct, frozen=True, gc=False):
    """ABORT of a transaction."""

    head: Head
    transaction: str


class Disconnect(msgspec.Struct, frozen=True, gc=False):
    """DISCONNECT. Answer the receipt that ``head`` may ask for, then close. No more events come."""

    head: Head


class Violation(msgspec.Struct, frozen=True, gc=False):
    """The client broke the protocol or a limit. No more events come.

    Attributes:
        error: the whole ERROR frame to write before closing; it has the ``receipt-id`` of the frame where
            that could be read.
        code: ``limit``, ``malformed`` (the bytes are no frame), ``header`` (missing or wrong), ``command``
            (unknown, or not now), or ``version`` (none in common).
        detail: what was wrong and what would be right; the body of the ERROR frame.
    """

    error: bytes
    code: str
    detail: str


ServerEvent = (
    Connect | Send | Subscribe | Unsubscribe | Ack | Nack | Begin | Commit | Abort | Disconnect | Violation
)


# What a client sees.


class Connected(msgspec.Struct, frozen=True, gc=False):
    """CONNECTED.

    Attributes:
        headers: all of them.
        version: the version that is spoken.
        session: the server's id of the session, or ``None``.
        user_name: name of the member that the session belongs to, where the server says it.
        server: what the server calls itself, or ``None``.
        heart_beat: what the server can send and wants to receive.
    """

    headers: Mapping[str, str]
    version: Version
    session: str | None
    user_name: str | None
    server: str | None
    heart_beat: HeartBeat


class MessageReceived(msgspec.Struct, frozen=True, gc=False):
    """MESSAGE.

    Attributes:
        headers: all of them, unescaped, read-only.
        body: as it came.
    """

    headers: Mapping[str, str]
    body: bytes


class Receipt(msgspec.Struct, frozen=True, gc=False):
    """RECEIPT for the frame that carried this id in its ``receipt`` header.

    Attributes:
        receipt_id: the id.
        headers: what it says besides.
    """

    receipt_id: str
    headers: Mapping[str, str] = NO_HEADERS


class ErrorReceived(msgspec.Struct, frozen=True, gc=False):
    """ERROR. The server closes next; no more events come.

    Attributes:
        headers: all of them; ``message`` is a short description, ``receipt-id`` names the frame that caused
            it.
        body: more about it, most often text.
    """

    headers: Mapping[str, str]
    body: bytes


class ServerViolation(msgspec.Struct, frozen=True, gc=False):
    """The server broke the protocol or a limit of this client. Close; no more events come.

    Attributes:
        code: as in `Violation`.
        detail: what was wrong.
    """

    code: str
    detail: str


ClientEvent = Connected | MessageReceived | Receipt | ErrorReceived | ServerViolation
