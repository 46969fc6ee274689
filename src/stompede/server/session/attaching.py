"""Where the messages of a subscription come from."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import TYPE_CHECKING, Final

from stompede._types import NO_HEADERS
from stompede.messaging.destinations import Kind
from stompede.messaging.patterns import holds_wildcard
from stompede.server.fanout.wildcards import check_wildcard
from stompede.server.queues.acks import AUTO, prefetch_of
from stompede.server.recovery.outlets import subscribe_live
from stompede.server.recovery.recovering import Recovery, asked
from stompede.server.session.subscription import Subscription
from stompede.wire import stomp

if TYPE_CHECKING:
    from stompede.server.session.session import Session

Attached = Mapping[str, str] | Awaitable[Mapping[str, str]]
"""What the RECEIPT of the SUBSCRIBE says besides its id; an awaitable where that is known later."""

_NOT_RECOVERED: Final = {"recovered": "false"}


def attach(session: Session, subscription: Subscription, head: stomp.Head | None) -> Attached:
    """Lets a subscription get messages, and sets its ``source``.

    Args:
        session: whose it is.
        subscription: to a topic or queue.
        head: of its SUBSCRIBE; ``None`` where an earlier one is taken up again.

    Raises:
        Problem: it cannot be had.
    """
    if head is not None and holds_wildcard(subscription.destination):
        check_wildcard(session, subscription.destination, head)
    attached = _attach(session, subscription, head)
    presence = session.node.presence
    return attached if presence is None else presence.attached(session, subscription, attached)


def attach_user(session: Session, subscription: Subscription) -> Attached:
    """Lets a subscription to a user destination get messages.

    Raises:
        BusError: the bus does not listen for it.
    """
    ready = session.node.delivery.user_channels.enter(session, subscription.kind)
    if session.user_subscriptions is None:
        session.user_subscriptions = {}
    session.user_subscriptions.setdefault(subscription.destination, []).append(subscription)
    return NO_HEADERS if ready is None else _say_later(NO_HEADERS, ready)


def detach_user(session: Session, subscription: Subscription) -> None:
    """It gets none any more."""
    assert session.user_subscriptions is not None
    of_destination = session.user_subscriptions[subscription.destination]
    of_destination.remove(subscription)
    if not of_destination:
        del session.user_subscriptions[subscription.destination]
    session.node.delivery.user_channels.leave(session, subscription.kind)


def _attach(session: Session, subscription: Subscription, head: stomp.Head | None) -> Attached:
    node = session.node
    if head is not None and subscription.ack != AUTO:
        subscription.prefetch = prefetch_of(session, head)
    if keeps_history(session, subscription):
        return node.recoverer.attach(session, subscription, head)
    if head is not None:
        asked(head)  # what could not be meant where there is a history cannot be meant here
    ready = _subscribe(session, subscription)
    said = NO_HEADERS if head is None or "recover-from" not in head.forwarded else _NOT_RECOVERED
    return said if ready is None else _say_later(said, ready)


def _subscribe(session: Session, subscription: Subscription) -> Awaitable[None] | None:
    """To a queue, to a topic whose messages are acknowledged, or to any other topic."""
    node = session.node
    if subscription.kind is Kind.QUEUE:
        return node.queues.subscribe(session, subscription, subscription.destination)
    if subscription.kind is Kind.TEMP:
        return node.queues.subscribe(
            session, subscription, node.temporary.own(session, subscription.destination)
        )
    return subscribe_live(session, subscription, node.delivery)


async def _say_later(said: Mapping[str, str], ready: Awaitable[None]) -> Mapping[str, str]:
    await ready
    return said


def keeps_history(session: Session, subscription: Subscription) -> bool:
    """Whether what a subscription gets has positions."""
    return (
        subscription.kind is Kind.TOPIC
        and session.node.options.of(subscription.destination).history is not None
        and not holds_wildcard(subscription.destination)
    )


async def wait_attached(attached: Awaitable[Mapping[str, str]]) -> Mapping[str, str]:
    """What the RECEIPT says besides its id."""
    return await attached


def answered(subscription: Subscription) -> None:
    """The RECEIPT is written: what was held back for the subscription may follow."""
    if isinstance(subscription.source, Recovery):
        subscription.source.answered()
