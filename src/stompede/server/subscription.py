"""One subscription of one session."""

from __future__ import annotations

from stompede.messaging.destinations import Kind
from stompede.server.topics import CohortKey


class Subscription:
    """One subscription of one session.

    Attributes:
        id: the client's id; in STOMP 1.0, where it gave none, the destination.
        destination: what it is subscribed to.
        id_given: whether MESSAGE frames name the id.
        kind: what the destination is.
        ack: acknowledgement mode that the client asked for.
        cohort: where the hub has it, for topics and queues.
        guarded: whether guards name the destination.
        suspended: nothing is delivered, because the token ran out.
    """

    __slots__ = ("ack", "cohort", "destination", "guarded", "id", "id_given", "kind", "suspended")

    def __init__(
        self,
        id: str,  # noqa: A002 - the header's name
        destination: str,
        kind: Kind,
        *,
        id_given: bool,
        ack: str,
        guarded: bool,
    ) -> None:
        self.id = id
        self.destination = destination
        self.id_given = id_given
        self.kind = kind
        self.ack = ack
        self.guarded = guarded
        self.cohort: CohortKey | None = None
        self.suspended = False
