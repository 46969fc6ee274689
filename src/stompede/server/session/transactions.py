"""BEGIN, COMMIT and ABORT: frames that take effect together.

A SEND, ACK or NACK with a ``transaction`` is checked when it comes, like any other: rate, token, interceptors, guards.
What passes is kept, and its RECEIPT says that. What is refused gets its soft error, and spoils the transaction: nothing
of it takes effect any more, and COMMIT says ``transaction-aborted``.

COMMIT has three steps, and what fails at one keeps the next from happening:

1. The messages for queues are put in, and what was acknowledged is settled, in one step of the store. If a queue is
   full, nothing happens at all.
2. What is for topics is published, and what was refused goes back.
3. What is for handlers is handled, see `stompede.server.session.handling`. Then the RECEIPT goes out.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, final

import msgspec

from stompede.messaging.message import Message, size_of
from stompede.messaging.problem import Problem
from stompede.server.handlers.routes import Route
from stompede.server.session import credentials
from stompede.server.session.disconnects import Disconnects
from stompede.server.session.handling import Call, Handling
from stompede.wire import stomp

if TYPE_CHECKING:
    from stompede.server.queues.acks import Consumer, Delivered
    from stompede.server.session.session import Session


class TransactionsStatistics(msgspec.Struct, rename="camel"):
    """What became of the transactions of a node.

    Attributes:
        open: not committed and not aborted yet.
        committed: took effect.
        aborted: by ABORT, or because their session ended.
        refused: COMMITs that took no effect.
        size_bytes: what the messages in open ones take, see `size_of`.
    """

    open: int = 0
    committed: int = 0
    aborted: int = 0
    refused: int = 0
    size_bytes: int = 0


class _Answer(msgspec.Struct, frozen=True):
    """An ACK or NACK."""

    consumer: Consumer
    messages: list[Delivered]
    taken: bool  # ACK


@final
class Transaction:
    """One that is open.

    Attributes:
        spoiled: one of its frames was refused.
    """

    __slots__ = ("answers", "calls", "frames", "messages", "size_bytes", "spoiled")

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.calls: list[Call] = []
        self.answers: list[_Answer] = []
        self.frames = 0
        self.size_bytes = 0
        self.spoiled = False

    def release(self) -> None:
        """Nothing of it takes effect: what it would have acknowledged is unacknowledged again."""
        answers, self.answers = self.answers, []
        self.messages = []
        self.calls = []
        for answer in reversed(answers):
            answer.consumer.release(answer.messages)


def _find(session: Session, head: stomp.Head) -> Transaction | None:
    name = head.transaction
    return None if session.transactions is None or name is None else session.transactions.get(name)


def is_open(session: Session, head: stomp.Head) -> bool:
    """Whether the transaction that a frame names is open; if not, the session has ended."""
    if _find(session, head) is not None:
        return True
    session.error_and_end(
        Disconnects.PROTOCOL, f"there is no transaction {_short(head.transaction)}; BEGIN it first",
        receipt_id=head.receipt,
    )  # fmt: skip
    return False


def spoil(session: Session, head: stomp.Head) -> None:
    """A frame was refused: if it was in a transaction, nothing of that takes effect."""
    transaction = _find(session, head)
    if transaction is not None:
        _spoil(session, transaction)


def _spoil(session: Session, transaction: Transaction) -> None:
    transaction.spoiled = True
    transaction.release()
    session.node.transactions.size_bytes -= transaction.size_bytes
    transaction.size_bytes = 0


def _room(session: Session, transaction: Transaction, size_bytes: int) -> None:
    """Counts a frame.

    Raises:
        Problem: ``too-large``, or ``unavailable`` where all transactions together hold too much.
    """
    settings = session.node.settings
    if transaction.frames >= settings.max_transaction_frames:
        raise Problem(
            "too-large",
            f"a transaction may have {settings.max_transaction_frames} frames (max_transaction_frames)",
        )
    if transaction.size_bytes + size_bytes > settings.max_transaction_bytes:
        raise Problem(
            "too-large",
            f"the messages of a transaction may take {settings.max_transaction_bytes} bytes "
            "(max_transaction_bytes)",
        )
    counts = session.node.transactions
    if counts.size_bytes + size_bytes > settings.transaction_bytes:
        raise Problem(
            "unavailable", "the open transactions of the node hold as much as they may (transaction_bytes)"
        )
    transaction.frames += 1
    transaction.size_bytes += size_bytes
    counts.size_bytes += size_bytes


def keep_message(session: Session, head: stomp.Head, route: Route, message: Message) -> None:
    """Takes a SEND that was checked.

    Raises:
        Problem: it is too much for a transaction.
    """
    transaction = _find(session, head)
    assert transaction is not None
    _room(session, transaction, 0 if transaction.spoiled else size_of(message))
    if transaction.spoiled:
        return
    if route.served is None:
        transaction.messages.append(message)
    else:
        transaction.calls.append(Call(head, route, message))


def keep_ack(
    session: Session, event: stomp.Ack | stomp.Nack, consumer: Consumer, messages: list[Delivered]
) -> None:
    """Takes an ACK or NACK: until the end of the transaction its messages count as unacknowledged."""
    transaction = _find(session, event.head)
    assert transaction is not None
    try:
        _room(session, transaction, 0)
    except Problem as problem:
        spoil(session, event.head)
        session.fail(problem, event.head, None)
        return
    if not transaction.spoiled:
        consumer.hold(messages)
        transaction.answers.append(_Answer(consumer, messages, isinstance(event, stomp.Ack)))
    session.receipt(event.head)


def spoil_acknowledging(session: Session) -> None:
    """The session's messages go back now: a transaction that acknowledges some of them cannot take effect any more."""
    for transaction in (session.transactions or {}).values():
        if transaction.answers:
            _spoil(session, transaction)


def abort_all(session: Session) -> None:
    """The session ends."""
    if session.transactions is None:
        return
    open_ones, session.transactions = session.transactions, None
    counts = session.node.transactions
    for transaction in open_ones.values():
        transaction.release()
        counts.open -= 1
        counts.size_bytes -= transaction.size_bytes
        counts.aborted += 1


# The frames.


def on_begin(session: Session, event: stomp.Begin) -> None:
    """Opens a transaction."""
    if session.transactions is None:
        session.transactions = {}
    most = session.node.settings.max_transactions
    if event.transaction in session.transactions:
        problem = f"transaction {_short(event.transaction)} is open already; COMMIT or ABORT it first"
        session.error_and_end(Disconnects.PROTOCOL, problem, receipt_id=event.head.receipt)
    elif len(session.transactions) >= most:
        problem = f"a session may have {most} open transactions (max_transactions)"
        session.error_and_end(Disconnects.LIMIT, problem, receipt_id=event.head.receipt)
    else:
        _proved(session, event.head, lambda: _begin(session, event))


def _begin(session: Session, event: stomp.Begin) -> None:
    if session.transactions is None:
        session.transactions = {}
    session.transactions[event.transaction] = Transaction()
    session.node.transactions.open += 1
    session.receipt(event.head)


def on_abort(session: Session, event: stomp.Abort) -> None:
    """Forgets a transaction."""
    if is_open(session, event.head):
        _proved(session, event.head, lambda: _abort(session, event))


def _abort(session: Session, event: stomp.Abort) -> None:
    _close(session, event.transaction).release()
    session.node.transactions.aborted += 1
    session.receipt(event.head)


def on_commit(session: Session, event: stomp.Commit) -> None:
    """Makes a transaction take effect. Where the token has run out it stays open: COMMIT again with a new one."""
    if is_open(session, event.head):
        _proved(session, event.head, lambda: _commit(session, event))


def _commit(session: Session, event: stomp.Commit) -> None:
    head = event.head
    try:
        if head.authorization is None:
            credentials.check_nowait(session, None)
    except Exception as error:
        session.fail(error, head, None)
        return
    transaction = _close(session, event.transaction)
    queues, prefixes = session.node.queues, session.node.prefixes
    queued = [one for one in transaction.messages if prefixes.is_queued(one.destination)]
    settled = [
        pair
        for answer in transaction.answers
        if answer.taken
        for pair in answer.consumer.settles(answer.messages)
    ]
    try:
        if transaction.spoiled:
            raise Problem("transaction-aborted", "a frame of it was refused; nothing of it took effect")
        waits = queues.commit(queued, settled)
    except Exception as error:
        _refuse(session, head, transaction, error)
        return
    if waits is None:
        _committed(session, head, transaction)
        return

    def done(_: Any, error: BaseException | None) -> None:
        if error is None:
            _committed(session, head, transaction)
        else:
            _refuse(session, head, transaction, error)

    session.run(_all([waits]), done)


def _refuse(session: Session, head: stomp.Head, transaction: Transaction, error: BaseException) -> None:
    transaction.release()
    session.node.transactions.refused += 1
    if not session.closed:
        session.fail(error, head, None)


def _committed(session: Session, head: stomp.Head, transaction: Transaction) -> None:
    """The store has taken its part: nothing can be refused any more."""
    node = session.node
    node.transactions.committed += 1
    waiting: list[Awaitable[None]] = []
    for answer in transaction.answers:
        answer.consumer.held -= len(answer.messages)
        if answer.taken:
            answer.consumer.settled(answer.messages)
        else:
            waiting += _waits(answer.consumer.refused(answer.messages))
    try:
        for message in transaction.messages:
            if not node.prefixes.is_queued(message.destination):
                waiting += _waits(node.publisher.publish_message(message))
    except Exception as error:
        if waiting:
            node.spawn(_all(waiting), "a part of a transaction failed")
        session.fail(error, head, None)
        return

    def handle() -> None:
        Handling(session, transaction.calls, lambda: session.receipt(head)).go()

    def taken(_: Any, error: BaseException | None) -> None:
        if error is None:
            handle()
        elif not session.closed:
            session.fail(error, head, None)

    if not waiting:
        handle()
    elif transaction.calls or not session.closed:
        session.run(_all(waiting), taken)
    else:
        node.spawn(_all(waiting), "a part of a transaction failed")


def _waits(outcome: Awaitable[None] | None) -> list[Awaitable[None]]:
    return [] if outcome is None else [outcome]


async def _all(waiting: list[Awaitable[None]]) -> None:
    """Waits for each; the first failure is raised when all have ended."""
    failure: Exception | None = None
    for each in waiting:
        try:
            await each
        except Exception as error:
            failure = failure or error
    if failure is not None:
        raise failure


def _close(session: Session, name: str) -> Transaction:
    assert session.transactions is not None
    transaction = session.transactions.pop(name)
    session.node.transactions.open -= 1
    session.node.transactions.size_bytes -= transaction.size_bytes
    return transaction


def _proved(session: Session, head: stomp.Head, then: Callable[[], None]) -> None:
    """Goes on when the token that the frame brings, if it does, is found to count."""
    if head.authorization is None:
        then()
        return

    def done(_: Any, error: BaseException | None) -> None:
        if session.closed:
            return
        if error is not None:
            session.fail(error, head, None)
        else:
            then()

    session.run(credentials.check(session, head.authorization), done)


def _short(text: str | None) -> str:
    shown = text or ""
    return shown if len(shown) <= 64 else f"{shown[:64]}..."
