"""One client's session on the server: between a transport below, the wire session beside it, and the node
above.

This module has the session's life: bytes in, events in order, answers out, deadlines, the end. What a command
does stands in modules of its own: `connecting`, `subscribing`, `sending`, and `credentials`.

Order: events of a session are handled one after the other. While one waits (a handler, a guard, a login), no further
event is taken from the wire, and when enough bytes have come in meanwhile, the socket is not read: the client feels it,
nobody else does. `busy` counts what is waited for: an event may begin several things, and the last to end lets go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final, final

from stompede._types import NO_HEADERS, Principal
from stompede.messaging.message import Message
from stompede.messaging.session import StompSession
from stompede.server.fanout.outbox import Offer, Outbox
from stompede.server.fanout.topics import is_text
from stompede.server.handlers.answers import MAX_WAITING_BYTES
from stompede.server.queues.acks import Ledger, direct_ack
from stompede.server.queues.temporary import Own
from stompede.server.rates import TokenBucket
from stompede.server.repeats import Repeats
from stompede.server.session import (
    acknowledging,
    connecting,
    credentials,
    disconnecting,
    ending,
    leaving,
    reading,
    sending,
    silence,
    standing,
    subscribing,
    suspending,
    transactions,
)
from stompede.server.session.disconnects import Disconnect, Disconnects
from stompede.server.session.subscription import Subscription
from stompede.transports.base import Transport, framed
from stompede.wire import stomp

if TYPE_CHECKING:
    from stompede.server.node import Node
    from stompede.server.session.beating import Rhythm

Done = Callable[[Any, BaseException | None], None]


@final
class Session(StompSession):
    """See the module. Made by `Node.accept`; all methods are called on the node's loop, outside of any task."""

    __slots__ = (
        "_answers", "_left", "_processing", "answered", "asked", "bucket", "busy", "closed", "connected",
        "credentials_deadline", "doing", "ended", "generation", "gone", "inflow", "last_seen", "leaving", "ledger",
        "node", "outbox", "proof", "rate", "reading_paused", "repeats", "rhythm", "slowed_until", "started",
        "subscriptions", "temporary",
        "told_of_errors", "told_of_replies", "transactions", "transport", "user_subscriptions", "wire",
    )  # fmt: skip

    def __init__(self, node: Node, transport: Transport, session_id: str) -> None:
        super().__init__(id=session_id, node_id=node.id, client_address=transport.address)
        self.node = node
        self.transport = transport
        self.wire = stomp.ServerSession(
            limits=node.wire_limits,
            heart_beat=node.heart_beat,
            server=node.server_name,
            cache=node.head_cache,
        )
        self.outbox = Outbox(
            transport.write, node.settings.outbound_bytes, node.outbox_counters, self.overflow
        )
        self.subscriptions: dict[str, Subscription] = {}
        self.user_subscriptions: dict[str, list[Subscription]] | None = None
        self.ledger: Ledger | None = None
        self.transactions: dict[str, transactions.Transaction] | None = None
        self.temporary: Own | None = None
        self.connected = self.closed = self.gone = self._processing = False
        self.ended: Disconnect | None = None
        self.leaving: tuple[Disconnect, str] | None = None
        self._left = reading.FRAMES_OF_A_TURN
        self.busy = 0
        self.doing: tuple[Any, ...] | None = None
        self.reading_paused = False
        self.told_of_errors = self.told_of_replies = False
        self.credentials_deadline: float | None = None
        self.proof: str | None = None
        self.generation = node.verifier.generation
        self.rate: TokenBucket | None = None
        self.repeats: Repeats | None = None
        self.rhythm: Rhythm | None = None
        self.inflow = node.admission.inflow()
        self.slowed_until: float | None = None
        self.started = self.last_seen = self.asked = self.answered = node.now()
        self._answers: list[bytes] | None = None
        self.bucket = 0
        node.deadlines.add(self, self.started + node.settings.connect_timeout_s)

    # Bytes in.

    def received(self, data: bytes) -> None:
        """See `Receiver`."""
        if self.closed:
            return
        now = self.last_seen = self.node.now()
        self.node.bytes_in += len(data)
        self.wire.receive_data(data, now)
        if not self.busy:
            self.process()
        elif not self.reading_paused and self.wire.buffered_bytes > self.node.settings.inbound_bytes:
            reading.pause(self, counted=True)
        if self.inflow is not None:
            self.node.admission.spend(self, len(data), now)

    def alive(self) -> None:
        """See `Receiver`."""
        silence.answered(self, self.node.now())

    def process(self) -> None:
        """Handles events until one has to wait or none is left."""
        if self._processing:
            return
        self._processing = True
        next_event = self.wire.next_event
        left = self._left
        try:
            while not self.busy and not self.closed:
                event = next_event()
                if event is None:
                    break
                _ON_EVENT[type(event)](self, event)
                left -= 1
                if not left:
                    left = reading.FRAMES_OF_A_TURN
                    reading.rest(self)
        except (Exception, SystemExit) as error:
            ending.on_failure(self, error)
        finally:
            self._processing = False
            self._left = left
        if self.reading_paused:
            reading.look_again(self)
        elif self.busy and self.wire.buffered_bytes > self.node.settings.inbound_bytes:
            reading.pause(self, counted=True)

    def pump(self) -> None:
        """See `Pumping`: the loop has been round, and the session has rested."""
        self.busy -= 1
        self.go_on()

    # Work that waits.

    def run(self, coro: Coroutine[Any, Any, Any], done: Done) -> None:
        """Runs what may wait. Until ``done`` was called, and what that began has ended, no further event is handled."""
        self.busy += 1
        self.node.runner.start(coro, partial(self._ended, done))

    def wait_for(self, future: asyncio.Future[Any], done: Done) -> None:
        """Like `run`, for what somebody else works on already."""

        def finished(_: object) -> None:
            error = future.exception()
            self._ended(done, None if error else future.result(), error)

        self.busy += 1
        future.add_done_callback(finished)

    def _ended(self, done: Done, result: Any, error: BaseException | None) -> None:
        self.busy -= 1
        try:
            done(result, error)
        except (Exception, SystemExit) as failure:
            ending.on_failure(self, failure)
        self.go_on()

    def go_on(self) -> None:
        """Handles what came in meanwhile, unless something else keeps the session busy."""
        if not (self.busy or self._processing or self.closed):
            self.process()

    # Answers out.

    def write_frame(self, frame: bytes, text: bool = True) -> None:
        """Sends one STOMP frame that may not be dropped, at the end of this turn of the loop."""
        data = framed(self.transport.framing, frame, text)
        answers = self._answers
        if answers is None:
            self._answers = [data]
            self.node.answers.add(self)
        else:
            answers.append(data)
            if len(answers) * len(data) > MAX_WAITING_BYTES:
                self.write_answers()

    def write_answers(self) -> None:
        """See `Answering`."""
        answers = self._answers
        if answers is not None:
            self._answers = None
            self.send_bytes(answers[0] if len(answers) == 1 else b"".join(answers))

    def send_bytes(self, data: bytes) -> None:
        """Sends what is framed already and may not be dropped."""
        if self.outbox.closed:
            return
        self.node.bytes_out += len(data)
        if self.outbox.send(data) is Offer.OVERFLOW:
            self.overflow()

    def receipt(self, head: stomp.Head, headers: Mapping[str, str] = NO_HEADERS) -> None:
        """Sends the RECEIPT that a frame asked for, if it did."""
        if head.receipt is not None and not self.closed:
            self.write_frame(self.wire.send_receipt(head.receipt, headers))

    def deliver(self, subscription: Subscription, message: Message) -> None:
        """Sends a MESSAGE on one subscription, directly."""
        message_id = self.node.hub.next_message_id()
        if subscription.ack == "auto" and message.destination == subscription.destination:
            frame = subscription.template(self).encode(message_id, message)
        else:
            given = subscription.id if subscription.id_given else None
            ack = None if subscription.ack == "auto" else direct_ack(self, subscription, message_id)
            frame = self.wire.send_message(message, message_id=message_id, subscription=given, ack=ack)
        self.write_frame(frame, is_text(message.body))

    def deliver_to_user(self, message: Message) -> int:
        """Sends a message to the session's subscriptions of a user destination; returns how many there are."""
        if self.user_subscriptions is None or self.closed:
            return 0
        found = self.user_subscriptions.get(message.destination, ())
        for subscription in (subscriptions := [each for each in found if not each.suspended]):
            self.deliver(subscription, message)
        return len(subscriptions)

    def reply(self, value: Any, head: stomp.Head) -> None:
        """Sends a handler's result back, with the request's code."""
        body, content_type = self.node.encode(value)
        code = head.client_request_code
        headers: Mapping[str, str] = NO_HEADERS if code is None else {"client-request-code": code}
        if self.deliver_to_user(Message(self.node.prefixes.replies, body, content_type, headers)) == 0:
            self.node.problems.reply_unheard(self)

    def handler_done(self, result: Any, error: BaseException | None) -> None:
        """The handler of a SEND, which kept the session busy, is done."""
        self.busy -= 1
        try:
            sending.send_done(self, result, error)
        except (Exception, SystemExit) as failure:
            ending.on_failure(self, failure)
        self.go_on()

    # Errors.

    def fail(self, error: BaseException, head: stomp.Head, destination: str | None) -> None:
        """Answers a frame that could not be served with a soft error. The session lives on."""
        self.node.problems.answer(self, error, head, destination)

    def violation(self, event: stomp.Violation) -> None:
        """The client broke the protocol: says so and closes."""
        ending.on_violation(self, event)

    def broke(self, code: int, reason: str) -> None:
        """See `Receiver`."""
        ending.on_broken(self, code, reason)

    def error_and_end(
        self,
        row: Disconnects,
        message: str,
        *,
        receipt_id: str | None = None,
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> None:
        """Sends an ERROR frame and closes."""
        standing.drop_all(self)  # what the hub has gathered goes out first: nothing may follow an ERROR
        if self.closed:  # by an overflow on the way
            return
        told = {**ending.told(row), **headers}
        self.write_frame(self.wire.send_error(message, receipt_id=receipt_id, headers=told))
        self.end(row.value, detail=message)

    # Flow control.

    def paused(self) -> None:
        """See `Receiver`."""
        self.outbox.block(self.node.now())
        if not self.closed:
            self.node.blocked[self] = None

    def resumed(self) -> None:
        """See `Receiver`."""
        self.outbox.drain()
        if not self.outbox.blocked:
            self.node.unblocked(self)
            if self.ledger is not None:
                self.ledger.ready()
            self.node.recoverer.unblocked(self)

    def overflow(self) -> None:
        """Too much waits for this client, or for too long."""
        if not self.closed:
            self.node.outbox_counters.overflows += 1
            self.outbox.close()
            self.end_now(Disconnects.SLOW_CONSUMER, "messages are taken too slowly; some are lost")

    # Deadlines.

    def look_again(self, when: float) -> None:
        """Asks for `on_deadline` at ``when`` at the latest."""
        self.node.deadlines.hasten(self, min(when, silence.next_deadline(self, self.node.now())))

    def on_deadline(self, now: float) -> float | None:
        """See `Timed`."""
        if self.closed:
            return None
        if self.slowed_until is not None and now >= self.slowed_until:
            self.slowed_until = None
            self.node.call_soon(self.process)
        if not self.connected:
            if now - self.started >= self.node.settings.connect_timeout_s and not self.busy:
                self.error_and_end(Disconnects.CONNECT_TIMEOUT, "no CONNECT frame came in time")
                return None
        else:
            silence.check(self, now)
            if self.generation != self.node.verifier.generation:
                credentials.prove_again(self)
            if self.credentials_deadline is not None and now >= self.credentials_deadline:
                self.credentials_deadline = None
                suspending.suspend_guarded(self)
        if self.ended is not None:
            return None
        return silence.next_deadline(self, now)

    # The end.

    def end(self, why: Disconnect, *, detail: str = "") -> None:
        """Closes: what was written goes out, then a close frame. Idempotent."""
        if self.closed:
            return
        ending.finish(self, why, detail)
        answers, self._answers = self._answers, None
        data = b"".join(answers or ())
        self.node.bytes_out += len(data)
        self.outbox.flush_last(data)
        self.outbox.close()
        self.transport.close(why.code, why.reason)

    def end_now(self, row: Disconnects, message: str) -> None:
        """Closes a session whose queue is given up: an ERROR frame and the close frame stand next in the socket."""
        if self.connected and not self.closed:
            frame = self.wire.send_error(message, headers=ending.told(row))
            self.transport.write(framed(self.transport.framing, frame, True))
        self.end(row.value, detail=message)

    def finished(self) -> None:
        """See `Receiver`."""
        leaving.finished(self)

    def lost(self, code: int | None, reason: str) -> None:
        """See `Receiver`."""
        leaving.lost(self, code, reason)

    def set_principal(self, principal: Principal | None) -> None:
        """The server's way to say who the session belongs to."""
        self._principal = principal


_ON_EVENT: Final[Mapping[type, Callable[[Session, Any], None]]] = {
    stomp.Send: sending.on_send,
    stomp.Subscribe: subscribing.on_subscribe,
    stomp.Unsubscribe: subscribing.on_unsubscribe,
    stomp.Connect: connecting.on_connect,
    stomp.Disconnect: disconnecting.on_disconnect,
    stomp.Ack: acknowledging.on_ack,
    stomp.Nack: acknowledging.on_ack,
    stomp.Begin: transactions.on_begin,
    stomp.Commit: transactions.on_commit,
    stomp.Abort: transactions.on_abort,
    stomp.Violation: Session.violation,
}
