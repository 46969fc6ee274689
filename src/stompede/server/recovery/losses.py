"""Telling subscribers that messages are missing."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Final, final

from stompede.messaging.destinations import Kind
from stompede.messaging.patterns import holds_wildcard
from stompede.messaging.problem import Problem

if TYPE_CHECKING:
    from stompede.server.node import Node
    from stompede.server.session.session import Session
    from stompede.server.session.subscription import Subscription

_AT_ONCE: Final = 1000  # sessions looked at in one turn of the loop


def messages_lost() -> Problem:
    """What a subscriber is told where messages are missing."""
    return Problem(
        "messages-lost",
        "messages are missing here, and are no longer kept; what comes from now on is complete again",
    )


@final
class Losses:
    """Tells ``messages-lost`` to whoever subscribes to a destination where some are missing.

    It goes through the sessions once for all destinations of a turn of the loop, some of them at a time: where a bus
    was away, there are many destinations at once.

    Args:
        node: whose subscribers they are.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._lost: set[str] = set()
        self._anywhere = False

    def add_all(self) -> None:
        """The bus may have missed messages of any destination: those with a history are checked by position, of all
        others subscribers are told.
        """
        if not (self._lost or self._anywhere):
            self._node.call_soon(self._begin)
        self._anywhere = True

    def add(self, destination: str) -> None:
        """Messages of a destination are missing."""
        if not (self._lost or self._anywhere):
            self._node.call_soon(self._begin)
        self._lost.add(destination)

    def _begin(self) -> None:
        lost, self._lost = self._lost, set()
        anywhere, self._anywhere = self._anywhere, False
        self._go_on(iter(list(self._node.sessions.values())), lost, anywhere=anywhere)

    def _go_on(self, sessions: Iterator[Session], lost: set[str], *, anywhere: bool) -> None:
        looked_at = 0
        for session in islice(sessions, _AT_ONCE):
            looked_at += 1
            self._tell(session, lost, anywhere=anywhere)
        if looked_at == _AT_ONCE:
            self._node.call_soon(lambda: self._go_on(sessions, lost, anywhere=anywhere))

    def _tell(self, session: Session, lost: set[str], *, anywhere: bool) -> None:
        subscriptions = session.subscriptions.values()
        of_this = {subscription.destination for subscription in subscriptions} & lost
        if anywhere:
            of_this.update(one.destination for one in subscriptions if self._is_unchecked(one))
        for destination in sorted(of_this):
            if session.closed:
                return
            self._node.problems.tell(
                session,
                messages_lost(),
                destination,
            )

    def _is_unchecked(self, subscription: Subscription) -> bool:
        """Whether nobody sees that messages are missing."""
        if subscription.kind is Kind.TOPIC:
            return holds_wildcard(subscription.destination) or (
                self._node.options.of(subscription.destination).history is None
            )
        prefixes = self._node.prefixes
        own = (prefixes.errors, prefixes.replies)  # which this node itself writes
        return subscription.kind in (Kind.SESSION, Kind.USER) and subscription.destination not in own
