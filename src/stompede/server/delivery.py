"""What goes from the bus to sessions, and what this node asks the bus for."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, final

from stompede.bus import Bus
from stompede.messaging.destinations import Kind, Prefixes
from stompede.messaging.problem import Problem
from stompede.server.hub import Hub
from stompede.server.publication import Publication
from stompede.server.sessions import Sessions
from stompede.server.subscription import Subscription
from stompede.server.telling import Teller

if TYPE_CHECKING:
    from stompede.server.session import Session


@final
class Delivery:
    """Topic subscriptions of one node, and the way of publications to its sessions.

    Args:
        prefixes: of destinations.
        bus: brings publications; it is asked for the destinations that somebody here subscribes to.
        hub: fans out what is for topics.
        sessions: who gets what is for sessions and members.
        teller: tells of subscriptions.
        max_topics: destinations that may have subscribers here.
    """

    def __init__(
        self,
        prefixes: Prefixes,
        bus: Bus[Publication],
        hub: Hub,
        sessions: Sessions,
        teller: Teller,
        max_topics: int,
    ) -> None:
        self._prefixes = prefixes
        self._bus = bus
        self._hub = hub
        self._sessions = sessions
        self._teller = teller
        self._max_topics = max_topics

    def subscribe(self, session: Session, subscription: Subscription) -> Awaitable[None] | None:
        """Puts a topic subscription into the hub; the awaitable ends when the bus listens for it.

        Raises:
            Problem: ``unavailable``, beyond ``max_topics``.
        """
        destination = subscription.destination
        ready = None
        self._hub.settle(destination)  # it may end the last subscriber, and with it what the bus listens for
        if session.closed:  # or this very session
            return None
        if destination not in self._hub:
            if len(self._hub) >= self._max_topics:
                raise Problem("unavailable", "this node has no room for another destination (max_topics)")
            ready = self._bus.want(destination)
        version = session.wire.version
        assert version is not None
        subscription.cohort = (
            session.transport.framing,
            version,
            subscription.id if subscription.id_given else None,
        )
        self._hub.add(destination, subscription.cohort, session.outbox)
        subscription.source = self
        self._teller.tell_in_order("subscribe", session, destination)
        return ready

    def drop(self, session: Session, subscription: Subscription) -> None:
        """See `Source`: takes a topic subscription out of the hub."""
        assert subscription.cohort is not None
        destination = subscription.destination
        self._hub.remove(destination, subscription.cohort, session.outbox)
        subscription.cohort = None
        subscription.source = None
        if destination not in self._hub:
            self._bus.unwant(destination)
        self._teller.tell_in_order("unsubscribe", session, destination)

    def deliver(self, publication: Publication) -> None:
        """Takes what the bus brings."""
        message = publication.message
        if publication.principal is None:
            self._hub.publish(message, publication.id)
            return
        if self._prefixes.classify(message.destination) is Kind.SESSION:
            session = self._sessions.connected.get(publication.principal)
            if session is not None:
                session.deliver_to_user(message)
            return
        for session in list(self._sessions.users.get(publication.principal, ())):
            session.deliver_to_user(message)
