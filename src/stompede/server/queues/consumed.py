"""The consumers of one queue on this node: who gets the next message."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING, Final, final

from stompede.messaging.message import Message
from stompede.server.queues.acks import BURST, Consumer, Delivered
from stompede.server.session.subscription import Subscription
from stompede.store.queues import Taken

if TYPE_CHECKING:
    from stompede.server.queues.queues import Queues
    from stompede.server.session.session import Session

_AVOIDED: Final = 4096  # refused messages whose last consumer is remembered, per queue


@final
class Consumed:
    """A queue with consumers on this node.

    Attributes:
        name: of the queue.
        consumers: all of them.
    """

    __slots__ = ("_avoid", "_queues", "_ready", "_taking", "consumers", "name")

    def __init__(self, queues: Queues, name: str) -> None:
        self.name = name
        self.consumers: dict[QueueConsumer, None] = {}
        self._queues = queues
        self._ready: OrderedDict[QueueConsumer, None] = (
            OrderedDict()
        )  # those that may have credit, next one first
        self._avoid: dict[str, QueueConsumer] = {}
        self._taking = False

    def ready(self, consumer: QueueConsumer) -> None:
        """A consumer may have credit."""
        if consumer not in self._ready:
            self._ready[consumer] = None
        self._queues.turns.add(self)

    def gone(self, consumer: QueueConsumer) -> None:
        """A consumer has ended."""
        del self.consumers[consumer]
        self._ready.pop(consumer, None)
        if self._avoid:
            self._avoid = {name: other for name, other in self._avoid.items() if other is not consumer}

    def avoid(self, consumer: QueueConsumer, messages: Sequence[Delivered]) -> None:
        """Refused messages go to another consumer first."""
        if len(self._avoid) + len(messages) > _AVOIDED:
            self._avoid.clear()
        for each in messages:
            self._avoid[each.id] = consumer

    def pump(self) -> None:
        """Takes as much as consumers can use now, and hands it out."""
        if self._taking:
            return
        count = self._credit()
        if not count:
            return
        taken = self._queues.take(self.name, count)
        if isinstance(taken, Awaitable):
            self._taking = True
            self._queues.spawn(self._pump_later(taken, count), "a queue could not be read")
        else:
            self._hand_out(taken, count)

    async def _pump_later(self, taken: Awaitable[Sequence[Taken[Message]]], count: int) -> None:
        try:
            came = await taken
        finally:
            self._taking = False
        self._hand_out(came, count)

    def _credit(self) -> int:
        """How many messages consumers can use now."""
        credit = 0
        spent = []
        for consumer in self._ready:
            own = consumer.credit
            if own <= 0:
                spent.append(consumer)  # it comes back by `ready`
                continue
            credit += own
            if credit >= BURST:
                credit = BURST
                break
        for consumer in spent:
            del self._ready[consumer]
        return credit

    def _hand_out(self, taken: Sequence[Taken[Message]], count: int) -> None:
        done: list[str] = []
        back: list[str] = []
        expired: list[Taken[Message]] = []
        for one in taken:
            if one.expired:
                expired.append(one)
                continue
            consumer = self._next_for(one.id)
            if consumer is None:
                back.append(one.id)
                continue
            self._queues.count(one)
            if not consumer.write(one.id, one.item, one.deliveries, one.redelivered):
                done.append(one.id)
        self._queues.handed_out(self.name, done, back, expired)
        if len(taken) == count and self._ready:
            self._queues.turns.add(self)  # there may be more; others have their turn first

    def _next_for(self, message_id: str) -> QueueConsumer | None:
        """Whose turn it is; who refused the message before is the last one asked."""
        avoided = self._avoid.pop(message_id, None) if self._avoid else None
        spare: QueueConsumer | None = None
        chosen: QueueConsumer | None = None
        while self._ready:
            consumer, _ = self._ready.popitem(last=False)
            if consumer.credit <= 0:
                continue  # it comes back by `ready`
            if consumer is avoided:
                spare = consumer
                continue
            chosen = consumer
            break
        for one in (spare, chosen):
            if one is not None:
                self._ready[one] = None
        return chosen or spare


@final
class QueueConsumer(Consumer):
    """A subscription to a queue.

    Args:
        session: whose it is.
        subscription: with its mode and prefetch.
        queues: those of the node.
        consumed: its queue.
    """

    __slots__ = ("_consumed", "_queues")

    def __init__(
        self, session: Session, subscription: Subscription, queues: Queues, consumed: Consumed
    ) -> None:
        super().__init__(session, subscription)
        self._queues = queues
        self._consumed = consumed

    def drop(self, session: Session, subscription: Subscription) -> None:
        """See `Source`."""
        subscription.source = None
        self._consumed.gone(self)
        self.end()
        self._queues.left(session, subscription, self._consumed)

    def ready(self) -> None:
        """See `Consumer`."""
        if not self.gone and self.credit > 0:
            self._consumed.ready(self)

    def acknowledged(self, messages: Sequence[Delivered]) -> Awaitable[None] | None:
        """See `Consumer`."""
        waits = self._queues.settle(self._consumed.name, [each.id for each in messages])
        self.ready()
        return waits

    def refused(self, messages: Sequence[Delivered]) -> Awaitable[None] | None:
        """See `Consumer`."""
        self._queues.counts.refused += len(messages)
        if not self.gone:
            self._consumed.avoid(self, messages)
        self.ready()
        return self._queues.back(self._consumed.name, messages)

    def returned(self, messages: Sequence[Delivered]) -> None:
        """See `Consumer`. The oldest one may have been in work, and may be what ends consumers: its delivery counts.
        Those behind it only stood in a line, however often it breaks.
        """
        queue = self._consumed.name
        self._queues.wait(self._queues.back(queue, messages[:1]), "a message could not be given back")
        self._queues.wait(self._queues.back_unused(queue, messages[1:]), "messages could not be given back")

    def settles(self, messages: Sequence[Delivered]) -> list[tuple[str, str]]:
        """See `Consumer`."""
        return [(self._consumed.name, each.id) for each in messages]

    def settled(self, messages: Sequence[Delivered]) -> None:
        """See `Consumer`."""
        self._queues.counts.acknowledged += len(messages)
        self.ready()
