"""Why a connection ended, and whether the client may come back.

The server says it twice: in the ``reconnect`` header of the ERROR frame, where it could still send one, and
by the close code, whose meaning stands in the table of `stompede.server.session.disconnects`. The header wins. Codes
outside of the table are read as RFC 6455 section 7.4 and the ranges of the table mean them, so that the
client behaves well with other servers too.
"""

from __future__ import annotations

from typing import Final

import msgspec

from stompede.client.moves import Move
from stompede.errors import SessionClosedError
from stompede.server.session.disconnects import Disconnect, Disconnects

ROWS: Final[dict[int, Disconnect]] = {row.code: row.value for row in Disconnects}

# RFC 6455 section 7.4.1: data of a wrong type, and an extension that is missing, stay so when we come back
# unchanged; so does a broken policy.
PERMANENT: Final = frozenset({1003, 1008, 1010})
STAY_AWAY: Final = range(4500, 5000)

# Statuses of a refused handshake that a later attempt may not meet: a gateway whose nodes are not up yet
# answers 404.
TEMPORARY_STATUS: Final = frozenset({404, 408, 421, 425, 429})

LOST: Final = Disconnects.LOST.code


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """How one connection ended.

    Attributes:
        code: WebSocket close code; 1006 where none came.
        reason: short name from the server, or the table's name for the code.
        detail: a sentence for people: of the ERROR frame, or the table's meaning.
        reconnect: whether the client may come back by itself.
        move: where and when, if the server said it.
    """

    code: int
    reason: str
    detail: str
    reconnect: bool
    move: Move | None = None

    def error(self) -> SessionClosedError:
        """The exception for calls that need the connection. A new one each time: a raised exception
        collects its traceback.
        """
        sentence = f"the connection ended: {self.reason or 'closed'} ({self.code})"
        if self.detail:
            sentence += f": {self.detail}"
        return SessionClosedError(sentence, self.code, self.reason)


def ending(
    code: int | None,
    reason: str,
    *,
    detail: str = "",
    reconnect: bool | None = None,
    move: Move | None = None,
) -> Ending:
    """Reads a close code.

    Args:
        code: of the peer's close frame; ``None`` when the connection broke without one.
        reason: of the peer's close frame.
        detail: sentence of the ERROR frame before it, if one came.
        reconnect: that frame's ``reconnect`` header, if it had one.
        move: what it said of the next connection.
    """
    number = LOST if code is None else code
    row = ROWS.get(number)
    if reconnect is None:
        reconnect = may_come_back(number)
    return Ending(
        code=number,
        reason=reason or (row.reason if row else ""),
        detail=detail or (row.meaning if row else ""),
        reconnect=reconnect,
        move=move,
    )


def may_come_back(code: int) -> bool:
    """Whether a close code invites the client to come back as it is."""
    row = ROWS.get(code)
    if row is not None:
        return row.reconnect
    return code not in PERMANENT and code not in STAY_AWAY


def status_may_change(status: int) -> bool:
    """Whether a handshake that was refused with this HTTP status may succeed later."""
    return status >= 500 or status in TEMPORARY_STATUS
