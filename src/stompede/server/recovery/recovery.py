"""SUBSCRIBE with a past: what was missed, in order, then what is live, without a gap and without a double.

A recovery goes through these steps:

1. It listens: what is published from now on is collected, within a bound.
2. It reads the history after the client's position, in one go: all of it or nothing. The RECEIPT says which.
3. It writes what it read, piece by piece. Recoveries take turns, and a turn of the loop writes a bounded number of
   bytes, so that live messages of everybody else pass between. A socket that is blocked gives up its place and
   what was read; when it is empty again the recovery begins anew at 2, after the last message that was written.
4. What was collected meanwhile follows, without what was read already, and the subscription joins its cohort in the
   hub, in the same turn. Where the collected no longer joins on (more came than may be collected), 2 begins anew.

The number of recoveries that read and write at once is bounded (``max_recoveries``); further ones wait for their turn.
All steps work with a store and a bus that answer later. Where the store is ahead of the bus, a recovery goes on
listening until the bus has brought what the store had already.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Final, final

from stompede.messaging.message import Message
from stompede.server.fanout.delivery import Delivery
from stompede.server.fanout.policies import Cut
from stompede.server.recovery.histories import Histories
from stompede.server.recovery.losses import messages_lost
from stompede.server.recovery.outlets import PAGE, outlet_of, subscribe_live
from stompede.server.recovery.pages import Pages
from stompede.server.recovery.recovering import (
    Blocked,
    Collector,
    Recovery,
    RecoveryStatistics,
    Said,
    asked,
    before,
)
from stompede.server.session.disconnects import Disconnects
from stompede.server.session.subscription import Subscription
from stompede.store import Page
from stompede.wire import stomp

if TYPE_CHECKING:
    from stompede.server.node import Node
    from stompede.server.session.session import Session

_TURN_BYTES: Final = 256 * 1024
_STEP_BYTES: Final = 256  # what a step costs that writes less


@final
class Recoverer:
    """All recoveries of one node.

    Args:
        node: whose they are.
        delivery: where subscriptions go when they are done.
        histories: what is read.
    """

    def __init__(self, node: Node, delivery: Delivery, histories: Histories) -> None:
        self._node = node
        self._delivery = delivery
        self._histories = histories
        self._max_running = node.settings.max_recoveries
        self._max_live_bytes = node.settings.outbound_bytes
        self._collectors: dict[str, Collector] = {}
        self._pages = Pages()
        self._waiting: dict[Recovery, None] = {}
        self._running: dict[Recovery, None] = {}
        self._active: deque[Recovery] = deque()
        self._blocked = Blocked()
        self._listening: dict[Recovery, None] = {}
        self._scheduled = False
        self._recovered = self._refused = self._messages = self._outrun = 0

    def statistics(self) -> RecoveryStatistics:
        """Figures of now and since the start."""
        return RecoveryStatistics(
            len(self._running), len(self._waiting), len(self._blocked), self._recovered, self._refused,
            self._messages, self._outrun, self._pages.encoded, self._pages.shared,
            self._pages.kept_bytes,
        )  # fmt: skip

    # Begin.

    def attach(
        self, session: Session, subscription: Subscription, head: stomp.Head | None
    ) -> Said | Awaitable[Said]:
        """Lets a subscription to a destination with history get messages; see `stompede.server.session.attaching`.

        Raises:
            Problem: ``invalid-header``.
        """
        if head is None:  # where it stopped; a client that has read further drops what it knows
            after, newest, subscription.left_at = subscription.left_at, 0, None
        else:
            after, newest = asked(head)
        if after is None and newest == 0:
            return self._attach_live(session, subscription)
        recovery = Recovery(self, session, subscription, after, newest, resumed=head is None)
        self._collect(recovery)
        if session.closed:
            recovery.close()
            return {}
        recovery.outlet = outlet_of(
            session, subscription, self._delivery, self._pages, lambda: self._drained(recovery)
        )
        subscription.source = recovery
        self._waiting[recovery] = None
        self._start_more()
        if not recovery.answer.done():
            return recovery.answer
        try:
            return recovery.answer.result()
        except Exception:
            self.drop(recovery)
            raise

    def _collect(self, recovery: Recovery) -> None:
        """Takes part in what is collected of its destination."""
        session, destination = recovery.session, recovery.destination
        known = self._histories.watch(destination)
        collector = self._collectors.get(destination)
        if collector is not None:
            ready = self._delivery.listening(destination)
        else:
            collector = Collector(self, self._max_live_bytes)
            ready = self._delivery.listen(session, destination, collector)
            if session.closed:
                return
            self._collectors[destination] = collector
        collector.recoveries[recovery] = None
        recovery.collector = collector
        recovery.ready = [one for one in (known, ready) if one is not None]

    def _attach_live(self, session: Session, subscription: Subscription) -> Said | Awaitable[Said]:
        destination = subscription.destination
        known = self._histories.watch(destination)
        ready = subscribe_live(session, subscription, self._delivery)
        if known is None and ready is None:
            return self._position_of(destination)

        async def wait() -> Said:
            for one in (known, ready):
                if one is not None:
                    await one
            return self._position_of(destination)

        return wait()

    def _position_of(self, destination: str) -> Said:
        position = self._histories.position(destination)
        return {} if position is None else {"position": str(position)}

    # Reading.

    def _start_more(self) -> None:
        while self._waiting and len(self._running) < self._max_running:
            recovery = next(iter(self._waiting))
            del self._waiting[recovery]
            self._running[recovery] = None
            self._read(recovery)

    def _read(self, recovery: Recovery) -> None:
        recovery.collector.begin(recovery)
        asked: Awaitable[Page[Message]] | None = None
        if not recovery.ready:
            try:
                page = self._ask(recovery)
            except Exception as error:
                self._failed(recovery, error)
                return
            if isinstance(page, Page):
                self._got(recovery, page)
                return
            asked = page
        self._histories.spawn(self._read_later(recovery, asked))

    def _ask(self, recovery: Recovery) -> Page[Message] | Awaitable[Page[Message]]:
        store, now = self._histories.store, self._node.now()
        after = recovery.after if recovery.last is None else recovery.last
        if after is None:
            return store.last(recovery.destination, min(recovery.newest, PAGE), now)
        return store.read(recovery.destination, after, recovery.outlet.page, now)

    async def _read_later(self, recovery: Recovery, asked: Awaitable[Page[Message]] | None) -> None:
        try:
            while recovery.ready:
                await recovery.ready.pop(0)
            page = self._ask(recovery) if asked is None else asked
            if not isinstance(page, Page):
                page = await page
        except Exception as error:
            self._failed(recovery, error)
        else:
            self._got(recovery, page)

    def _failed(self, recovery: Recovery, error: Exception) -> None:
        if recovery.ended:
            return
        if not (recovery.answer.done() or recovery.resumed):
            recovery.answer.set_exception(error)  # who waits for it drops the subscription
            return
        self._node.problems.log_failure(
            recovery.session, error, recovery.destination, "a recovery could not go on"
        )
        recovery.session.error_and_end(Disconnects.INTERNAL, "what was missed cannot be read; come back")

    def _got(self, recovery: Recovery, page: Page[Message]) -> None:
        if recovery.ended:
            return
        recovery.next = 0
        if recovery.last is not None:
            if page.complete and (page.items or not recovery.behind):
                recovery.items = page.items
            else:
                self._outran(recovery)
            recovery.behind = False
            self._go(recovery)
            return
        recovery.items = page.items
        if recovery.after is None:
            recovery.last = before(page)
            recovery.answer.set_result({"position": str(recovery.last)})
            return
        recovery.last = recovery.after if page.complete else page.top
        if recovery.resumed and not page.complete:
            self._node.problems.tell(recovery.session, messages_lost(), recovery.destination)
            if recovery.answer.done():  # telling has ended a slow session
                return
        self._recovered += page.complete
        self._refused += not page.complete
        recovery.answer.set_result(
            {"recovered": "true" if page.complete else "false", "position": str(recovery.last)}
        )

    def answered(self, recovery: Recovery) -> None:
        """The RECEIPT is written: messages may follow."""
        if not recovery.ended and not recovery.told:
            recovery.told = True
            self._delivery.told(recovery.session, recovery.destination)
            self._go(recovery)

    # Writing.

    def _go(self, recovery: Recovery) -> None:
        self._active.append(recovery)
        self._schedule()

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._node.call_soon(self._turn)

    def _turn(self) -> None:
        """One turn of the loop: a piece for each recovery in turn, until it is enough."""
        self._scheduled = False
        written = 0
        while self._active and written < _TURN_BYTES:
            recovery = self._active.popleft()
            if not recovery.ended:
                try:
                    written += max(_STEP_BYTES, self._step(recovery))
                except Exception as error:
                    self._failed(recovery, error)
        if self._active:
            self._schedule()

    def _step(self, recovery: Recovery) -> int:
        session = recovery.session
        session.write_answers()
        if session.closed:
            return 0
        if recovery.outlet.blocked:
            self._block(recovery)
            return 0
        if recovery.next < len(recovery.items):
            size = self._write_piece(recovery)
            self._active.append(recovery)
            return size
        recovery.items = ()
        return self._catch_up(recovery)

    def _write_piece(self, recovery: Recovery) -> int:
        end, size = recovery.outlet.write(recovery.items, recovery.next)
        self._messages += end - recovery.next
        recovery.next = end
        recovery.last = recovery.items[end - 1].position
        return size

    def _catch_up(self, recovery: Recovery) -> int:
        """What was read is written: what came meanwhile follows, if it joins on."""
        last = recovery.last
        assert last is not None
        fresh = recovery.collector.after(last)
        delivered = self._histories.position(recovery.destination)
        if fresh:
            if not self._histories.follows(last, fresh[0][0]):
                self._read_on(recovery)  # more came than is collected
                return 0
        elif delivered is None or (delivered.epoch == last.epoch and delivered.offset < last.offset):
            self._release(recovery)
            self._listening[recovery] = None
            self._start_more()
            return 0
        elif delivered != last and delivered.epoch == last.epoch:
            self._read_on(recovery)  # it came while nothing was collected
            return 0
        return self._join(recovery, [(message_id, message) for _, message_id, message in fresh])

    def _read_on(self, recovery: Recovery) -> None:
        """There is more, and the history must have it: if it has nothing, it will not have it next time either."""
        recovery.behind = True
        self._read(recovery)

    def _join(self, recovery: Recovery, fresh: list[tuple[str, Message]]) -> int:
        size = recovery.outlet.join(fresh)
        if size is None:
            if not recovery.ended:
                self._active.append(recovery)
            return 0
        self._over(recovery)
        self._leave(recovery)
        self._start_more()
        return size

    def came(self, collector: Collector) -> None:
        """Something live came: it may be what some wait for."""
        if self._listening:
            for recovery in [one for one in collector.recoveries if one in self._listening]:
                del self._listening[recovery]
                self._running[recovery] = None
                self._go(recovery)

    # Slow ones.

    def _block(self, recovery: Recovery) -> None:
        recovery.items = ()
        self._release(recovery)
        self._blocked.add(recovery)
        self._start_more()

    def unblocked(self, session: Session) -> None:
        """A session's socket takes bytes again."""
        for recovery in self._blocked.of(session):
            self._drained(recovery)

    def _drained(self, recovery: Recovery) -> None:
        """A recovery may take more."""
        if not recovery.outlet.blocked and self._blocked.discard(recovery):
            self._waiting[recovery] = None
            self._start_more()

    def _outran(self, recovery: Recovery) -> None:
        """The history forgot what was not written yet."""
        self._outrun += 1
        if isinstance(self._node.options.policy_of(recovery.destination), Cut):
            recovery.session.overflow()
            return
        recovery.items = ()
        recovery.last = self._histories.position(recovery.destination) or recovery.last

    # End.

    def _release(self, recovery: Recovery) -> None:
        self._running.pop(recovery, None)
        recovery.collector.end(recovery)
        if not (self._running or self._waiting):
            self._pages.clear()

    def _over(self, recovery: Recovery) -> None:
        recovery.close()
        self._waiting.pop(recovery, None)
        self._listening.pop(recovery, None)
        self._blocked.discard(recovery)
        self._release(recovery)

    def drop(self, recovery: Recovery) -> None:
        """The subscription ends, or is suspended, before it was in the hub."""
        self._over(recovery)
        if not recovery.answer.done():
            recovery.answer.set_result({})
        left_at = recovery.outlet.drop(recovery.last or recovery.after)
        if recovery.subscription.suspended:
            recovery.subscription.left_at = left_at
        recovery.subscription.source = None
        self._leave(recovery)
        if recovery.told:
            self._delivery.untold(recovery.session, recovery.destination)
        self._start_more()

    def _leave(self, recovery: Recovery) -> None:
        collector = recovery.collector
        del collector.recoveries[recovery]
        if not collector.recoveries:
            del self._collectors[recovery.destination]
            self._delivery.unlisten(recovery.session, recovery.destination, collector, told=False)
