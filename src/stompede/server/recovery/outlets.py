"""Where a recovery writes, and where its subscription goes when it has caught up.

Most subscriptions share their bytes with others (`Shared`). One that acknowledges gets its messages one by one, no more
than its prefetch (`Acknowledged`): it counts as blocked while some wait for an acknowledgement, so the history is read
as the client works, a piece at a time, whatever is missed in all.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Final, Protocol, final

from stompede.messaging.message import Message
from stompede.server.fanout.delivery import Delivery
from stompede.server.queues import topic_acks
from stompede.server.queues.acks import AUTO
from stompede.server.queues.topic_acks import TopicConsumer
from stompede.server.recovery.pages import ALIGNED, Items, Pages, first_piece, recovered
from stompede.server.session.subscription import Subscription
from stompede.store import Position

if TYPE_CHECKING:
    from stompede.server.session.session import Session

PAGE: Final = 10_000  # messages read at once


class Outlet(Protocol):
    """See the module.

    Attributes:
        page: messages that are worth reading at once.
    """

    page: int

    @property
    def blocked(self) -> bool:
        """Whether it takes nothing now."""
        ...

    def write(self, items: Items, start: int) -> tuple[int, int]:
        """Writes a piece that begins at an index; returns the index behind it, and its bytes."""
        ...

    def join(self, fresh: Sequence[tuple[str, Message]]) -> int | None:
        """Puts the subscription where live messages come, and writes what has come meanwhile.

        Returns:
            How many bytes that was; ``None`` where it could not be done, because the session has ended or is blocked.
        """
        ...

    def drop(self, last: Position | None) -> Position | None:
        """The subscription ends before that. Takes and returns from where it would go on."""
        ...


@final
class Shared:
    """Writes frames that others get, too.

    Args:
        session: whose subscription it is.
        subscription: to a topic, with ``ack:auto``.
        delivery: where it goes.
        pages: encoded stretches.
    """

    __slots__ = ("_delivery", "_pages", "_session", "_subscription", "page")

    def __init__(
        self, session: Session, subscription: Subscription, delivery: Delivery, pages: Pages
    ) -> None:
        self.page = PAGE
        self._session = session
        self._subscription = subscription
        self._delivery = delivery
        self._pages = pages

    @property
    def blocked(self) -> bool:
        """See `Outlet`."""
        return self._session.outbox.blocked

    def write(self, items: Items, start: int) -> tuple[int, int]:
        """See `Outlet`."""
        end = first_piece(items, start)
        key = self._delivery.cohort_of(self._session, self._subscription)
        data = self._pages.data(self._subscription.destination, key, items, start, end)
        self._session.outbox.write(data)
        return end, len(data)

    def join(self, fresh: Sequence[tuple[str, Message]]) -> int | None:
        """See `Outlet`."""
        return self._delivery.join(self._session, self._subscription, fresh)

    def drop(self, last: Position | None) -> Position | None:
        """See `Outlet`."""
        return last


@final
class Acknowledged:
    """Hands messages to a consumer.

    Args:
        session: whose subscription it is.
        subscription: to a topic, with another ack mode.
        delivery: where it goes.
        drained: called when the consumer has none left that waits.
    """

    __slots__ = ("_consumer", "_delivery", "_session", "_subscription", "page")

    def __init__(
        self, session: Session, subscription: Subscription, delivery: Delivery, drained: Callable[[], None]
    ) -> None:
        self.page = ALIGNED
        self._session = session
        self._subscription = subscription
        self._delivery = delivery
        self._consumer = TopicConsumer(session, subscription)
        self._consumer.drained = drained

    @property
    def blocked(self) -> bool:
        """See `Outlet`."""
        return self._session.outbox.blocked or self._consumer.waits

    def write(self, items: Items, start: int) -> tuple[int, int]:
        """See `Outlet`."""
        end = first_piece(items, start)
        size = 0
        for kept in items[start:end]:
            self._consumer.take_past(str(kept.position), recovered(kept.item))
            size += len(kept.item.body)
        return end, size

    def join(self, fresh: Sequence[tuple[str, Message]]) -> int | None:
        """See `Outlet`."""
        session, subscription, consumer = self._session, self._subscription, self._consumer
        # The bus brings the destination already, for the collector: there is nothing to wait for.
        self._delivery.listen(session, subscription.destination, consumer)
        if session.closed:
            return None
        consumer.drained = None
        subscription.source = consumer
        for message_id, message in fresh:
            consumer.take(message_id, message)
        return sum(len(message.body) for _, message in fresh)

    def drop(self, last: Position | None) -> Position | None:
        """See `Outlet`: what was not acknowledged comes again."""
        unfinished = self._consumer.unfinished()
        self._consumer.drained = None
        self._consumer.forget()
        return unfinished or last


def outlet_of(
    session: Session,
    subscription: Subscription,
    delivery: Delivery,
    pages: Pages,
    drained: Callable[[], None],
) -> Outlet:
    """The outlet of a subscription to a topic; the arguments are those of `Shared` and `Acknowledged`."""
    if subscription.ack == AUTO:
        return Shared(session, subscription, delivery, pages)
    return Acknowledged(session, subscription, delivery, drained)


def subscribe_live(
    session: Session, subscription: Subscription, delivery: Delivery
) -> Awaitable[None] | None:
    """Lets a subscription to a topic get what comes from now on; the awaitable ends when nothing of it is missed.

    Raises:
        Problem: ``unavailable``, beyond ``max_topics``.
    """
    if subscription.ack == AUTO:
        return delivery.subscribe(session, subscription)
    return topic_acks.subscribe(session, subscription)
