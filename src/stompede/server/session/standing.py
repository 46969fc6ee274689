"""The subscriptions of a session: each has its id to itself, until it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from stompede.messaging.destinations import Kind
from stompede.server.session import transactions
from stompede.server.session.attaching import detach_user
from stompede.server.session.subscription import Subscription

if TYPE_CHECKING:
    from stompede.server.session.session import Session

OF_USERS: Final = (Kind.SESSION, Kind.USER)
"""What is not subscribed to on the bus: messages are written to the session itself."""


def stand(session: Session, subscription: Subscription) -> None:
    """A subscription takes its id. One that nobody asked for ends, where it has that id, or where the client asks for
    what comes there now.
    """
    known = session.subscriptions.get(subscription.id)
    if known is not None:
        drop(session, known)
    if subscription.kind is Kind.TEMP:
        automatic = session.node.temporary.automatic(session, subscription.destination)
        if automatic is not None:
            drop(session, automatic)
    session.subscriptions[subscription.id] = subscription


def stands(session: Session, subscription: Subscription) -> bool:
    """Whether the client has not left it; another one may have its id."""
    return session.subscriptions.get(subscription.id) is subscription


def drop(session: Session, subscription: Subscription) -> None:
    """A subscription ends, unless it has ended already."""
    if not stands(session, subscription):
        return
    del session.subscriptions[subscription.id]
    if subscription.kind in OF_USERS:
        detach_user(session, subscription)
    elif subscription.source is not None:
        subscription.source.drop(session, subscription)
    if session.node.presence is not None:
        session.node.presence.dropped(subscription)


def drop_all(session: Session) -> None:
    """The session ends: what it has not acknowledged goes back, and its open transactions are aborted."""
    transactions.abort_all(session)
    drop_subscriptions(session)
    if session.temporary is not None:
        session.node.temporary.ended(session)


def drop_subscriptions(session: Session) -> None:
    """Nothing is delivered any more; what is not acknowledged goes back."""
    for subscription in list(session.subscriptions.values()):
        drop(session, subscription)
