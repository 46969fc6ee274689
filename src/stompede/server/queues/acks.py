"""Messages that a session has got and not acknowledged.

A subscription with ``ack:client`` or ``ack:client-individual`` has a `Consumer`. It gets no more messages than its
prefetch while they are unacknowledged, so the ledger is bounded. In STOMP 1.2 a message is named by its ``ack`` header,
unique within the session; before that by ``message-id`` and ``subscription``, and in 1.0 the latter may be missing.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING, Final, final

import msgspec

from stompede.messaging.message import Message
from stompede.messaging.problem import Problem
from stompede.server.fanout.topics import is_text
from stompede.server.session.subscription import Subscription
from stompede.wire import stomp

if TYPE_CHECKING:
    from stompede.server.session.session import Session

AUTO: Final = "auto"
CUMULATIVE: Final = "client"
PREFETCH: Final = "prefetch-count"
BURST: Final = 64
"""Messages that a consumer which need not acknowledge gets in one go."""
DIRECT: Final = "0-"  # of messages that are delivered once, whatever becomes of them; consumers count from 1


class Delivered(msgspec.Struct, gc=False):
    """A message that a consumer has and has not acknowledged.

    Attributes:
        key: what the client names it by.
        id: its message-id, and its id in the store.
        message: the message, as its sender wrote it.
        deliveries: deliveries that count, this one included.
        number: its place among all that the consumer got.
    """

    key: str
    id: str
    message: Message
    deliveries: int
    number: int


class Consumer(ABC):
    """A subscription that gets messages one by one.

    Args:
        session: whose it is.
        subscription: with its mode and prefetch.

    Attributes:
        number: in the session, from 1.
        unacked: what it has and has not acknowledged, in order, by key; without what transactions hold.
        held: how many of its messages open transactions hold.
        gone: its subscription has ended or is suspended.
    """

    __slots__ = (
        "_acks", "_given", "_individual", "_names", "gone", "held", "number", "prefetch", "session", "subscription",
        "unacked",
    )  # fmt: skip

    def __init__(self, session: Session, subscription: Subscription) -> None:
        self.session = session
        self.subscription = subscription
        self.prefetch = subscription.prefetch or session.node.settings.prefetch
        self.unacked: dict[str, Delivered] = {}
        self.held = 0
        self.gone = False
        self._given = 0
        self._acks = subscription.ack != AUTO
        self._individual = subscription.ack != CUMULATIVE
        self._names = session.wire.version is stomp.Version.V1_2
        self.number = ledger_of(session).add(self)

    @property
    def credit(self) -> int:
        """How many more messages it may get now."""
        if self.session.outbox.blocked:
            return 0
        return self.prefetch - len(self.unacked) - self.held if self._acks else BURST

    def write(self, message_id: str, message: Message, deliveries: int, redelivered: bool = False) -> bool:
        """Sends one message; returns whether it has to be acknowledged."""
        subscription, session = self.subscription, self.session
        key = message_id
        ack = None
        said = message
        if redelivered or deliveries > 1:
            again = {"redelivered": "true", "delivery-count": str(deliveries)}
            said = Message(
                message.destination, message.body, message.content_type, {**message.headers, **again}
            )
        if self._acks:
            self._given = number = self._given + 1
            if self._names:
                key = ack = f"{self.number}-{number}"
            self.unacked[key] = Delivered(key, message_id, message, deliveries, number)
        if said.destination == subscription.destination:
            frame = subscription.template(session).encode(message_id, said, ack)
        else:
            given = subscription.id if subscription.id_given else None
            frame = session.wire.send_message(said, message_id=message_id, subscription=given, ack=ack)
        session.write_frame(frame, is_text(message.body))
        return self._acks

    def named(self, key: str) -> list[Delivered]:
        """What an ACK or NACK of that key is about; empty where there is no such message."""
        one = self.unacked.get(key)
        if one is None:
            return []
        if self._individual:
            return [one]
        # STOMP 1.2 "SUBSCRIBE ack Header": in mode `client` all messages before it are meant, too.
        return [each for each in self.unacked.values() if each.number <= one.number]

    def hold(self, messages: Sequence[Delivered]) -> None:
        """A transaction takes the say about messages."""
        for each in messages:
            del self.unacked[each.key]
        self.held += len(messages)

    def release(self, messages: Sequence[Delivered]) -> None:
        """A transaction is aborted: its messages are unacknowledged again, in their old order."""
        self.held -= len(messages)
        if self.gone:
            self.returned(messages)
            return
        for each in messages:
            self.unacked[each.key] = each
        self.unacked = dict(sorted(self.unacked.items(), key=lambda item: item[1].number))

    def settles(self, messages: Sequence[Delivered]) -> list[tuple[str, str]]:  # noqa: ARG002 - of those that do
        """What the store settles when a transaction acknowledges messages: their queue and ids."""
        return []

    def let_go(self, messages: Sequence[Delivered]) -> None:
        """Messages are about to be acknowledged or refused, by a frame outside of a transaction."""
        for each in messages:
            del self.unacked[each.key]

    def end(self) -> None:
        """Nothing more comes: what is not acknowledged goes back."""
        if self.gone:
            return
        self.gone = True
        ledger_of(self.session).remove(self)
        messages = list(self.unacked.values())
        self.unacked.clear()
        self.returned(messages)

    @abstractmethod
    def ready(self) -> None:
        """It may have credit again."""

    @abstractmethod
    def acknowledged(self, messages: Sequence[Delivered]) -> Awaitable[None] | None:
        """Messages are done with; the awaitable ends when that is sure."""

    @abstractmethod
    def settled(self, messages: Sequence[Delivered]) -> None:
        """A transaction has settled messages."""

    @abstractmethod
    def refused(self, messages: Sequence[Delivered]) -> Awaitable[None] | None:
        """The client does not want messages; they may come again, to somebody else first."""

    @abstractmethod
    def returned(self, messages: Sequence[Delivered]) -> None:
        """Messages were neither acknowledged nor refused when the consumer ended; the oldest comes first."""


@final
class Ledger:
    """The consumers of one session.

    Attributes:
        consumers: by their numbers.
        waiting_bytes: what waits for those of topics.
        droppable_bytes: of that, what may go to make room.
    """

    __slots__ = ("_ended", "_next", "consumers", "droppable_bytes", "waiting_bytes")

    def __init__(self) -> None:
        self.consumers: dict[int, Consumer] = {}
        self.waiting_bytes = self.droppable_bytes = 0
        self._next = 0
        self._ended = False

    def add(self, consumer: Consumer) -> int:
        """Takes a consumer; returns its number."""
        self._next += 1
        self.consumers[self._next] = consumer
        return self._next

    def remove(self, consumer: Consumer) -> None:
        """A consumer has ended."""
        del self.consumers[consumer.number]
        self._ended = True

    def ready(self) -> None:
        """The socket takes bytes again."""
        for consumer in list(self.consumers.values()):
            consumer.ready()

    def find(
        self, event: stomp.Ack | stomp.Nack, version: stomp.Version
    ) -> tuple[Consumer, list[Delivered]] | None:
        """The consumer and the messages that a frame is about; ``None`` where it names none."""
        if version is stomp.Version.V1_2:
            number = _number(event.id.partition("-")[0], 18)
            found = None if number is None else self.consumers.get(number)
            asked: Sequence[Consumer] = () if found is None else (found,)
        elif event.subscription is None:
            asked = tuple(self.consumers.values())
        else:
            asked = [each for each in self.consumers.values() if each.subscription.id == event.subscription]
        for consumer in asked:
            messages = consumer.named(event.id)
            if messages:
                return consumer, messages
        return None

    def gave(self, event: stomp.Ack | stomp.Nack, version: stomp.Version) -> bool:
        """Whether a frame may be about a message of a consumer that has ended."""
        if version is not stomp.Version.V1_2:
            return self._ended
        number = _number(event.id.partition("-")[0], 18)
        return number is not None and 0 < number <= self._next and number not in self.consumers


def ledger_of(session: Session) -> Ledger:
    """The ledger of a session; it is made for the first consumer."""
    if session.ledger is None:
        session.ledger = Ledger()
    return session.ledger


def prefetch_of(session: Session, head: stomp.Head) -> int | None:
    """What a SUBSCRIBE says of its prefetch.

    Raises:
        Problem: ``invalid-header``.
    """
    said = head.headers.get(PREFETCH)
    if said is None:
        return None
    asked = _number(said, 9)
    if asked is None:
        raise Problem(
            "invalid-header", f"{PREFETCH} must be a number of messages, 0 for as many as are allowed"
        )
    most = session.node.settings.max_prefetch
    return min(asked or most, most)


def _number(text: str, most_digits: int) -> int | None:
    """What ASCII digits say; other alphabets' would do for ``int``, too."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= most_digits else None


def direct_ack(session: Session, subscription: Subscription, message_id: str) -> str | None:
    """The ``ack`` header of a message that comes once, whatever becomes of it: to a user destination, or an answer."""
    if subscription.ack == AUTO or session.wire.version is not stomp.Version.V1_2:
        return None
    return f"{DIRECT}{message_id}"
