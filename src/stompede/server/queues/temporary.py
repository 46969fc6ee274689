"""Temporary queues: where a session gets answers of other sessions.

``/temp-queue/foo`` means a queue of the session that says it. Others reach it by its address, which stands in the
``reply-to`` of the messages that the session sends: ``/temp-queue/TOKEN/foo``, with a token that nobody can guess. Only
the session itself may subscribe. The queue ends with it.

As with RabbitMQ, a session that names a temporary queue in ``reply-to`` gets what comes there without SUBSCRIBE, under
the subscription id ``/temp-queue/foo``; as with ActiveMQ, it may SUBSCRIBE, and gets it there instead.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final, final

import msgspec

from stompede.messaging.destinations import Kind, Prefixes, check_destination
from stompede.messaging.message import Message
from stompede.messaging.problem import Problem
from stompede.server.queues.acks import AUTO
from stompede.server.session.subscription import Subscription

if TYPE_CHECKING:
    from stompede.server.queues.queues import Queues
    from stompede.server.session.session import Session

REPLY_TO: Final = "reply-to"


class Own(msgspec.Struct):
    """The temporary queues of one session.

    Attributes:
        token: stands in their addresses.
        addresses: of those that it has named.
    """

    token: str
    addresses: set[str]


@final
class TemporaryQueues:
    """Those of one node.

    Args:
        prefixes: of destinations.
        queues: of the node.
        max_names: temporary queues of one session.
        max_destination_bytes: bound of a destination.
    """

    def __init__(
        self, prefixes: Prefixes, queues: Queues, max_names: int, max_destination_bytes: int
    ) -> None:
        self._slash = f"{prefixes.temp_queue}/"
        self._queues = queues
        self._max_names = max_names
        self._max_destination_bytes = max_destination_bytes
        self._addresses: set[str] = set()

    def __len__(self) -> int:
        return len(self._addresses)

    def check(self, address: str) -> None:
        """Refuses a temporary queue that is not there; other queues pass.

        Raises:
            Problem: ``not-found``.
        """
        if address.startswith(self._slash) and address not in self._addresses:
            raise Problem("not-found", "this temporary queue is not there; its session has ended")

    def own(self, session: Session, destination: str) -> str:
        """The address of a session's own queue; it begins to exist.

        Raises:
            Problem: ``forbidden``: it is another session's; ``rate-limited``: the session has too many.
        """
        mine = session.temporary
        if mine is None:
            mine = session.temporary = Own(secrets.token_urlsafe(16), set())
        name = destination.removeprefix(self._slash)
        first, slash, _ = name.partition("/")
        if slash and first != mine.token:
            raise Problem(
                "forbidden", f"only the session itself may use its temporary queue; name one {self._slash}..."
            )
        address = destination if slash else f"{self._slash}{mine.token}/{name}"
        if address not in mine.addresses:
            check_destination(address, max_length=self._max_destination_bytes)
            if len(mine.addresses) >= self._max_names:
                raise Problem(
                    "rate-limited",
                    f"a session may have {self._max_names} temporary queues (max_temporary_queues)",
                )
            mine.addresses.add(address)
            self._addresses.add(address)
        return address

    def addressed(self, session: Session, message: Message) -> Message:
        """A message as others understand it: own queues by their addresses.

        Raises:
            Problem: as `own`.
        """
        destination, headers = message.destination, message.headers
        if self._is_short(destination):
            destination = self.own(session, destination)
        reply_to = headers.get(REPLY_TO, "")
        if self._is_short(reply_to):
            address = self.own(session, reply_to)
            headers = {**headers, REPLY_TO: address}
            if not self._queues.consumers(address):
                self._subscribe(session, reply_to, address)
        if headers is message.headers and destination is message.destination:
            return message
        return Message(destination, message.body, message.content_type, headers)

    def _is_short(self, destination: str) -> bool:
        return destination.startswith(self._slash) and "/" not in destination[len(self._slash) :]

    def _subscribe(self, session: Session, destination: str, address: str) -> None:
        """The session gets what comes, without having asked."""
        if destination in session.subscriptions or session.closed:
            return
        subscription = Subscription(
            destination, destination, Kind.TEMP, id_given=True, ack=AUTO, guarded=False
        )
        subscription.automatic = True
        self._queues.wait(
            self._queues.subscribe(session, subscription, address), "a temporary queue could not be watched"
        )
        session.subscriptions[destination] = subscription

    def automatic(self, session: Session, destination: str) -> Subscription | None:
        """The subscription to a session's own queue that nobody asked for, if there is one."""
        short = f"{self._slash}{destination.rpartition('/')[2]}"
        known = session.subscriptions.get(short)
        if known is None or not known.automatic or self.own(session, destination) != self.own(session, short):
            return None
        return known

    def ended(self, session: Session) -> None:
        """The session has ended, and its consumers with it."""
        mine, session.temporary = session.temporary, None
        if mine is not None:
            self._addresses -= mine.addresses
            for address in mine.addresses:
                self._queues.delete(address)
