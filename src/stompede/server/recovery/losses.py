"""Telling subscribers that messages are missing."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Final, final

from stompede.messaging.problem import Problem

if TYPE_CHECKING:
    from stompede.server.node import Node
    from stompede.server.session.session import Session

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

    def add(self, destination: str) -> None:
        """Messages of a destination are missing."""
        if not self._lost:
            self._node.call_soon(self._begin)
        self._lost.add(destination)

    def _begin(self) -> None:
        lost, self._lost = self._lost, set()
        self._go_on(iter(list(self._node.sessions.values())), lost)

    def _go_on(self, sessions: Iterator[Session], lost: set[str]) -> None:
        looked_at = 0
        for session in islice(sessions, _AT_ONCE):
            looked_at += 1
            self._tell(session, lost)
        if looked_at == _AT_ONCE:
            self._node.call_soon(lambda: self._go_on(sessions, lost))

    def _tell(self, session: Session, lost: set[str]) -> None:
        of_this = {subscription.destination for subscription in session.subscriptions.values()} & lost
        for destination in sorted(of_this):
            if session.closed:
                return
            self._node.problems.tell(
                session,
                messages_lost(),
                destination,
            )
