"""What travels on the bus."""

from __future__ import annotations

import msgspec

from stompede.messaging.message import Message


class Publication(msgspec.Struct, frozen=True, gc=False):
    """A message and for whom it is.

    Attributes:
        message: destination, body, content type and headers.
        principal: ``None``: everybody subscribed to the destination. With a destination under the session
            prefix: the id of the one session. With one under the user prefix: the name of the member.
        id: message id that a history gave it; ``None``: every node gives one of its own.
    """

    message: Message
    principal: str | None = None
    id: str | None = None
