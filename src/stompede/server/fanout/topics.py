"""A destination with its subscribers on this node, and the bytes of a tick for them."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Protocol

from stompede.messaging.message import Message
from stompede.messaging.wildcards import Wildcard
from stompede.server.fanout.outbox import Outbox
from stompede.server.fanout.policies import Conflate, SlowPolicy
from stompede.transports.base import Compression, Framing, framed
from stompede.wire.stomp import MessageTemplate, Version, message_parts, message_without_subscription

CohortKey = tuple[Framing, Version, str | None]
Pending = tuple[str, Message, bool]  # id, message, whether its body is text
OfferOfTick = tuple[bytes, SlowPolicy, Hashable, int]  # frames, policy, key of `Conflate`, messages


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

    __slots__ = ("encode", "header", "outbox", "trailer")

    def __init__(self, destination: str, key: CohortKey, outbox: Outbox) -> None:
        framing, version, subscription = key
        self.outbox = outbox
        self.header = framing.header
        self.trailer = framing.trailer
        self.encode = MessageTemplate(version, subscription, destination).encode

    def data(self, pending: list[Pending]) -> bytes:
        """The frames of a tick."""
        header, encode, trailer = self.header, self.encode, self.trailer
        if len(pending) == 1:
            message_id, message, text = pending[0]
            payload = encode(message_id, message)
            return header(len(payload), text) + payload + trailer
        parts: list[bytes] = []
        for message_id, message, text in pending:
            payload = encode(message_id, message)
            parts += (header(len(payload), text), payload, trailer)
        return b"".join(parts)


class Listener(Protocol):
    """What takes the messages of a destination one by one: for a consumer that acknowledges, or that recovers."""

    def take(self, message_id: str, message: Message) -> None:
        """Takes one message, from within its publication. Must not raise, nor come back to the hub."""
        ...


class Topic:
    """One destination with its subscribers on this node; or one wildcard, whose messages are of many destinations.

    Args:
        destination: the destination, or the wildcard as it is written.
        policy: for its slow subscribers.
        wildcard: where it is one.
    """

    __slots__ = ("cohorts", "destination", "listeners", "only", "pending", "policy", "wildcard")

    def __init__(self, destination: str, policy: SlowPolicy, wildcard: Wildcard | None = None) -> None:
        self.destination = destination
        self.policy = policy
        self.wildcard = wildcard
        self.cohorts: dict[CohortKey, Cohort] = {}
        self.pending: list[Pending] = []
        self.listeners: dict[Listener, None] | None = None
        self.only: Only | None = None

    def __len__(self) -> int:
        return sum(len(cohort.members) for cohort in self.cohorts.values()) + len(self.listeners or ())

    def look_for_only(self) -> None:
        """To be called when subscribers came or went."""
        self.only = None
        if len(self.cohorts) == 1 and self.wildcard is None:
            ((key, cohort),) = self.cohorts.items()
            if len(cohort.members) == 1 and cohort.shape.framing.compression is None:
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
    version, length, framing = shape.version, shape.length, shape.framing
    if framing.compression is not None:
        return _compressed_pieces(pending, shape, framing.compression)
    header, trailer = framing.header, framing.trailer
    if length is None:
        frames = []
        for message_id, message, text in pending:
            payload = message_without_subscription(version, message_id, message)
            frames.append(header(len(payload), text) + payload + trailer)
        return [b"".join(frames)]
    pieces = []
    tail = b""
    for message_id, message, text in pending:
        before, after = message_parts(version, message_id, message)
        pieces.append(tail + header(len(before) + length + len(after), text) + before)
        tail = after + trailer
    pieces.append(tail)
    return pieces


def _compressed_pieces(pending: list[Pending], shape: Shape, compression: Compression) -> list[bytes]:
    version, length = shape.version, shape.length
    if length is None:
        return [
            b"".join(
                compression.frame(message_without_subscription(version, message_id, message), text)
                for message_id, message, text in pending
            )
        ]
    pieces = []
    tail = b""
    for message_id, message, text in pending:
        before, after = message_parts(version, message_id, message)
        opening, closing = compression.around(before, length, after, text)
        pieces.append(tail + opening)
        tail = closing
    pieces.append(tail)
    return pieces


def frames_of_tick(pending: list[Pending], cohort: Cohort) -> list[bytes]:
    """The frames of one cohort, one by one: for sockets that are blocked."""
    version, framing, sid = cohort.shape.version, cohort.shape.framing, cohort.sid
    compression = framing.compression
    frames = []
    for message_id, message, text in pending:
        if cohort.shape.length is None:
            frames.append(framed(framing, message_without_subscription(version, message_id, message), text))
            continue
        parts = message_parts(version, message_id, message)
        if compression is None:
            frames.append(framed(framing, sid.join(parts), text))
        else:
            frames.append(sid.join(compression.around(parts[0], len(sid), parts[1], text)))
    return frames


def offers_of_tick(
    pending: list[Pending],
    topic: Topic,
    cohort: Cohort,
    policy_of: Callable[[str], SlowPolicy],
    chunk_bytes: int,
) -> list[OfferOfTick]:
    """What is offered to the sockets of a cohort that are blocked.

    A thousand of them must not cost a thousand times each message: of one key of `Conflate` only the newest message of
    the tick is offered, and of the others chunks of some messages. What comes by a wildcard has the policy of the
    destination that it was published to, and its keys.

    Args:
        pending: the messages of the tick.
        topic: what they were published to, or the wildcard that matches it.
        cohort: whose sockets they are.
        policy_of: the policy for a destination.
        chunk_bytes: a chunk is ended when it has more.
    """
    frames = frames_of_tick(pending, cohort)
    newest: dict[Hashable, OfferOfTick] = {}
    offers: list[OfferOfTick] = []
    chunk: list[bytes] = []
    of_chunk: SlowPolicy | None = None
    size = 0

    def end_chunk() -> None:
        if of_chunk is not None and chunk:
            offers.append((b"".join(chunk), of_chunk, None, len(chunk)))
            chunk.clear()

    for frame, (_, message, _) in zip(frames, pending, strict=True):
        destination = message.destination
        policy = topic.policy if topic.wildcard is None else policy_of(destination)
        if isinstance(policy, Conflate):
            value = None if policy.by is None else message.headers.get(policy.by)
            key = (topic.destination, cohort.sid, destination, value)
            count = newest[key][3] + 1 if key in newest else 1
            newest[key] = (frame, policy, key, count)
            continue
        if policy is not of_chunk or size > chunk_bytes:
            end_chunk()
            of_chunk, size = policy, 0
        chunk.append(frame)
        size += len(frame)
    end_chunk()
    return [*offers, *newest.values()]
