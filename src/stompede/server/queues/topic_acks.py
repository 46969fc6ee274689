"""Topics whose subscribers acknowledge.

Such a subscription has a private, bounded queue behind the hub: it gets as many messages as its prefetch, and the rest
waits, by the policy of the destination for slow subscribers. The bound is one for all such subscriptions of a session;
where a message may push out older ones, its own subscription's go first. What a subscription refuses comes again,
``max_deliveries`` times in all; then it is dropped, and counted. What waits, or is not acknowledged, ends with the
subscription: a topic keeps nothing for those who are not there. Where it has a history, `stompede.server.recovery`
fills the consumer from that.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import TYPE_CHECKING, final

import msgspec

from stompede.messaging.message import Message, size_of
from stompede.server.fanout.policies import Conflate, Cut, SlowPolicy
from stompede.server.queues.acks import Consumer, Delivered, ledger_of
from stompede.server.session.subscription import Subscription
from stompede.store import Position

if TYPE_CHECKING:
    from stompede.server.session.session import Session


class TopicAcksStatistics(msgspec.Struct, rename="camel"):
    """What became of messages of topics that are acknowledged, on one node.

    Attributes:
        consumers: subscriptions to topics that acknowledge, now.
        waiting: messages that wait for them now, because as many as their prefetch are unacknowledged.
        waiting_bytes: what those take, see `size_of`.
        delivered: messages delivered.
        redelivered: of those, the ones that had been refused before.
        acknowledged: messages acknowledged.
        dropped: messages dropped: refused too often, or by the policy for slow subscribers.
    """

    consumers: int = 0
    waiting: int = 0
    waiting_bytes: int = 0
    delivered: int = 0
    redelivered: int = 0
    acknowledged: int = 0
    dropped: int = 0


class _Waiting(msgspec.Struct, frozen=True, gc=False):
    id: str
    message: Message
    deliveries: int  # this one included
    size_bytes: int
    may_go: bool = False  # to make room for others


@final
class TopicConsumer(Consumer):
    """A subscription to a topic that acknowledges. Also what the hub gives the topic's messages to.

    Args:
        session: whose it is.
        subscription: with its mode and prefetch.

    Attributes:
        drained: called when nothing waits any more, while it gets what it missed.
    """

    __slots__ = (
        "_again", "_counts", "_fresh", "_held", "_ledger", "_max_bytes", "_options", "_overflown", "drained",
    )  # fmt: skip

    def __init__(self, session: Session, subscription: Subscription) -> None:
        super().__init__(session, subscription)
        node = session.node
        self._options = (
            node.options
        )  # of each message's own destination: the subscription may have a wildcard
        self._max_bytes = node.settings.outbound_bytes
        self._counts = node.topic_acks
        self._again: deque[_Waiting] = deque()
        self._fresh: OrderedDict[Hashable, _Waiting] = OrderedDict()
        self._ledger = ledger_of(session)
        self._overflown = False
        self._held: dict[str, Delivered] = {}
        self.drained: Callable[[], None] | None = None
        self._counts.consumers += 1

    # From the hub.

    def take(self, message_id: str, message: Message) -> None:
        """See `Listener`."""
        key: Hashable = message_id
        policy = self._options.policy_of(message.destination)
        if isinstance(policy, Conflate):
            key = (message.destination, message.headers.get(policy.by) if policy.by else None)
        older = self._fresh.get(key)
        waiting = _Waiting(message_id, message, 1, size_of(message), not isinstance(policy, Cut))
        if self._ledger.waiting_bytes + waiting.size_bytes > self._max_bytes and not self._make_room(
            waiting.size_bytes, key, older, policy
        ):
            return
        if older is not None:
            self._left(self._fresh.pop(key))
        self._came(waiting)
        self._fresh[key] = waiting
        self.session.node.turns.add(self)

    def _came(self, one: _Waiting) -> None:
        self._counts.waiting += 1
        self._counts.waiting_bytes += one.size_bytes
        self._ledger.waiting_bytes += one.size_bytes
        if one.may_go:
            self._ledger.droppable_bytes += one.size_bytes

    def _left(self, one: _Waiting) -> None:
        self._counts.waiting -= 1
        self._counts.waiting_bytes -= one.size_bytes
        self._ledger.waiting_bytes -= one.size_bytes
        if one.may_go:
            self._ledger.droppable_bytes -= one.size_bytes

    def _make_room(self, wanted: int, replaced: Hashable, older: _Waiting | None, policy: SlowPolicy) -> bool:
        """Drops the oldest waiting messages that may go until one more fits; false where it must not be taken."""
        freed = 0 if older is None else older.size_bytes
        excess = self._ledger.waiting_bytes - freed + wanted - self._max_bytes
        if excess <= 0:
            return True
        if isinstance(policy, Cut):
            self._overflown = True
            self.session.node.turns.add(self)  # the hub must not be entered from here
            return False
        if excess <= self._ledger.droppable_bytes - freed:
            excess -= self._drop_oldest(excess, replaced)
            others = self._ledger.consumers.values() if excess > 0 else ()
            for consumer in others:
                if excess > 0 and consumer is not self and isinstance(consumer, TopicConsumer):
                    excess -= consumer._drop_oldest(excess, None)
            return True
        self._counts.dropped += 1
        return False

    def _drop_oldest(self, wanted: int, replaced: Hashable) -> int:
        """Drops the oldest waiting messages that may go until so many bytes are free, or none is left; returns how many
        it were.
        """
        doomed = []
        freed = 0
        for key, one in self._fresh.items():
            if freed >= wanted:
                break
            if key != replaced and one.may_go:
                doomed.append(key)
                freed += one.size_bytes
        for key in doomed:
            self._left(self._fresh.pop(key))
        self._counts.dropped += len(doomed)
        return freed

    # From a history.

    @property
    def waits(self) -> bool:
        """Whether messages wait for it, because as many as its prefetch are unacknowledged."""
        return bool(self._fresh or self._again)

    def take_past(self, message_id: str, message: Message) -> None:
        """Takes what was missed. No policy leaves anything out of it: who gives it waits until all of it is taken."""
        waiting = self._fresh[message_id] = _Waiting(message_id, message, 1, size_of(message))
        self._came(waiting)
        self.session.node.turns.add(self)

    def unfinished(self) -> Position | None:
        """The position before everything that it has not acknowledged; ``None`` where there is nothing."""
        ids = [one.id for one in (*self.unacked.values(), *self._held.values())]
        ids += [one.id for one in (*self._again, *self._fresh.values())]
        positions = [position for each in ids if (position := Position.parse(each)) is not None]
        if not positions:
            return None
        first = min(positions, key=lambda position: position.offset)
        return Position(first.epoch, first.offset - 1)

    def hold(self, messages: Sequence[Delivered]) -> None:
        """See `Consumer`."""
        super().hold(messages)
        self._held.update((each.key, each) for each in messages)

    def release(self, messages: Sequence[Delivered]) -> None:
        """See `Consumer`."""
        self._let_loose(messages)
        super().release(messages)

    def _let_loose(self, messages: Sequence[Delivered]) -> None:
        for each in messages:
            self._held.pop(each.key, None)

    # To the client.

    def pump(self) -> None:
        """See `Pumping`."""
        if self._overflown and not self.gone:
            self.session.overflow()
        while not self.gone and self.credit > 0:
            if self._again:
                one = self._again.popleft()
            elif self._fresh:
                _, one = self._fresh.popitem(last=False)
            else:
                break
            self._left(one)
            self._counts.delivered += 1
            self._counts.redelivered += one.deliveries > 1
            self.write(one.id, one.message, one.deliveries)
        if self.drained is not None and not self.waits:
            self.drained()

    def ready(self) -> None:
        """See `Consumer`."""
        if not self.gone:
            self.session.node.turns.add(self)

    def acknowledged(self, messages: Sequence[Delivered]) -> Awaitable[None] | None:
        """See `Consumer`."""
        self.settled(messages)
        return None

    def settled(self, messages: Sequence[Delivered]) -> None:
        """See `Consumer`."""
        self._counts.acknowledged += len(messages)
        self._let_loose(messages)
        self.ready()

    def refused(self, messages: Sequence[Delivered]) -> Awaitable[None] | None:
        """See `Consumer`."""
        again = [each for each in messages if each.deliveries < self._most(each.message) and not self.gone]
        self._counts.dropped += len(messages) - len(again)
        self._let_loose(messages)
        for each in reversed(again):
            waiting = _Waiting(each.id, each.message, each.deliveries + 1, size_of(each.message))
            self._came(waiting)
            self._again.appendleft(waiting)
        self.ready()
        return None

    def _most(self, message: Message) -> int:
        return self._options.of(message.destination).queue.max_deliveries

    def returned(self, messages: Sequence[Delivered]) -> None:
        """See `Consumer`: nobody else has them to get."""

    def drop(self, session: Session, subscription: Subscription) -> None:
        """See `Source`."""
        subscription.source = None
        if subscription.suspended and session.node.options.of(subscription.destination).history is not None:
            position = session.node.histories.position(subscription.destination)
            subscription.left_at = self.unfinished() or position
        session.node.delivery.unlisten(session, subscription.destination, self, told=True)
        self.forget()

    def forget(self) -> None:
        """It ends, whether or not the hub has it."""
        self.end()
        self._counts.consumers -= 1
        for one in (*self._again, *self._fresh.values()):
            self._left(one)
        self._again.clear()
        self._fresh.clear()


def subscribe(session: Session, subscription: Subscription) -> Awaitable[None] | None:
    """Lets a subscription to a topic get messages that it acknowledges; the awaitable ends when none is missed.

    Raises:
        Problem: ``unavailable``, beyond ``max_topics``.
    """
    consumer = TopicConsumer(session, subscription)
    delivery = session.node.delivery
    try:
        ready = delivery.listen(session, subscription.destination, consumer)
    except BaseException:
        consumer.forget()
        raise
    if session.closed:
        consumer.forget()
        return None
    subscription.source = consumer
    delivery.told(session, subscription.destination)
    return ready
