"""A destination with its subscribers on this node, and the bytes of a tick for them."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Protocol

from stompede.messaging.message import Message
from stompede.server.outbox import Outbox
from stompede.server.policies import Conflate, SlowPolicy
from stompede.transports.base import Framing
from stompede.wire.stomp import MessageTemplate, Version, message_parts, message_without_subscription

CohortKey = tuple[Framing, Version, str | None]
Pending = tuple[str, Message, bool]  # id, message, whether its body is text


class Shape:
    """What cohorts have in common whose bytes differ in nothing but the subscription id.

    Compared by identity: there is one object per kind of cohort, so that looking it up costs no hashing of
    its parts.
    """

    __slots__ = ("framing", "length", "version")

    def __init__(self, framing: Framing, version: Version, length: int | None) -> None:
        self.framing = framing
        self.version = version
        self.length = length


class Cohort:
    """Subscribers of one destination that get the same bytes.

    Attributes:
        shape: version, framing and length of the id.
        sid: the id as it stands on the wire; empty where MESSAGE frames name none (STOMP 1.0).
        members: their outboxes.
    """

    __slots__ = ("members", "shape", "sid")

    def __init__(self, shape: Shape, sid: bytes) -> None:
        self.shape = shape
        self.sid = sid
        self.members: dict[Outbox, None] = {}


class Only:
    """The one subscriber of a destination, with what its frames begin with: there is nothing to share."""

    __slots__ = ("encode", "header", "outbox")

    def __init__(self, destination: str, key: CohortKey, outbox: Outbox) -> None:
        framing, version, subscription = key
        self.outbox = outbox
        self.header = framing.header
        self.encode = MessageTemplate(version, subscription, destination).encode

    def data(self, pending: list[Pending]) -> bytes:
        """The frames of a tick."""
        header, encode = self.header, self.encode
        if len(pending) == 1:
            message_id, message, text = pending[0]
            payload = encode(message_id, message)
            return header(len(payload), text) + payload
        parts: list[bytes] = []
        for message_id, message, text in pending:
            payload = encode(message_id, message)
            parts += (header(len(payload), text), payload)
        return b"".join(parts)


class Listener(Protocol):
    """What takes the messages of a destination one by one: for a consumer that acknowledges, or that recovers."""

    def take(self, message_id: str, message: Message) -> None:
        """Takes one message, from within its publication. Must not raise, nor come back to the hub."""
        ...


class Topic:
    """One destination with its subscribers on this node."""

    __slots__ = ("cohorts", "destination", "listeners", "only", "pending", "policy")

    def __init__(self, destination: str, policy: SlowPolicy) -> None:
        self.destination = destination
        self.policy = policy
        self.cohorts: dict[CohortKey, Cohort] = {}
        self.pending: list[Pending] = []
        self.listeners: dict[Listener, None] | None = None
        self.only: Only | None = None

    def __len__(self) -> int:
        return sum(len(cohort.members) for cohort in self.cohorts.values()) + len(self.listeners or ())

    def look_for_only(self) -> None:
        """To be called when subscribers came or went."""
        self.only = None
        if len(self.cohorts) == 1:
            ((key, cohort),) = self.cohorts.items()
            if len(cohort.members) == 1:
                self.only = Only(self.destination, key, next(iter(cohort.members)))


def is_text(body: bytes) -> bool:
    """Whether the frame around ``body`` may be a WebSocket text message, that is, whether it is UTF-8."""
    if body.isascii():
        return True
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def pieces_of_tick(pending: list[Pending], shape: Shape) -> list[bytes]:
    """The frames of a tick, cut at the places where the subscription id stands."""
    version, length, header = shape.version, shape.length, shape.framing.header
    if length is None:
        frames = []
        for message_id, message, text in pending:
            payload = message_without_subscription(version, message_id, message)
            frames.append(header(len(payload), text) + payload)
        return [b"".join(frames)]
    pieces = []
    tail = b""
    for message_id, message, text in pending:
        before, after = message_parts(version, message_id, message)
        pieces.append(tail + header(len(before) + length + len(after), text) + before)
        tail = after
    pieces.append(tail)
    return pieces


def frames_of_tick(pending: list[Pending], cohort: Cohort) -> list[bytes]:
    """The frames of one cohort, one by one: for sockets that are blocked."""
    version, header = cohort.shape.version, cohort.shape.framing.header
    frames = []
    for message_id, message, text in pending:
        if cohort.shape.length is None:
            payload = message_without_subscription(version, message_id, message)
        else:
            payload = cohort.sid.join(message_parts(version, message_id, message))
        frames.append(header(len(payload), text) + payload)
    return frames


def conflation_keys(pending: list[Pending], topic: Topic, cohort: Cohort) -> list[Hashable]:
    """What `Conflate` tells messages apart by."""
    by = topic.policy.by if isinstance(topic.policy, Conflate) else None
    if by is None:
        return [(topic.destination, cohort.sid)] * len(pending)
    return [(topic.destination, cohort.sid, message.headers.get(by)) for _, message, _ in pending]
