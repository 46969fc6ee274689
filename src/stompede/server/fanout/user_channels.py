"""On which channels of the bus user destinations travel.

Every node has somebody who is subscribed to ``/user/queue/offers``, but an offer is for one member: on a channel of
that name each would go to all nodes. So what is for one session or one member travels on a channel of its own, whatever
the destination: ``/session/{id of the session}`` and ``/user/{name of the member}``. A node wants the channel while a
session of that id, or of that member, is subscribed here to anything under the prefix: one channel for each, however
many subscriptions it has, and only the first of them waits for the bus.

The destination and for whom it is stand in the publication: that the names of two channels are alike (of the member
``a/b`` and what else may be called so) brings more than is wanted, and the node sorts it out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, final

from stompede.messaging.destinations import Kind, Prefixes
from stompede.server.fanout.publication import Publication
from stompede.server.fanout.wishes import Wishes

if TYPE_CHECKING:
    from stompede.server.session.session import Session


def user_channel(prefixes: Prefixes, kind: Kind, principal: str) -> str:
    """The channel of what is for one session or member.

    Args:
        prefixes: of destinations.
        kind: `Kind.SESSION` or `Kind.USER`.
        principal: id of the session, or name of the member.
    """
    return f"{prefixes.session if kind is Kind.SESSION else prefixes.user}/{principal}"


def channel_of(prefixes: Prefixes) -> Callable[[Publication], str]:
    """What finds the channel of a publication that comes without, from another program."""

    def find(publication: Publication) -> str:
        destination, principal = publication.message.destination, publication.principal
        if principal is None:
            return destination
        return user_channel(prefixes, prefixes.classify(destination), principal)

    return find


@final
class UserChannels:
    """What this node wants for its sessions; see the module.

    Args:
        prefixes: of destinations.
        wishes: how the bus is asked.
    """

    __slots__ = ("_prefixes", "_subscriptions", "_wishes")

    def __init__(self, prefixes: Prefixes, wishes: Wishes) -> None:
        self._prefixes = prefixes
        self._wishes = wishes
        self._subscriptions: Counter[str] = Counter()  # by channel

    def enter(self, session: Session, kind: Kind) -> Awaitable[None] | None:
        """A session subscribes to a user destination; the awaitable ends when the bus listens for it.

        Raises:
            BusError: the bus does not.
        """
        channel = self._channel(session, kind)
        ready = (self._wishes.still if channel in self._subscriptions else self._wishes.want)(channel)
        self._subscriptions[channel] += 1
        return ready

    def leave(self, session: Session, kind: Kind) -> None:
        """Such a subscription has ended."""
        channel = self._channel(session, kind)
        self._subscriptions[channel] -= 1
        if not self._subscriptions[channel]:
            del self._subscriptions[channel]
            self._wishes.unwant(channel)

    def _channel(self, session: Session, kind: Kind) -> str:
        if kind is Kind.SESSION:
            return user_channel(self._prefixes, kind, session.id)
        assert session.principal is not None  # whose name stays, once it is known
        return user_channel(self._prefixes, kind, session.principal.name)
