"""The frames ACK and NACK, within a transaction or without."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

from stompede.messaging.destinations import Kind
from stompede.messaging.problem import Problem
from stompede.server.queues.acks import AUTO, DIRECT
from stompede.server.session import credentials, transactions
from stompede.server.session.disconnects import Disconnects
from stompede.wire import stomp

if TYPE_CHECKING:
    from stompede.server.session.session import Session


def on_ack(session: Session, event: stomp.Ack | stomp.Nack) -> None:
    """ACK and NACK."""
    if event.head.authorization is None:
        _served(session, event)
        return

    def done(_: Any, error: BaseException | None) -> None:
        if session.closed:
            return
        if error is not None:
            transactions.spoil(session, event.head)
            session.fail(error, event.head, None)
        else:
            _served(session, event)

    session.run(credentials.check(session, event.head.authorization), done)


def _served(session: Session, event: stomp.Ack | stomp.Nack) -> None:
    version = session.wire.version
    assert version is not None
    ledger = session.ledger
    found = None if ledger is None else ledger.find(event, version)
    if event.head.transaction is not None and not transactions.is_open(session, event.head):
        return
    if found is None:
        _not_found(session, event, version)
        return
    consumer, messages = found
    if event.head.transaction is not None:
        transactions.keep_ack(session, event, consumer, messages)
        return
    consumer.let_go(messages)
    answer = consumer.acknowledged if isinstance(event, stomp.Ack) else consumer.refused
    waits = answer(messages)
    if waits is None:
        session.receipt(event.head)
        return
    _receipt_after(session, waits, event.head)


def _receipt_after(session: Session, waits: Awaitable[None], head: stomp.Head) -> None:
    """Sends the RECEIPT when something is sure, or the error."""

    async def wait() -> None:
        await waits

    def done(_: Any, error: BaseException | None) -> None:
        if session.closed:
            return
        if error is None:
            session.receipt(head)
        else:
            session.fail(error, head, None)

    session.run(wait(), done)


def _not_found(session: Session, event: stomp.Ack | stomp.Nack, version: stomp.Version) -> None:
    if _is_direct(session, event, version):
        session.receipt(event.head)
        return
    name = "ACK" if isinstance(event, stomp.Ack) else "NACK"
    if session.leaving is not None or (session.ledger is not None and session.ledger.gave(event, version)):
        transactions.spoil(session, event.head)
        detail = f"{name} names a message that went back when its subscription ended; it will come again"
        session.fail(Problem("not-found", detail), event.head, None)
        return
    session.error_and_end(
        Disconnects.PROTOCOL,
        f"{name} names no message that waits to be acknowledged; name it by the header "
        f"{'ack' if version is stomp.Version.V1_2 else 'message-id'} of its MESSAGE, and once",
        receipt_id=event.head.receipt,
    )


def _is_direct(session: Session, event: stomp.Ack | stomp.Nack, version: stomp.Version) -> bool:
    """Whether the frame is about a message that nobody keeps. Before 1.2 nothing in it says so."""
    if version is stomp.Version.V1_2 and not event.id.startswith(DIRECT):
        return False
    return any(
        one.ack != AUTO
        and (
            one.kind in (Kind.APP, Kind.SESSION, Kind.USER)
            or session.node.routes.spoken_of(one.destination) is not None  # told first who is there
        )
        for one in session.subscriptions.values()
        if event.subscription in (None, one.id)
    )
