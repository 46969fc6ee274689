"""One subscription of one session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from stompede.messaging.destinations import Kind
from stompede.server.fanout.topics import CohortKey
from stompede.store import Position
from stompede.wire.stomp import MessageTemplate

if TYPE_CHECKING:
    from stompede.server.session.session import Session


class Source(Protocol):
    """What feeds subscriptions."""

    def drop(self, session: Session, subscription: Subscription) -> None:
        """The subscription ends, or is suspended: nothing more may come to it."""
        ...


class Subscription:
    """One subscription of one session.

    Attributes:
        id: the client's id; in STOMP 1.0, where it gave none, the destination.
        destination: what it is subscribed to.
        id_given: whether MESSAGE frames name the id.
        kind: what the destination is.
        ack: acknowledgement mode that the client asked for.
        cohort: where the hub has it, if there.
        source: what it gets its messages from, and is to be told when it ends.
        guarded: whether guards name the destination.
        suspended: nothing is delivered, because the token ran out.
        prefetch: messages that it may have unacknowledged; ``None``: as the setting says.
        left_at: position of the last message before it was suspended, where there are positions.
        automatic: nobody asked for it: it goes with the ``reply-to`` of a SEND.
    """

    __slots__ = (
        "_template", "ack", "automatic", "cohort", "destination", "guarded", "id", "id_given", "kind", "left_at",
        "prefetch", "source", "suspended",
    )  # fmt: skip

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
        self.source: Source | None = None
        self.suspended = False
        self.prefetch: int | None = None
        self.left_at: Position | None = None
        self.automatic = False
        self._template: MessageTemplate | None = None

    def template(self, session: Session) -> MessageTemplate:
        """Makes the MESSAGE frames of what is sent on it directly."""
        template = self._template
        if template is None:
            version = session.wire.version
            assert version is not None
            given = self.id if self.id_given else None
            template = self._template = MessageTemplate(version, given, self.destination)
        return template
