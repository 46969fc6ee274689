"""Where the messages of a subscription come from."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import TYPE_CHECKING

from stompede._types import NO_HEADERS
from stompede.server.subscription import Subscription
from stompede.wire import stomp

if TYPE_CHECKING:
    from stompede.server.session import Session

Attached = Mapping[str, str] | Awaitable[Mapping[str, str]]
"""What the RECEIPT of the SUBSCRIBE says besides its id; an awaitable where that is known later."""


def attach(session: Session, subscription: Subscription, head: stomp.Head | None) -> Attached:  # noqa: ARG001
    """Lets a subscription get messages, and sets its ``source``.

    Args:
        session: whose it is.
        subscription: to a topic or queue.
        head: of its SUBSCRIBE; ``None`` where an earlier one is taken up again.

    Raises:
        Problem: it cannot be had.
    """
    ready = session.node.delivery.subscribe(session, subscription)
    return NO_HEADERS if ready is None else _nothing_to_say(ready)


async def _nothing_to_say(ready: Awaitable[None]) -> Mapping[str, str]:
    await ready
    return NO_HEADERS
