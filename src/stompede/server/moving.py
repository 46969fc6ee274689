"""Moving a client: it is told to go on elsewhere, and when.

Each gets an ERROR frame with the URL of another node (`reconnect-url`), where the gateway knows one that takes it, and
how long it should wait (`reconnect-delay-ms`, by chance), so that those who are moved together do not come back
together.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final, final

from stompede.server.session.disconnects import Disconnects

if TYPE_CHECKING:
    from stompede.server.node import Node
    from stompede.server.session.session import Session

_SPREAD_MS: Final = 1000


@final
class Mover:
    """Moves sessions of one node.

    Args:
        node: the node.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._chance = random.Random()  # noqa: S311 - spreads load, no secret

    async def move(self, session: Session, why: str) -> None:
        """Ends a session with `Disconnects.MOVED`. One that has not got CONNECTED hears it by the close code alone.

        Args:
            session: the session.
            why: a sentence for people.
        """
        node = self._node
        if session.id not in node.sessions:
            session.end(Disconnects.MOVED.value)
            return
        target = await node.gateway.choose(besides=node.id)
        headers = {"reconnect-delay-ms": str(self._chance.randrange(_SPREAD_MS))}
        if target is not None and target.url:
            headers["reconnect-url"] = target.url
        session.error_and_end(Disconnects.MOVED, why, headers=headers)
