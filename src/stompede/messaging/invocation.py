"""All that a handler or guard may ask for."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from stompede._types import NO_HEADERS, Principal
from stompede.messaging.message import Message
from stompede.messaging.session import StompSession


class Invocation(msgspec.Struct, frozen=True, gc=False):
    """One call of a handler or of a destination's guards, from which the arguments are taken.

    Attributes:
        message: what was sent; for a SUBSCRIBE a message with the destination, its headers and an empty body.
        session: whose frame it is.
        principal: the principal of this message, which a token on the frame may have just renewed.
        path: values of the pattern's variables, as the router found them.
    """

    message: Message
    session: StompSession
    principal: Principal | None = None
    path: Mapping[str, str] = NO_HEADERS
