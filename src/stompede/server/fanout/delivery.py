"""What goes from the bus to sessions, and what this node asks the bus for."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING, final

from stompede.bus import Bus
from stompede.messaging.destinations import Kind, Prefixes
from stompede.messaging.message import Message
from stompede.messaging.problem import Problem
from stompede.server.fanout.hub import Hub
from stompede.server.fanout.publication import Publication
from stompede.server.fanout.topics import CohortKey, Listener
from stompede.server.fanout.user_channels import UserChannels
from stompede.server.fanout.wishes import Wishes
from stompede.server.recovery.histories import Histories
from stompede.server.recovery.pages import frames_for
from stompede.server.session.sessions import Sessions
from stompede.server.session.subscription import Subscription
from stompede.server.session.telling import Teller

if TYPE_CHECKING:
    from stompede.server.session.session import Session


@final
class Delivery:
    """Topic subscriptions of one node, and the way of publications to its sessions.

    Args:
        prefixes: of destinations.
        bus: brings publications; it is asked for the destinations that somebody here subscribes to.
        hub: fans out what is for topics.
        histories: checks what has a position.
        sessions: who gets what is for sessions and members.
        teller: tells of subscriptions.
        max_topics: destinations that may have subscribers here.

    Attributes:
        user_channels: what the bus is asked for user destinations.
    """

    def __init__(
        self,
        prefixes: Prefixes,
        bus: Bus[Publication],
        hub: Hub,
        histories: Histories,
        sessions: Sessions,
        teller: Teller,
        max_topics: int,
    ) -> None:
        self._prefixes = prefixes
        self._wishes = Wishes(bus, prefixes.topic, histories.spawn)
        self.user_channels = UserChannels(prefixes, self._wishes)
        self._hub = hub
        self._histories = histories
        self._sessions = sessions
        self._teller = teller
        self._max_topics = max_topics

    def subscribe(self, session: Session, subscription: Subscription) -> Awaitable[None] | None:
        """Puts a topic subscription into the hub; the awaitable ends when the bus listens for it.

        Raises:
            Problem: ``unavailable``, beyond ``max_topics``.
        """
        destination = subscription.destination
        ready = self._enter(session, destination)
        if session.closed:
            return None
        self._add(session, subscription)
        self._teller.tell_in_order("subscribe", session, destination)
        return ready

    def _enter(self, session: Session, destination: str) -> Awaitable[None] | None:
        """Makes sure that the bus brings a destination."""
        self._hub.settle(destination)  # it may end the last subscriber, and with it what the bus listens for
        if session.closed:  # or this very session
            if destination not in self._hub:
                self._histories.forget(destination)
            return None
        if destination in self._hub:
            return self._wishes.still(destination)
        if len(self._hub) >= self._max_topics:
            self._histories.forget(destination)
            raise Problem("unavailable", "this node has no room for another destination (max_topics)")
        return self._wishes.want(destination)

    def _left(self, destination: str) -> None:
        """A subscriber left: with the last one the bus need not bring the destination any more."""
        if destination not in self._hub:
            self._wishes.unwant(destination)
            self._histories.forget(destination)

    def _add(self, session: Session, subscription: Subscription) -> None:
        subscription.cohort = self.cohort_of(session, subscription)
        self._hub.add(subscription.destination, subscription.cohort, session.outbox)
        subscription.source = self

    @staticmethod
    def cohort_of(session: Session, subscription: Subscription) -> CohortKey:
        """With whom a subscription shares its bytes."""
        version = session.wire.version
        assert version is not None
        return (
            session.transport.framing,
            version,
            subscription.id if subscription.id_given else None,
        )

    def drop(self, session: Session, subscription: Subscription) -> None:
        """See `Source`: takes a topic subscription out of the hub."""
        assert subscription.cohort is not None
        destination = subscription.destination
        self._hub.remove(destination, subscription.cohort, session.outbox)
        subscription.cohort = None
        subscription.source = None
        if subscription.suspended:
            subscription.left_at = self._histories.position(destination)
        self._left(destination)
        self._teller.tell_in_order("unsubscribe", session, destination)

    # Listeners: who takes the messages of a topic one by one, before it joins the others or instead.

    def listen(self, session: Session, destination: str, listener: Listener) -> Awaitable[None] | None:
        """Lets a listener hear a topic; the awaitable ends when the bus listens for it.

        Raises:
            Problem: ``unavailable``, beyond ``max_topics``.
        """
        ready = self._enter(session, destination)
        if not session.closed:
            self._hub.listen(destination, listener)
        return ready

    def listening(self, destination: str) -> Awaitable[None] | None:
        """What ends when the bus listens for a destination that has a listener; ``None`` where it does.

        Raises:
            BusError: it does not.
        """
        return self._wishes.still(destination)

    def unlisten(self, session: Session, destination: str, listener: Listener, *, told: bool) -> None:
        """Takes a listener away; with ``told``, the application was told of its subscription."""
        self._hub.unlisten(destination, listener)
        self._left(destination)
        if told:
            self.untold(session, destination)

    def told(self, session: Session, destination: str) -> None:
        """Tells the application of a subscription that a listener hears for."""
        self._teller.tell_in_order("subscribe", session, destination)

    def untold(self, session: Session, destination: str) -> None:
        """Tells the application that such a subscription has ended."""
        self._teller.tell_in_order("unsubscribe", session, destination)

    def join(
        self, session: Session, subscription: Subscription, fresh: Sequence[tuple[str, Message]]
    ) -> int | None:
        """Puts a subscription into the hub, and writes what a listener has heard for it before.

        Returns:
            How many bytes that was; ``None`` where it could not be done, because the session has ended or is blocked.
        """
        self._hub.settle(subscription.destination)  # what the listener has heard must not come again
        if session.outbox.blocked:
            return None
        data = b""
        if fresh:
            data = frames_for(self.cohort_of(session, subscription), fresh)
            session.outbox.write(data)
        self._add(session, subscription)
        return len(data)

    def deliver(self, publication: Publication) -> None:
        """Takes what the bus brings."""
        message = publication.message
        if publication.principal is None:
            if publication.id is None:
                self._hub.publish(message)
            else:
                self._histories.take(publication)
            return
        if self._prefixes.classify(message.destination) is Kind.SESSION:
            session = self._sessions.connected.get(publication.principal)
            if session is not None:
                session.deliver_to_user(message)
            return
        for session in list(self._sessions.users.get(publication.principal, ())):
            session.deliver_to_user(message)
