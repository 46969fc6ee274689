"""Queues: each message goes to one consumer, and stays until that has acknowledged it.

The messages stand in a store. This module has the consumers of this node: it takes from the store as much as they can
use now, hands it out in turn, and brings back what they do not acknowledge.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, Final, final

import msgspec

from stompede.messaging.message import Message, size_of
from stompede.messaging.problem import Problem
from stompede.server.handlers.turns import Turns
from stompede.server.options import PLAIN, OptionsTable
from stompede.server.queues.acks import Delivered
from stompede.server.queues.consumed import Consumed, QueueConsumer
from stompede.server.queues.dead import EXPIRED, MAX_DELIVERIES, DeadMessages
from stompede.server.session.subscription import Subscription
from stompede.server.session.telling import Teller
from stompede.server.settings import Settings
from stompede.store.queues import Entry, QueueStore, QueueStoreStatistics, Refusal, Refused, Taken

if TYPE_CHECKING:
    from stompede.server.session.session import Session

_TOO_OLD: Final = 1000  # messages whose time is over that are looked after in one second
Settled = Sequence[tuple[str, str]]


class QueuesStatistics(msgspec.Struct, frozen=True, rename="camel"):
    """What `Queues.statistics` tells.

    Attributes:
        store: what waits and is taken, and what the store did.
        consumed: queues with a consumer on this node.
        consumers: consumers of queues on this node.
        delivered: messages handed to consumers.
        redelivered: of those, the ones that had been delivered before.
        acknowledged: messages acknowledged, those with ``ack:auto`` included.
        refused: messages that consumers refused by NACK.
        dead: messages delivered too often, which went to dead letters or were dropped.
        expired: messages whose time was over.
        buried: of the dead and expired, the ones that went to a dead-letter queue.
    """

    store: QueueStoreStatistics
    consumed: int
    consumers: int
    delivered: int
    redelivered: int
    acknowledged: int
    refused: int
    dead: int
    expired: int
    buried: int


class QueueCounts(msgspec.Struct):
    """What happened to messages; see `QueuesStatistics`."""

    delivered: int = 0
    redelivered: int = 0
    acknowledged: int = 0
    refused: int = 0
    dead: int = 0
    expired: int = 0
    buried: int = 0


@final
class Queues:
    """The queues of a node.

    Args:
        settings: for the bounds.
        options: what the application says of queues.
        store: where messages wait.
        turns: of the node.
        now: seconds of the Unix epoch, for times to live.
        spawn: runs what nobody waits for.
        teller: tells of subscriptions.

    Attributes:
        counts: what happened.
        check: refuses queues that are not there.
    """

    def __init__(
        self,
        settings: Settings,
        options: OptionsTable,
        store: QueueStore[Message],
        turns: Turns,
        now: Callable[[], float],
        spawn: Callable[[Coroutine[Any, Any, Any], str], None],
        teller: Teller,
    ) -> None:
        self.turns = turns
        self.spawn = spawn
        self.counts = QueueCounts()
        self.check: Callable[[str], None] = _all_are_there
        self._max_queues = settings.max_queues
        self._options = options
        self._store = store
        self._now = now
        self._teller = teller
        self._consumed: dict[str, Consumed] = {}
        self._dead = DeadMessages(self, options, store, now)

    def statistics(self) -> QueuesStatistics:
        """Figures of now and since the start."""
        consumers = sum(len(each.consumers) for each in self._consumed.values())
        return QueuesStatistics(
            self._store.statistics(), len(self._consumed), consumers, **msgspec.structs.asdict(self.counts)
        )

    async def start(self) -> None:
        """Connects the store."""
        await self._store.start(self._waiting)

    async def aclose(self) -> None:
        """Disconnects the store."""
        await self._store.aclose()

    def _waiting(self, queue: str) -> None:
        consumed = self._consumed.get(queue)
        if consumed is not None:
            self.turns.add(consumed)

    def each_second(self) -> None:
        """Looks after messages whose time is over."""
        expired = self._store.take_expired(_TOO_OLD, now=self._now())
        if isinstance(expired, Awaitable):
            self.spawn(self._bury_later(expired), "expired messages could not be looked for")
        else:
            self._bury_expired(expired)

    async def _bury_later(self, expired: Awaitable[Sequence[tuple[str, Taken[Message]]]]) -> None:
        self._bury_expired(await expired)

    def _bury_expired(self, expired: Sequence[tuple[str, Taken[Message]]]) -> None:
        for queue, one in expired:
            self._dead.bury(queue, one.id, one.item, one.deliveries - 1, EXPIRED)

    # Messages in.

    def put(self, message: Message) -> Awaitable[None] | None:
        """Appends a message to its queue; ``None`` when it stands there already.

        Raises:
            Problem: ``queue-full``, or ``unavailable`` (also from the awaitable).
        """
        outcome = self._store.append((self.entry(message),), now=self._now())
        return self._checked(outcome)

    def commit(self, messages: Sequence[Message], settled: Settled) -> Awaitable[None] | None:
        """Appends messages and settles others, together or not at all; as `put`."""
        if not (messages or settled):
            return None
        entries = [self.entry(message) for message in messages]
        return self._checked(self._store.append(entries, settled, now=self._now()))

    def entry(self, message: Message) -> Entry[Message]:
        """A message as the store wants it.

        Raises:
            Problem: ``not-found``: a temporary queue that is not there.
        """
        self.check(message.destination)
        options = self._options.of(message.destination)
        asked_for = options is not PLAIN or message.destination in self._consumed
        return Entry(message.destination, message, size_of(message), options.queue, asked_for)

    def _checked(self, outcome: Refused | Awaitable[Refused | None] | None) -> Awaitable[None] | None:
        if outcome is None:
            return None
        if isinstance(outcome, Refused):
            raise self._problem(outcome)
        return self._check_later(outcome)

    async def _check_later(self, outcome: Awaitable[Refused | None]) -> None:
        refused = await outcome
        if refused is not None:
            raise self._problem(refused)

    def _problem(self, refused: Refused) -> Problem:
        if refused.why is Refusal.NO_ROOM:
            return Problem(
                "unavailable",
                f"there is no room for another queue ({self._max_queues}, max_queues; half of them, where it is not "
                "declared and has no consumers)",
            )
        if refused.why is Refusal.NO_BYTES:
            return Problem("unavailable", "the queues of the node hold as much as they may (queue_bytes)")
        limits = self._options.of(refused.queue).queue
        return Problem(
            "queue-full",
            f"{refused.queue} holds as much as it may: {limits.max_messages} messages or {limits.max_bytes} bytes",
        )

    # Consumers.

    def subscribe(self, session: Session, subscription: Subscription, queue: str) -> Awaitable[None] | None:
        """Adds a consumer; the awaitable ends when it misses nothing.

        Raises:
            Problem: ``unavailable``, beyond ``max_queues``.
        """
        consumed = self._consumed.get(queue)
        watching = None
        if consumed is None:
            if len(self._consumed) >= self._max_queues:
                raise Problem(
                    "unavailable", f"there is no room for another queue ({self._max_queues}, max_queues)"
                )
            consumed = self._consumed[queue] = Consumed(self, queue)
            watching = self._store.watch(queue)
        consumer = QueueConsumer(session, subscription, self, consumed)
        consumed.consumers[consumer] = None
        subscription.source = consumer
        consumed.ready(consumer)
        if subscription.automatic:
            self._teller.tell("subscribe", session, subscription.destination)  # the SEND goes on meanwhile
        else:
            self._teller.tell_in_order("subscribe", session, subscription.destination)
        return watching

    def left(self, session: Session, subscription: Subscription, consumed: Consumed) -> None:
        """A consumer has ended."""
        if not consumed.consumers and self._consumed.get(consumed.name) is consumed:
            del self._consumed[consumed.name]
            self._store.unwatch(consumed.name)
        self._teller.tell_in_order("unsubscribe", session, subscription.destination)

    def consumers(self, queue: str) -> int:
        """How many consumers a queue has on this node."""
        consumed = self._consumed.get(queue)
        return 0 if consumed is None else len(consumed.consumers)

    # Messages out, and back.

    def take(self, queue: str, count: int) -> Sequence[Taken[Message]] | Awaitable[Sequence[Taken[Message]]]:
        """Takes messages for consumers."""
        return self._store.take(queue, count, now=self._now())

    def count(self, taken: Taken[Message]) -> None:
        """A message goes to a consumer."""
        self.counts.delivered += 1
        self.counts.redelivered += taken.redelivered

    def handed_out(
        self, queue: str, done: Sequence[str], back: Sequence[str], expired: Sequence[Taken[Message]]
    ) -> None:
        """Settles what need not be acknowledged, and what nobody could take goes back."""
        if done:
            self.wait(self.settle(queue, done), "messages could not be settled")
        if back:
            self.wait(self._store.give_back(queue, back, delivered=False), "messages could not be given back")
        for one in expired:
            self._dead.bury(queue, one.id, one.item, one.deliveries - 1, EXPIRED)

    def settle(self, queue: str, ids: Sequence[str]) -> Awaitable[None] | None:
        """Messages are done with."""
        self.counts.acknowledged += len(ids)
        return self._store.settle(queue, ids)

    def back(self, queue: str, messages: Sequence[Delivered]) -> Awaitable[None] | None:
        """Messages were delivered and not acknowledged, which counts: they wait again, or are dead."""
        most = self._options.of(queue).queue.max_deliveries
        living = [each.id for each in messages if each.deliveries < most]
        for each in messages:
            if each.deliveries >= most:
                self._dead.bury(queue, each.id, each.message, each.deliveries, MAX_DELIVERIES)
        return self._store.give_back(queue, living, delivered=True) if living else None

    def back_unused(self, queue: str, messages: Sequence[Delivered]) -> Awaitable[None] | None:
        """Messages were delivered, and their consumer has hardly begun with them: they wait again."""
        if not messages:
            return None
        return self._store.give_back(queue, [each.id for each in messages], delivered=True, counted=False)

    def delete(self, queue: str) -> None:
        """A temporary queue ends, with all that is in it."""
        self.wait(self._store.delete(queue), "a temporary queue could not be deleted")

    def wait(self, waits: Awaitable[None] | None, failed: str) -> None:
        """Lets something end that nobody waits for."""
        if waits is not None:
            self.spawn(_ended(waits), failed)


def _all_are_there(queue: str) -> None:
    """Where there are no temporary queues."""


async def _ended(waits: Awaitable[None]) -> None:
    await waits
